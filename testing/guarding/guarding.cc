// One mistake with a guarded allocation, or one thing that must go on working,
// as the case on the command line says. guarding_test.py says what comes of it.
//
// With MEMALLOC_GUARD_SAMPLE_RATE=1 each small allocation is guarded, while a
// slot is free; cases that install a handler first turn it on by a call.

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "memalloc/memalloc.h"

// Of C23; null where the C library and the allocator lack it.
extern "C" __attribute__((weak)) void free_sized(void* pointer, size_t size);

// In stacks, by name.
#define IN_STACKS \
  extern "C" __attribute__((visibility("default"), noinline, used))

namespace {

constexpr size_t kSize = 100;
constexpr size_t kRoom = 112;  // kSize, aligned

// The compiler must not know what it is about to see.
template <typename T>
T* Hide(T* pointer) {
  T* volatile hidden = pointer;
  return hidden;
}

void Say(const char* text) {
  if (write(STDOUT_FILENO, text, strlen(text)) < 0) _exit(3);
}

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

void TurnOn() {
  if (memalloc_set_option("guard_sample_rate", "1") != 0) _exit(4);
}

}  // namespace

IN_STACKS char* AllocateHere() {
  char* pointer = Hide(static_cast<char*>(malloc(kSize)));
  memset(pointer, 'x', kSize);
  return pointer;
}

IN_STACKS void FreeHere(void* pointer) {
  free(pointer);
  asm volatile("");  // no tail call
}

IN_STACKS char ReadHere(const char* pointer) {
  return *static_cast<const volatile char*>(pointer);
}

IN_STACKS void WriteHere(char* pointer) {
  *static_cast<volatile char*>(pointer) = 1;
}

namespace {

// At that end of its page, or, if not `right`, at the other one.
char* AllocateAt(bool right) {
  for (;;) {
    char* pointer = AllocateHere();
    const size_t offset = reinterpret_cast<uintptr_t>(pointer) % PageSize();
    if (offset == (right ? PageSize() - kRoom : 0)) return pointer;
  }
}

char* Freed() {
  char* pointer = AllocateHere();
  FreeHere(pointer);
  return Hide(pointer);
}

// ---- mistakes ----

void ReadAfterFree() { ReadHere(Freed() + 4); }
void WriteAfterFree() { WriteHere(Freed() + 99); }
void ReadBeyond() { ReadHere(AllocateAt(/*right=*/true) + kRoom); }
void WriteBeyond() { WriteHere(AllocateAt(/*right=*/true) + kRoom + 50); }
void WriteBefore() { WriteHere(AllocateAt(/*right=*/false) - 1); }
void WriteBeyondALittle() {
  char* pointer = AllocateHere();
  WriteHere(pointer + kSize);
  FreeHere(pointer);
}
void WriteBeforeALittle() {
  char* pointer = AllocateAt(/*right=*/true);
  WriteHere(pointer - 8);
  FreeHere(pointer);
}
void DoubleFree() { FreeHere(Freed()); }
void WrongFree() { FreeHere(AllocateHere() + 16); }
void ReallocAfterFree() { Hide(realloc(Freed(), 200)); }
void WrongSize() { free_sized(AllocateHere(), kSize + 1); }
void ReadAfterFreeByOther() {
  char* pointer = AllocateHere();
  std::thread([pointer] { FreeHere(pointer); }).join();
  ReadHere(pointer);
}
// One of them tells it, and the other one waits for that.
void ReadAfterFreeByBoth() {
  char* pointer = AllocateHere();
  FreeHere(pointer);
  std::atomic<int> ready{0};
  const auto read = [&] {
    for (++ready; ready < 2;) {
    }
    ReadHere(pointer + 4);
  };
  std::thread one(read);
  std::thread other(read);
  one.join();
  other.join();
}
void CheckHeapAfterOverflow() {
  WriteHere(AllocateHere() + kSize);
  memalloc_check_heap();
}
void DoubleFreeInChild() {
  char* pointer = Freed();
  if (fork() == 0) FreeHere(pointer);
  int status = 0;
  wait(&status);
  Say(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? "child aborted\n"
                                                         : "child did not\n");
}
// On a stack where the handler finds no room without the alternate one.
void ReadOnAlternateStack() {
  static char stack[16384];
  stack_t alternate = {};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof(stack);
  sigaltstack(&alternate, nullptr);
  ReadAfterFree();
}

// ---- faults of others, and handlers of others ----

void NullPointer() {
  Hide(AllocateHere());
  WriteHere(Hide(static_cast<char*>(nullptr)));
}
void SentSignal() {
  Hide(AllocateHere());
  kill(getpid(), SIGSEGV);
}
void SentSignalThatIsIgnored() {
  signal(SIGSEGV, SIG_IGN);
  TurnOn();
  while (AllocateHere() == nullptr) {
  }
  kill(getpid(), SIGSEGV);
}
void NullPointerWhileIgnored() {
  signal(SIGSEGV, SIG_IGN);
  TurnOn();
  NullPointer();
}

volatile uintptr_t g_expected = 0;

void OnFault(int number, siginfo_t* info, void* /*context*/) {
  const bool is_right = number == SIGSEGV && reinterpret_cast<uintptr_t>(
                                                 info->si_addr) == g_expected;
  Say(is_right ? "handled\n" : "handled wrongly\n");
  _exit(5);
}
void OnPlainFault(int number) {
  Say(number == SIGSEGV ? "handled\n" : "handled wrongly\n");
  _exit(5);
}
void SayAndReturn(int /*number*/) { Say("handled\n"); }

void Install(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
}

void HandlerBefore() {
  Install(&OnFault);
  TurnOn();
  NullPointer();
}
void PlainHandlerBefore() {
  signal(SIGSEGV, &OnPlainFault);
  TurnOn();
  NullPointer();
}
// Handled once, then the default action.
void OneShotHandlerBefore() {
  struct sigaction action = {};
  action.sa_handler = &SayAndReturn;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGSEGV, &action, nullptr);
  TurnOn();
  NullPointer();
}
void HandlerBeforeSeesMistakes() {
  Install(&OnFault);
  TurnOn();
  char* pointer = Freed();
  g_expected = reinterpret_cast<uintptr_t>(pointer + 4);
  ReadHere(pointer + 4);
}
void HandlerAfter() {
  char* pointer = Freed();
  Install(&OnFault);
  g_expected = reinterpret_cast<uintptr_t>(pointer + 4);
  ReadHere(pointer + 4);
}

