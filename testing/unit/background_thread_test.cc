// The thread that lets idle memory go back while nobody else looks at the
// clock: on request only, once, and not in a forked child.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/runtime/options.h"
#include "memalloc/runtime/runtime.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;

constexpr size_t kMiB = 1024 * 1024;

// Lets time pass until `condition` holds; the process's alarm ends a test for
// which it never does.
template <typename Condition>
void PassTimeUntil(Condition condition) {
  while (!condition()) {
    fake_os::PassTime(20);
    std::this_thread::yield();
  }
}

void MakeGarbage() {
  void* block = Allocate(4 * kMiB);
  Allocate(kMiB);
  Fill(block, 4 * kMiB, 1);
  Free(block);
}

bool IsPurged() { return g_central_heap.Counts().purgeable_bytes == 0; }

std::string StatusOfThisProcess(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(field, 0) == 0) return line.substr(field.size());
  }
  return "";
}

int Threads() { return std::stoi(StatusOfThisProcess("Threads:")); }

CORE_TEST_WITHOUT_TSAN(BackgroundThread, PurgesWhileTheProgramIsIdle,
                       "it counts threads") {
  const int before = Threads();
  ASSERT_EQ(StartBackgroundThread(), 0);
  EXPECT_EQ(StartBackgroundThread(), 0) << "it runs already";
  EXPECT_EQ(Threads(), before + 1);
  MakeGarbage();
  Free(Allocate(20 * kMiB));
  PassTimeUntil([] { return IsPurged() && fake_os::MappedBytes() == 0; });
  CheckHeap();
  StopBackgroundThread();
  EXPECT_EQ(Threads(), before);
}

CORE_TEST_WITHOUT_TSAN(BackgroundThread, NoneUnlessAsked, "it counts threads") {
  const int before = Threads();
  Allocate(1);
  EXPECT_EQ(Threads(), before);
  StopBackgroundThread();
}

CORE_TEST(BackgroundThread, StopsAndStartsAgain) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(StartBackgroundThread(), 0);
    StopBackgroundThread();
    StopBackgroundThread();
  }
  const uint32_t ticks = g_central_heap.ticks();
  fake_os::PassTime(100000);
  EXPECT_EQ(g_central_heap.ticks(), ticks);
  ASSERT_EQ(StartBackgroundThread(), 0);
  PassTimeUntil([&] { return g_central_heap.ticks() != ticks; });
}

CORE_TEST_WITHOUT_TSAN(BackgroundThread, OnRequestOfTheOption,
                       "it counts threads") {
  SetOption(Option::kBackgroundThread, 1);
  const int before = Threads();
  Allocate(1);
  EXPECT_EQ(Threads(), before + 1);
  MakeGarbage();
  PassTimeUntil(IsPurged);
  Worker worker;
  worker.Do([] { Allocate(1); });
  EXPECT_EQ(Threads(), before + 2) << "no second one";
}

CORE_TEST_WITHOUT_TSAN(BackgroundThread, ComesAndGoesWithTheOption,
                       "it counts threads") {
  const int before = Threads();
  Allocate(1);
  ASSERT_EQ(SetOptionByName("background_thread", "on"), 0);
  EXPECT_EQ(Threads(), before + 1);
  ASSERT_EQ(SetOptionByName("background_thread", "off"), 0);
  EXPECT_EQ(Threads(), before);
}

std::atomic<pthread_t> g_handled_by;

CORE_TEST(BackgroundThread, BlocksSignals) {
  ASSERT_EQ(StartBackgroundThread(), 0);
  struct sigaction action = {};
  action.sa_handler = [](int) { g_handled_by = pthread_self(); };
  sigaction(SIGUSR1, &action, nullptr);
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
  kill(getpid(), SIGUSR1);
  // It would have been taken at the latest when the thread next wakes.
  const uint32_t ticks = g_central_heap.ticks();
  PassTimeUntil([&] { return g_central_heap.ticks() > ticks + 3; });
  EXPECT_EQ(g_handled_by.load(), pthread_t{});
  pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
  EXPECT_EQ(g_handled_by.load(), pthread_self());
}

CORE_TEST_WITHOUT_TSAN(BackgroundThread, AForkedChildStartsItsOwn,
                       "the child may start no thread") {
  SetOption(Option::kBackgroundThread, 1);
  ASSERT_EQ(StartBackgroundThread(), 0);
  InForkedChild([] {
    EXPECT_EQ(Threads(), 1);
    MakeGarbage();
    ASSERT_EQ(StartBackgroundThread(), 0);
    ASSERT_EQ(Threads(), 2);
    PassTimeUntil(IsPurged);
    StopBackgroundThread();
  });
  MakeGarbage();
  PassTimeUntil(IsPurged);
}

CORE_TEST(BackgroundThread, ForksWhileItPurges) {
  SetOption(Option::kPurgeDelay, 1);
  ASSERT_EQ(StartBackgroundThread(), 0);
  for (int i = 0; i < 30; ++i) {
    MakeGarbage();
    fake_os::PassTime(50);
    InForkedChild([] {
      MakeGarbage();
      CheckHeap();
      g_central_heap.Trim(0);
      EXPECT_TRUE(IsPurged());
    });
    fake_os::PassTime(50);
  }
  StopBackgroundThread();
}

}  // namespace
}  // namespace memalloc
