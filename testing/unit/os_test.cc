// The real kernel behind os.h: what the fake one promises is what os.cc does.
// Errno stays as it was, whatever happens.

#include "memalloc/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/check.h"
#include "memalloc/os/process_memory.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;

// Bytes that nothing can hold.
constexpr size_t kTooMuch = size_t{1} << 60;

class OsTest : public ::testing::Test {
 protected:
  OsTest() { errno = 4711; }
  ~OsTest() override { EXPECT_EQ(errno, 4711); }

  static char* At(uintptr_t address) {
    return reinterpret_cast<char*>(address);
  }
  // Whether memory can be read, asked without a fault.
  static bool IsReadable(uintptr_t address) {
    const int saved = errno;
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const bool readable = write(ends[1], At(address), 1) == 1;
    close(ends[0]);
    close(ends[1]);
    errno = saved;
    return readable;
  }
};

// The flags of the mapping that begins at the address; "" if unknown.
std::string FlagsOf(uintptr_t start) {
  const int saved = errno;
  std::ostringstream name;
  name << std::hex << start << "-";
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  bool here = false;
  while (std::getline(smaps, line)) {
    if (line.find('-') < line.find(' ')) here = line.rfind(name.str(), 0) == 0;
    if (here && line.rfind("VmFlags:", 0) == 0) break;
  }
  errno = saved;
  return smaps ? line : "";
}

// qemu's emulation of user programs says yes to advice about anything, and
// knows nothing of huge pages.
bool MadviseIsEmulated() {
  const int saved = errno;
  const size_t page = os::PageSize();
  void* hole =
      mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(hole, page);
  const bool is_emulated = madvise(hole, page, MADV_DONTNEED) == 0;
  errno = saved;
  return is_emulated;
}

