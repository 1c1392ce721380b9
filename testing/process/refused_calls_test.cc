// System calls that fail, or are interrupted, in the middle of malloc and free.
//
// A seccomp filter turns chosen system calls into the signal SIGSYS. Its
// handler stands where the call stood: it answers for the kernel, counts, and
// in one scenario calls malloc again, as a careless signal handler does. So the
// scenarios know that the calls they are about were made.

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "memalloc/memalloc.h"
#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/pattern.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

namespace process {
namespace {

volatile sig_atomic_t g_refused = 0;
bool g_call_malloc = false;
void* g_break = nullptr;  // where it stays

void SetResult(void* context, intptr_t result) {
  auto* registers = &static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  registers->gregs[REG_RAX] = result;
#elif defined(__aarch64__)
  registers->regs[0] = static_cast<uint64_t>(result);
#endif
}

void Refuse(int, siginfo_t* info, void* context) {
  g_refused = g_refused + 1;
  if (g_call_malloc) free(malloc(kMiB));
  // A break that cannot move is told by where it is.
  SetResult(context, info->si_syscall == __NR_brk
                         ? reinterpret_cast<intptr_t>(g_break)
                         : -EIO);
}

// From now on the calls `numbers` are answered by Refuse().
void RefuseCalls(const std::vector<uint32_t>& numbers) {
  g_break = sbrk(0);
  struct sigaction action = {};
  action.sa_sigaction = Refuse;
  action.sa_flags = SA_SIGINFO;
  REQUIRE(sigaction(SIGSYS, &action, nullptr) == 0);
  std::vector<sock_filter> program;
  program.push_back(
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
  for (uint32_t number : numbers) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog filter = {static_cast<unsigned short>(program.size()),
                       program.data()};
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    Skip("seccomp filters are not available\n");
  }
}

constexpr size_t kSizes[] = {100,        5000,     40 * kKiB, 100 * kKiB,
                             200 * kKiB, 2 * kMiB, 12 * kMiB, 40 * kMiB};

// Some MiB of each size, full of what is not zero.
std::vector<void*> MakeDirty(size_t size) {
  std::vector<void*> blocks(4 * kMiB / size + 3);
  for (void*& block : blocks) {
    block = malloc(size);
    REQUIRE(block != nullptr);
    memset(block, 0xa5, malloc_usable_size(block));
  }
  return blocks;
}

// What is freed goes back to the kernel at once here, if the kernel lets it.
void ErrnoIsKeptWhereTheKernelRefuses() {
  if (memalloc_set_option != nullptr) {
    REQUIRE(memalloc_set_option("purge_delay", "0") == 0);
  }
  std::vector<std::vector<void*>> all;
  for (size_t size : kSizes) all.push_back(MakeDirty(size));
  RefuseCalls({__NR_madvise, __NR_munmap, __NR_mremap, __NR_brk});
  for (const std::vector<void*>& blocks : all) {
    for (void* block : blocks) {
      errno = EILSEQ;
      free(block);
      REQUIRE(errno == EILSEQ);
    }
  }
  Note("%d calls refused by the end of the frees", int{g_refused});
  REQUIRE(g_refused > 0);
  errno = EILSEQ;
  malloc_trim(0);
  REQUIRE(errno == EILSEQ || !contract::kExpectMemalloc);
  // Nothing was given back: all of it is as dirty as before.
  for (size_t size : kSizes) {
    for (int i = 0; i < 20; ++i) {
      void* block = calloc(1, size);
      REQUIRE(block != nullptr);
      REQUIRE(contract::FindNonZero(block, size) == size);
      memset(block, 0xa5, size);
      free(block);
    }
  }
  Exercise(1, 3000);
}

// Neither the break nor a mapping can be had: the first allocation after that
// for which there is no room fails, and what there is goes on.
void NothingCanBeHad() {
  std::vector<void*> blocks = MakeDirty(100 * kKiB);
  RefuseCalls({__NR_brk, __NR_mmap});
  for (size_t size : {64 * kMiB, size_t{1} << 30}) {
    errno = 0;
    REQUIRE(malloc(size) == nullptr);
    REQUIRE(errno == ENOMEM);
    errno = 0;
    REQUIRE(realloc(blocks[0], size) == nullptr);
    REQUIRE(errno == ENOMEM);
    errno = 0;
    REQUIRE(memalign(4096, size) == nullptr);
    REQUIRE(errno == ENOMEM);
  }
  REQUIRE(g_refused > 0);
  for (void* block : blocks) free(block);
  for (void*& block : blocks) {
    block = malloc(50 * kKiB);
    REQUIRE(block != nullptr);
  }
  for (void* block : blocks) free(block);
}

// The heap grows under its lock; the signal handler wants it to grow, too.
void ReentryIsNamed() {
  const std::string said = Aborted([] {
    g_call_malloc = true;
    RefuseCalls({__NR_brk, __NR_mmap});
    for (int i = 0; i < 1000; ++i) {
      if (malloc(kMiB) == nullptr) break;
    }
  });
  Note("%s", said.c_str());
  REQUIRE(said ==
          "memalloc: malloc or free was called again by the thread that is "
          "inside it (from a signal handler?); see docs/errors.md#reentry\n");
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios = {
      {"ErrnoIsKeptWhereTheKernelRefuses", ErrnoIsKeptWhereTheKernelRefuses},
      {"NothingCanBeHad", NothingCanBeHad},
      {"ReentryIsNamed", ReentryIsNamed},
  };
  scenarios[2].not_on_libc = "its lock makes the thread wait for itself";
  return scenarios;
}

}  // namespace process