// ---- what must go on working ----

bool IsFilled(const char* pointer, size_t size, char with) {
  for (size_t i = 0; i < size; ++i) {
    if (pointer[i] != with) return false;
  }
  return true;
}

// Allocates, resizes and frees, and looks that nobody else wrote there.
void Churn(unsigned seed, int rounds) {
  std::vector<std::pair<char*, size_t>> live(40);
  const char with = static_cast<char>('a' + seed % 26);
  for (int i = 0; i < rounds; ++i) {
    seed = seed * 1103515245 + 12345;
    auto& [pointer, size] = live[seed / 65536 % live.size()];
    if (pointer != nullptr && !IsFilled(pointer, size, with)) abort();
    const size_t wanted = 1 + seed % 3000;
    if (seed & 1) {
      free(pointer);
      pointer = static_cast<char*>(malloc(wanted));
    } else {
      pointer = static_cast<char*>(realloc(pointer, wanted));
    }
    size = wanted;
    memset(pointer, with, size);
  }
  for (auto& [pointer, size] : live) free(pointer);
}

void Threads() {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 8; ++i) threads.emplace_back(Churn, i, 3000);
  for (std::thread& thread : threads) thread.join();
  memalloc_check_heap();
}

void ForksWhileThreadsRun() {
  std::atomic<bool> is_done{false};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i) {
    threads.emplace_back([&is_done, i] {
      while (!is_done) Churn(i, 100);
    });
  }
  for (int i = 0; i < 40; ++i) {
    char* inherited = AllocateHere();
    const pid_t child = fork();
    if (child == 0) {
      if (!IsFilled(inherited, kSize, 'x')) _exit(1);
      free(inherited);
      Churn(7, 300);
      memalloc_check_heap();
      _exit(0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    if (status != 0) _exit(6);
    if (!IsFilled(inherited, kSize, 'x')) _exit(7);
    free(inherited);
  }
  is_done = true;
  for (std::thread& thread : threads) thread.join();
}

struct Case {
  const char* name;
  void (*run)();
};

const Case kCases[] = {
    {"read_after_free", ReadAfterFree},
    {"write_after_free", WriteAfterFree},
    {"read_beyond", ReadBeyond},
    {"write_beyond", WriteBeyond},
    {"write_before", WriteBefore},
    {"write_beyond_a_little", WriteBeyondALittle},
    {"write_before_a_little", WriteBeforeALittle},
    {"double_free", DoubleFree},
    {"wrong_free", WrongFree},
    {"realloc_after_free", ReallocAfterFree},
    {"wrong_size", WrongSize},
    {"read_after_free_by_other", ReadAfterFreeByOther},
    {"read_after_free_by_both", ReadAfterFreeByBoth},
    {"check_heap_after_overflow", CheckHeapAfterOverflow},
    {"double_free_in_child", DoubleFreeInChild},
    {"read_on_alternate_stack", ReadOnAlternateStack},
    {"null_pointer", NullPointer},
    {"null_pointer_while_ignored", NullPointerWhileIgnored},
    {"sent_signal", SentSignal},
    {"sent_signal_that_is_ignored", SentSignalThatIsIgnored},
    {"handler_before", HandlerBefore},
    {"plain_handler_before", PlainHandlerBefore},
    {"one_shot_handler_before", OneShotHandlerBefore},
    {"handler_before_sees_mistakes", HandlerBeforeSeesMistakes},
    {"handler_after", HandlerAfter},
    {"threads", Threads},
    {"forks_while_threads_run", ForksWhileThreadsRun},
};

}  // namespace

int main(int argc, char** argv) {
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const Case& one : kCases) {
    if (argc == 1) puts(one.name);
    if (argc == 1 || strcmp(one.name, argv[1]) != 0) continue;
    one.run();
    Say("survived\n");
    _exit(0);
  }
  return argc == 1 ? 0 : 2;
}