TEST_F(OsTest, PageSizeIsTheKernels) {
  EXPECT_EQ(os::PageSize(), static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

TEST_F(OsTest, PurgedPagesReadAsZero) {
  const size_t page = os::PageSize();
  const uintptr_t start = os::Reserve(4 * page, 0);
  ASSERT_TRUE(os::Commit(start, 4 * page));
  memset(At(start), 1, 4 * page);
  EXPECT_TRUE(os::Purge(start + page, 2 * page));
  EXPECT_EQ(*At(start), 1);
  EXPECT_EQ(*At(start + page), 0);
  EXPECT_EQ(*At(start + 3 * page - 1), 0);
  EXPECT_EQ(*At(start + 3 * page), 1);
  *At(start + page) = 1;
  os::Unmap(start, 4 * page);
  EXPECT_EQ(os::Purge(start, 4 * page), MadviseIsEmulated())
      << "nothing is there";
}

TEST_F(OsTest, TheClockNeverGoesBack) {
  const uint64_t first = os::NowMilliseconds();
  EXPECT_GT(first, 0U);
  uint64_t last = first;
  while (last < first + 20) {
    const uint64_t now = os::NowMilliseconds();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST_F(OsTest, WaitingEndsWithTheTimeOrTheChange) {
  std::atomic<uint32_t> word{1};
  os::WaitWhile(word, 2, 1000000);  // is another value already
  os::WaitWhile(word, 1, 1);
  std::thread other([&word] {
    word = 2;
    os::WakeAll(word);
  });
  while (word == 1) os::WaitWhile(word, 1, 1000000);
  other.join();
}

TEST_F(OsTest, RandomWordIsTheProcesss) {
  EXPECT_EQ(os::RandomWord(), os::RandomWord());
  EXPECT_NE(os::RandomWord(), 0U);
}

TEST_F(OsTest, ProgramsHaveNoMoreRightsThanTheirCallers) {
  EXPECT_FALSE(os::SecureExecution());
}

// The entries up to the null behind the last one, as text.
std::string AllEntries() {
  std::string text;
  for (size_t i = 0; os::EnvironmentEntry(i) != nullptr; ++i) {
    text.append(os::EnvironmentEntry(i)).append("\n");
  }
  return text;
}

TEST_F(OsTest, EnvironmentIsReadEntryByEntry) {
  setenv("TEST_OF_OS", "a value=1", 1);
  EXPECT_NE(AllEntries().find("\nTEST_OF_OS=a value=1\n"), std::string::npos);
  unsetenv("TEST_OF_OS");
  EXPECT_EQ(AllEntries().find("TEST_OF_OS"), std::string::npos);
}

// Before libc's constructors there is no environ; an empty one looks the same.
TEST_F(OsTest, EnvironmentIsFoundWithoutLibc) {
  const std::string before = AllEntries();
  ASSERT_NE(before, "");
  char** kept = environ;
  environ = nullptr;
  const std::string found = AllEntries();
  environ = kept;
  EXPECT_EQ(found, before);
}

TEST_F(OsTest, ReadsFiles) {
  const std::string path = std::string(testing::TempDir()) + "/to_read";
  std::ofstream(path) << "some text\n";
  errno = 4711;
  char text[32] = "x";
  EXPECT_EQ(os::ReadFile(path.c_str(), text, sizeof(text)), 10U);
  EXPECT_STREQ(text, "some text\n");
  EXPECT_EQ(os::ReadFile(path.c_str(), text, 5), 4U) << "cut";
  EXPECT_STREQ(text, "some");
  EXPECT_EQ(os::ReadFile("/no such folder/file", text, sizeof(text)), 0U);
  EXPECT_STREQ(text, "");
}

TEST_F(OsTest, BreakRisesAndFalls) {
  // The C library's malloc has the break too; none of it is called in between.
  const uintptr_t start = os::CurrentBreak();
  const uintptr_t grown = os::GrowBreak(kMiB);
  const uintptr_t top = os::CurrentBreak();
  if (grown != 0) memset(At(grown), 1, kMiB);
  const bool wrong_top = os::LowerBreak(top - 1, 4096);
  const bool too_much = os::GrowBreak(kTooMuch) != 0;
  const bool negative = os::GrowBreak(SIZE_MAX - 4095) != 0;
  const uintptr_t still = os::CurrentBreak();
  const bool lowered = os::LowerBreak(top, kMiB);
  const uintptr_t end = os::CurrentBreak();
  EXPECT_EQ(grown, start);
  EXPECT_EQ(top, start + kMiB);
  EXPECT_FALSE(wrong_top);
  EXPECT_FALSE(too_much);
  EXPECT_FALSE(negative) << "would shrink";
  EXPECT_EQ(still, top);
  EXPECT_TRUE(lowered);
  EXPECT_EQ(end, start);
}

TEST_F(OsTest, ReservedMemoryIsUsableOnceItIsCommitted) {
  const uintptr_t start = os::Reserve(4 * kMiB, 0);
  ASSERT_NE(start, 0U);
  EXPECT_FALSE(IsReadable(start));
  ASSERT_TRUE(os::Commit(start + kMiB, kMiB));
  EXPECT_FALSE(IsReadable(start + kMiB - 1));
  EXPECT_FALSE(IsReadable(start + 2 * kMiB));
  EXPECT_EQ(*At(start + kMiB), 0);
  memset(At(start + kMiB), 1, kMiB);
  os::Unmap(start, 4 * kMiB);
  EXPECT_FALSE(IsReadable(start + kMiB));
}

// What the kernel was told stands in the mapping's flags.
TEST_F(OsTest, AdviceAboutHugePagesReachesTheKernel) {
  const uintptr_t start = os::Reserve(8 * kMiB, 0);
  ASSERT_TRUE(os::Commit(start, 8 * kMiB));
  os::AdviseHugePages(start, 8 * kMiB);
  if (FlagsOf(start).empty() || MadviseIsEmulated()) {
    GTEST_SKIP() << "this kernel has no /proc/self/smaps";
  }
  EXPECT_NE(FlagsOf(start).find(" hg"), std::string::npos) << FlagsOf(start);
  os::AdviseSmallPages(start, 8 * kMiB);
  EXPECT_EQ(FlagsOf(start).find(" hg"), std::string::npos) << FlagsOf(start);
  EXPECT_NE(FlagsOf(start).find(" nh"), std::string::npos) << FlagsOf(start);
  os::Unmap(start, 8 * kMiB);
}

TEST_F(OsTest, ReserveHonoursTheHintWherePossible) {
  const uintptr_t first = os::Reserve(4 * kMiB, 0);
  os::Unmap(first, kMiB);
  EXPECT_EQ(os::Reserve(kMiB, first), first);
  const uintptr_t taken = os::Reserve(kMiB, first + kMiB);
  EXPECT_NE(taken, 0U);
  EXPECT_NE(taken, first + kMiB);
  os::Unmap(taken, kMiB);
  os::Unmap(first, 4 * kMiB);
}

TEST_F(OsTest, AHoleIsSeen) {
  const uintptr_t start = os::Reserve(4 * kMiB, 0);
  ASSERT_TRUE(os::Commit(start + kMiB, kMiB));
  EXPECT_TRUE(os::IsWhole(start, 4 * kMiB));
  os::Unmap(start + kMiB, os::PageSize());
  EXPECT_EQ(os::IsWhole(start, 4 * kMiB), MadviseIsEmulated());
  EXPECT_TRUE(os::IsWhole(start, kMiB));
  EXPECT_FALSE(IsReadable(start)) << "asked, not changed";
  os::Unmap(start, 4 * kMiB);
}

TEST_F(OsTest, WhatCannotBeFails) {
  EXPECT_EQ(os::Reserve(kTooMuch, 0), 0U);
  const uintptr_t start = os::Reserve(kMiB, 0);
  EXPECT_FALSE(os::Commit(start, kTooMuch));
  EXPECT_FALSE(os::RemapInPlace(start, kMiB, kTooMuch));
  os::Unmap(start, kMiB);
  os::Unmap(start + 1, kMiB);  // cannot be; nothing is heard of it
}

TEST_F(OsTest, MappingsGrowInPlaceIntoFreeSpaceOnly) {
  const uintptr_t start = os::Reserve(4 * kMiB, 0);
  ASSERT_TRUE(os::Commit(start, kMiB));
  memset(At(start), 1, kMiB);
  EXPECT_FALSE(os::RemapInPlace(start, kMiB, 2 * kMiB));
  os::Unmap(start + kMiB, 3 * kMiB);
  ASSERT_TRUE(os::RemapInPlace(start, kMiB, 2 * kMiB));
  EXPECT_EQ(*At(start + kMiB - 1), 1);
  EXPECT_EQ(*At(start + kMiB), 0);
  os::Unmap(start, 2 * kMiB);
}

TEST_F(OsTest, MappingsMoveWithTheirContents) {
  const uintptr_t start = os::Reserve(kMiB, 0);
  ASSERT_TRUE(os::Commit(start, kMiB));
  memset(At(start), 1, kMiB);
  const uintptr_t target = os::Reserve(3 * kMiB, 0);
  ASSERT_TRUE(os::RemapTo(start, kMiB, 2 * kMiB, target));
  EXPECT_FALSE(IsReadable(start));
  EXPECT_EQ(*At(target), 1);
  EXPECT_EQ(*At(target + kMiB - 1), 1);
  EXPECT_EQ(*At(target + kMiB), 0);
  EXPECT_FALSE(IsReadable(target + 2 * kMiB));
  EXPECT_FALSE(os::RemapTo(start, kMiB, kMiB, target)) << "nothing is there";
  os::Unmap(target, 3 * kMiB);
}

TEST_F(OsTest, ResidentSizeFollowsTheProcess) {
  const os::ResidentSize before = os::GetResidentSize();
  EXPECT_GT(before.now, 0U);
  EXPECT_GE(before.peak, before.now);
  const uintptr_t start = os::Reserve(64 * kMiB, 0);
  ASSERT_TRUE(os::Commit(start, 64 * kMiB));
  memset(At(start), 1, 64 * kMiB);
  const os::ResidentSize after = os::GetResidentSize();
  EXPECT_GE(after.now, before.now + 32 * kMiB);
  EXPECT_GE(after.peak, after.now);
  os::Unmap(start, 64 * kMiB);
}

TEST_F(OsTest, FindsResidentPages) {
  const size_t page = os::PageSize();
  const uintptr_t start = os::Reserve(4 * page, 0);
  ASSERT_TRUE(os::Commit(start, 4 * page));
  *At(start + page) = *At(start + 3 * page) = 1;
  unsigned char pages[4];
  ASSERT_TRUE(os::FindResident(start, 4 * page, pages));
  EXPECT_EQ(pages[0] & 1, 0);
  EXPECT_EQ(pages[1] & 1, 1);
  EXPECT_EQ(pages[2] & 1, 0);
  EXPECT_EQ(pages[3] & 1, 1);
  os::Unmap(start, 4 * page);
  EXPECT_FALSE(os::FindResident(start, 4 * page, pages));
}

// ---- any memory ----

class ProcessMemoryTest : public testing::Test {
 protected:
  // Four pages, of which the third is without access.
  ProcessMemoryTest()
      : page_(os::PageSize()), start_(os::Reserve(4 * page_, 0)) {
    os::Commit(start_, 2 * page_);
    os::Commit(start_ + 3 * page_, page_);
  }
  ~ProcessMemoryTest() override { os::Unmap(start_, 4 * page_); }

  static char* At(uintptr_t address) {
    return reinterpret_cast<char*>(address);
  }

  // The bytes that could be copied.
  std::string Copy(const std::vector<os::Piece>& pieces) {
    std::string text(os::ProcessMemory::kMaxBytes, '\0');
    text.resize(memory_.Copy(pieces.data(), pieces.size(), text.data()));
    return text;
  }

  const size_t page_;
  const uintptr_t start_;
  os::ProcessMemory memory_;
};

TEST_F(ProcessMemoryTest, CopiesPiecesOneBehindTheOther) {
  ASSERT_TRUE(memory_.IsWhole());
  memcpy(At(start_), "first", 5);
  memcpy(At(start_ + 3 * page_), "last", 4);
  EXPECT_EQ(Copy({{start_, 5}, {start_ + 3 * page_, 4}}), "firstlast");
  EXPECT_EQ(Copy({{start_, 5}}), "first") << "nothing of before is left";
  const size_t most = os::ProcessMemory::kMaxBytes;
  const std::string large(most, 'x');
  const auto text = reinterpret_cast<uintptr_t>(large.data());
  EXPECT_EQ(Copy({{text, most}}), large);
}

TEST_F(ProcessMemoryTest, StopsWhereNothingCanBeRead) {
  memcpy(At(start_), "first", 5);
  const uintptr_t hole = start_ + 2 * page_;
  EXPECT_EQ(Copy({{hole, page_}}), "");
  EXPECT_EQ(Copy({{start_, 2 * page_}, {hole, page_}}).substr(0, 5), "first");
  EXPECT_EQ(Copy({{start_, 2 * page_}, {hole, page_}}).size(), 2 * page_);
  EXPECT_EQ(Copy({{1, 8}}), "") << "not mapped";
  EXPECT_TRUE(memory_.IsWhole());
}

// The pipe's end has the first number that was free.
TEST_F(ProcessMemoryTest, KnowsWhenItLostItsPipe) {
  const std::string path = std::string(testing::TempDir()) + "/program";
  const int first = open("/dev/null", O_RDONLY);
  close(first);
  const auto memory = std::make_unique<os::ProcessMemory>();
  ASSERT_TRUE(memory->IsWhole());
  ASSERT_EQ(close(first), 0);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  ASSERT_EQ(file, first);
  EXPECT_FALSE(memory->IsWhole());
  close(file);
}

TEST_F(ProcessMemoryTest, LeavesTheProgramsFilesOpen) {
  const int first = open("/dev/null", O_RDONLY);
  close(first);
  {
    const os::ProcessMemory memory;
    close(first);
    ASSERT_EQ(open("/dev/zero", O_RDONLY), first);
  }
  EXPECT_EQ(close(first), 0);
}

TEST_F(ProcessMemoryTest, TellsWhenTheKernelRefuses) {
  const int first = open("/dev/null", O_RDONLY);
  close(first);
  os::ProcessMemory memory;
  ASSERT_TRUE(memory.IsWhole());
  // Nobody reads from the pipe any more.
  close(first);
  const auto ignored = signal(SIGPIPE, SIG_IGN);
  const os::Piece piece = {start_, 8};
  char copy[8];
  EXPECT_EQ(memory.Copy(&piece, 1, copy), 0U);
  EXPECT_FALSE(memory.IsWhole());
  signal(SIGPIPE, ignored);
}

TEST_F(ProcessMemoryTest, KnowsWhatWasWritten) {
  *At(start_) = 1;
  *At(start_ + 3 * page_) = 1;
  os::PageState states[4];
  if (!memory_.LookAtPages(start_, 4, states)) {
    GTEST_SKIP() << "the kernel does not show its page maps";
  }
  EXPECT_EQ(states[0], os::PageState::kOwn);
  EXPECT_EQ(states[1], os::PageState::kNeverWritten);
  EXPECT_EQ(states[2], os::PageState::kNeverWritten);
  EXPECT_EQ(states[3], os::PageState::kOwn);
}

// ----

TEST_F(OsTest, WaitsForNobodyWhoWritesToAPipe) {
  const std::string path = std::string(testing::TempDir()) + "/pipe";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  errno = 4711;
  char text[8];
  EXPECT_EQ(os::ReadFile(path.c_str(), text, sizeof(text)), 0U);
}

TEST_F(OsTest, AppendsToFiles) {
  const std::string path = std::string(testing::TempDir()) + "/appended";
  unlink(path.c_str());
  errno = 4711;
  os::AppendToFile(path.c_str(), "one\n", 4);
  os::AppendToFile(path.c_str(), "two\n", 4);
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "one\ntwo\n");
  os::AppendToFile("/no such folder/file", "x", 1);
  errno = 4711;
}

TEST_F(OsTest, NamesTheProcess) {
  EXPECT_EQ(os::ProcessId(), getpid());
  EXPECT_STREQ(os::ProgramName(), program_invocation_short_name);
}

std::atomic<int> signals{0};

void CountSignal(int) { ++signals; }
void ExpectUser2(int number, siginfo_t*, void*) { EXPECT_EQ(number, SIGUSR2); }

TEST_F(OsTest, SignalsReturnToWhomTheyWereTakenFrom) {
  struct sigaction programs = {};
  programs.sa_sigaction = &ExpectUser2;
  programs.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGUSR2, &programs, nullptr);
  struct sigaction found;
  for (const int times : {1, 2}) {
    for (int i = 0; i < times; ++i) {
      EXPECT_TRUE(os::HandleSignal(SIGUSR2, &CountSignal));
    }
    raise(SIGUSR2);
    EXPECT_EQ(signals, times);
    os::ReturnSignal(SIGUSR2, &CountSignal);
    sigaction(SIGUSR2, nullptr, &found);
    EXPECT_EQ(found.sa_sigaction, &ExpectUser2);
    EXPECT_EQ(found.sa_flags & (SA_SIGINFO | SA_NODEFER),
              SA_SIGINFO | SA_NODEFER);
  }
  os::HandleSignal(SIGUSR2, &CountSignal);
  signal(SIGUSR2, SIG_IGN);
  os::ReturnSignal(SIGUSR2, &CountSignal);
  EXPECT_EQ(signal(SIGUSR2, SIG_DFL), SIG_IGN) << "the program has it by now";
  EXPECT_FALSE(os::HandleSignal(SIGKILL, &CountSignal));
}

TEST_F(OsTest, DiesWithTheLine) {
  EXPECT_EXIT(
      {
        LineBuffer line;
        line.Text("a line").EndLine();
        Die(line);
      },
      // qemu adds a line of its own.
      testing::KilledBySignal(SIGABRT), "^a line\n(qemu: .*)?$");
}

}  // namespace
}  // namespace memalloc
