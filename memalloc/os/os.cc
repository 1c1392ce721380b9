// The kernel, as os.h promises it. The only file with system calls.

#include "memalloc/os/os.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"

// Where ld.so found the argument count; in no header.
extern "C" __attribute__((weak)) void* __libc_stack_end;

namespace memalloc {
namespace {

class ErrnoGuard {
 public:
  ErrnoGuard() : saved_(errno) {}
  ~ErrnoGuard() { errno = saved_; }
  ErrnoGuard(const ErrnoGuard&) = delete;
  ErrnoGuard& operator=(const ErrnoGuard&) = delete;

 private:
  int saved_;
};

void* ToPointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

uintptr_t ToAddress(void* pointer) {
  return pointer == MAP_FAILED ? 0 : reinterpret_cast<uintptr_t>(pointer);
}

std::atomic<uint64_t> g_calls[os::kNumSystemCalls];

void Note(os::SystemCall call, uint64_t count = 1) {
  g_calls[static_cast<size_t>(call)].fetch_add(count,
                                               std::memory_order_relaxed);
}

}  // namespace

void Die(const LineBuffer& line) {
  os::WriteToStderr(line.data(), line.size());
  abort();
}

namespace os {

size_t PageSize() {
  // getauxval goes through a list.
  static std::atomic<size_t> known{0};
  size_t size = known.load(std::memory_order_relaxed);
  if (MEMALLOC_UNLIKELY(size == 0)) {
    size = getauxval(AT_PAGESZ);
    known.store(size, std::memory_order_relaxed);
  }
  return size;
}

MEMALLOC_USUAL uint64_t RandomWord() {
  // The kernel puts 16 random bytes on each new process's stack; glibc's own
  // canaries use the first 16 as they are, so they are mixed before use.
  uint64_t words[2] = {0x9e3779b97f4a7c15, 0};
  const auto* random = reinterpret_cast<const char*>(getauxval(AT_RANDOM));
  if (random != nullptr) memcpy(words, random, sizeof(words));
  uint64_t x = words[0] ^ (words[1] << 32 | words[1] >> 32);
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

MEMALLOC_USUAL bool SecureExecution() { return getauxval(AT_SECURE) != 0; }

MEMALLOC_USUAL const char* EnvironmentEntry(size_t index) {
  char** entries = environ;
  if (entries == nullptr && &__libc_stack_end != nullptr) {
    // Before libc's constructors: as the kernel left it, behind the arguments.
    auto* stack = static_cast<intptr_t*>(__libc_stack_end);
    entries = reinterpret_cast<char**>(stack + 1 + *stack + 1);
  }
  return entries == nullptr ? nullptr : entries[index];
}

MEMALLOC_USUAL uintptr_t CurrentBreak() {
  const ErrnoGuard guard;
  void* now = sbrk(0);
  return now == MAP_FAILED ? 0 : reinterpret_cast<uintptr_t>(now);
}

MEMALLOC_USUAL uintptr_t GrowBreak(size_t bytes) {
  if (bytes > PTRDIFF_MAX) return 0;  // sbrk would shrink
  const ErrnoGuard guard;
  Note(SystemCall::kBrk);
  return ToAddress(sbrk(static_cast<intptr_t>(bytes)));
}

bool LowerBreak(uintptr_t top, size_t bytes) {
  if (CurrentBreak() != top || bytes > PTRDIFF_MAX) return false;
  const ErrnoGuard guard;
  Note(SystemCall::kBrk);
  return sbrk(-static_cast<intptr_t>(bytes)) != MAP_FAILED;
}

MEMALLOC_USUAL uintptr_t Reserve(size_t bytes, uintptr_t hint) {
  const ErrnoGuard guard;
  Note(SystemCall::kMmap);
  return ToAddress(mmap(ToPointer(hint), bytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

MEMALLOC_USUAL bool Commit(uintptr_t start, size_t bytes) {
  // Not mprotect: a sandbox may allow no more than brk, mmap, munmap, madvise
  // and futex.
  const ErrnoGuard guard;
  Note(SystemCall::kMmap);
  return mmap(ToPointer(start), bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

bool IsWhole(uintptr_t start, size_t bytes) {
  // Advice that changes nothing; the kernel says ENOMEM for a hole.
  const ErrnoGuard guard;
  Note(SystemCall::kMadvise);
  return madvise(ToPointer(start), bytes, MADV_NORMAL) == 0;
}

bool Protect(uintptr_t start, size_t bytes) {
  const ErrnoGuard guard;
  Note(SystemCall::kMprotect);
  return mprotect(ToPointer(start), bytes, PROT_NONE) == 0;
}

bool Unprotect(uintptr_t start, size_t bytes) {
  const ErrnoGuard guard;
  Note(SystemCall::kMprotect);
  return mprotect(ToPointer(start), bytes, PROT_READ | PROT_WRITE) == 0;
}

void AdviseHugePages(uintptr_t start, size_t bytes) {
  const ErrnoGuard guard;
  Note(SystemCall::kMadvise);
  madvise(ToPointer(start), bytes, MADV_HUGEPAGE);
}

void AdviseSmallPages(uintptr_t start, size_t bytes) {
  const ErrnoGuard guard;
  Note(SystemCall::kMadvise);
  madvise(ToPointer(start), bytes, MADV_NOHUGEPAGE);
}

bool Purge(uintptr_t start, size_t bytes) {
  // Not MADV_FREE: its pages count as the process's until memory is short.
  const ErrnoGuard guard;
  Note(SystemCall::kMadvise);
  return madvise(ToPointer(start), bytes, MADV_DONTNEED) == 0;
}

MEMALLOC_USUAL void Unmap(uintptr_t start, size_t bytes) {
  const ErrnoGuard guard;
  Note(SystemCall::kMunmap);
  munmap(ToPointer(start), bytes);
}

bool RemapInPlace(uintptr_t start, size_t old_bytes, size_t new_bytes) {
  const ErrnoGuard guard;
  Note(SystemCall::kMremap);
  return mremap(ToPointer(start), old_bytes, new_bytes, 0) != MAP_FAILED;
}

bool RemapTo(uintptr_t start, size_t old_bytes, size_t new_bytes,
             uintptr_t target) {
  const ErrnoGuard guard;
  Note(SystemCall::kMremap);
  return mremap(ToPointer(start), old_bytes, new_bytes,
                MREMAP_MAYMOVE | MREMAP_FIXED, ToPointer(target)) != MAP_FAILED;
}

bool FindResident(uintptr_t start, size_t bytes, unsigned char* pages) {
  const ErrnoGuard guard;
  Note(SystemCall::kMincore);
  return mincore(ToPointer(start), bytes, pages) == 0;
}

uint64_t CountOf(SystemCall call) {
  return g_calls[static_cast<size_t>(call)].load(std::memory_order_relaxed);
}

namespace {

uint64_t ParseNumber(const char* text) {
  while (*text == ' ' || *text == '\t') ++text;
  uint64_t number = 0;
  for (; *text >= '0' && *text <= '9'; ++text) {
    number = number * 10 + static_cast<uint64_t>(*text - '0');
  }
  return number;
}

// In KiB. What getrusage knows counts what ran in the process before exec too.
uint64_t PeakResidentSize() {
  char text[2048];
  if (ReadFile("/proc/self/status", text, sizeof(text)) != 0) {
    constexpr char kName[] = "\nVmHWM:";
    const char* line = strstr(text, kName);
    if (line != nullptr) return ParseNumber(line + sizeof(kName) - 1);
  }
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss);
}

}  // namespace

ResidentSize GetResidentSize() {
  const ErrnoGuard guard;
  ResidentSize size = {0, PeakResidentSize() * 1024};
  char text[128];
  if (ReadFile("/proc/self/statm", text, sizeof(text)) == 0) return size;
  const char* second = strchr(text, ' ');
  if (second == nullptr) return size;
  size.now = ParseNumber(second) * PageSize();
  if (size.peak < size.now) size.peak = size.now;
  return size;
}

uint64_t NowMilliseconds() {
  // Read without a system call (vdso).
  const ErrnoGuard guard;
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0) return 0;
  return static_cast<uint64_t>(now.tv_sec) * 1000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

uint64_t NowOnTheCalendar() {
  const ErrnoGuard guard;
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 +
         static_cast<uint64_t>(now.tv_nsec);
}

uint64_t NanosecondsToTouch(uintptr_t address) {
  const ErrnoGuard guard;
  struct timespec before = {};
  struct timespec after = {};
  clock_gettime(CLOCK_MONOTONIC, &before);
  *reinterpret_cast<volatile char*>(address) = 0;
  clock_gettime(CLOCK_MONOTONIC, &after);
  return static_cast<uint64_t>(after.tv_sec - before.tv_sec) * 1000000000 +
         static_cast<uint64_t>(after.tv_nsec - before.tv_nsec);
}

void WaitWhile(const std::atomic<uint32_t>& word, uint32_t value,
               uint64_t milliseconds) {
  static_assert(sizeof(word) == sizeof(uint32_t));
  const ErrnoGuard guard;
  Note(SystemCall::kFutex);
  struct timespec most;
  most.tv_sec = static_cast<time_t>(milliseconds / 1000);
  most.tv_nsec =
      static_cast<decltype(most.tv_nsec)>(milliseconds % 1000 * 1000000);
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, &most, nullptr, 0);
}

void WakeAll(const std::atomic<uint32_t>& word) {
  const ErrnoGuard guard;
  Note(SystemCall::kFutex);
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

int ProcessId() { return getpid(); }

int ThreadId() { return static_cast<int>(syscall(SYS_gettid)); }

MEMALLOC_USUAL const char* ProgramName() {
  return program_invocation_short_name != nullptr
             ? program_invocation_short_name
             : "";
}

size_t ReadFile(const char* path, char* text, size_t size) {
  const ErrnoGuard guard;
  text[0] = '\0';
  Note(SystemCall::kFile, 3);
  // A pipe without a writer must not stop us.
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return 0;
  size_t length = 0;
  while (length < size - 1) {
    // Files of /proc come in pieces.
    const ssize_t n = read(fd, text + length, size - 1 - length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    length += static_cast<size_t>(n);
  }
  close(fd);
  text[length] = '\0';
  return length;
}

uintptr_t MapFile(const char* path, size_t* bytes) {
  const ErrnoGuard guard;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  struct stat about;
  void* start = MAP_FAILED;
  if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0) {
    *bytes = static_cast<size_t>(about.st_size);
    start = mmap(nullptr, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  close(fd);
  return start == MAP_FAILED ? 0 : reinterpret_cast<uintptr_t>(start);
}

namespace {

// In a program that closed its standard streams a file must not become one.
int OpenAbove(const char* path, int flags, int* error) {
  const ErrnoGuard guard;
  int fd;
  do {
    Note(SystemCall::kFile);
    fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
  } while (fd < 0 && errno == EINTR);
  *error = fd < 0 ? errno : 0;
  if (fd < 0 || fd > kStderrDescriptor) return fd;
  const int above = fcntl(fd, F_DUPFD_CLOEXEC, kStderrDescriptor + 1);
  *error = above < 0 ? errno : 0;
  close(fd);
  return above;
}

}  // namespace

void AppendToFile(const char* path, const char* data, size_t bytes) {
  const ErrnoGuard guard;
  Note(SystemCall::kFile, 3);
  const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  while (write(fd, data, bytes) < 0 && errno == EINTR) {
  }
  close(fd);
}

void WriteToStderr(const char* data, size_t bytes) {
  WriteAll(kStderrDescriptor, data, bytes);
}

bool IsSpecialFile(const char* path) {
  const ErrnoGuard guard;
  Note(SystemCall::kFile);
  struct stat status;
  if (lstat(path, &status) != 0) return false;
  // /dev/stdout and the like must stay what they are, whatever they lead to.
  if (S_ISLNK(status.st_mode) &&
      (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0)) {
    return true;
  }
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

int OpenNew(const char* path, int* error) {
  return OpenAbove(path, O_CREAT | O_EXCL, error);
}

int OpenSpecial(const char* path, int* error) {
  return OpenAbove(path, O_APPEND | O_NONBLOCK | O_NOCTTY, error);
}

int Rename(const char* from, const char* to) {
  const ErrnoGuard guard;
  Note(SystemCall::kFile);
  return rename(from, to) == 0 ? 0 : errno;
}

void Unlink(const char* path) {
  const ErrnoGuard guard;
  Note(SystemCall::kFile);
  unlink(path);
}

int WriteAll(int descriptor, const char* data, size_t bytes) {
  const ErrnoGuard guard;
  while (bytes > 0) {
    Note(SystemCall::kFile);
    const ssize_t n = write(descriptor, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    data += n;
    bytes -= static_cast<size_t>(n);
  }
  return 0;
}

void Close(int descriptor) {
  const ErrnoGuard guard;
  Note(SystemCall::kFile);
  close(descriptor);
}

// glibc goes on where exit was.
void ExitOtherwise(int status) { exit(status); }

namespace {

struct sigaction g_before_ours;

}  // namespace

bool HandleSignal(int signal, void (*handler)(int)) {
  static_assert(kStderrDescriptor == STDERR_FILENO);
  const ErrnoGuard guard;
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  struct sigaction before;
  if (sigaction(signal, &action, &before) != 0) return false;
  if (before.sa_handler != handler) g_before_ours = before;
  return true;
}

void ReturnSignal(int signal, void (*handler)(int)) {
  const ErrnoGuard guard;
  struct sigaction now;
  if (sigaction(signal, nullptr, &now) != 0 || now.sa_handler != handler) {
    return;
  }
  sigaction(signal, &g_before_ours, nullptr);
}

}  // namespace os
}  // namespace memalloc
