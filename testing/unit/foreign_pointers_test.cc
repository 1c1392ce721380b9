// The option foreign_pointers: abort, warn, ignore.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/sized_free.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

alignas(16) char g_foreign[64];

void Want(ForeignPointers what) {
  SetOption(Option::kForeignPointers, static_cast<uint64_t>(what));
}

// All calls that take a pointer, with a foreign one.
void PassForeignPointers() {
  errno = 7;
  Free(g_foreign);
  FreeSized(g_foreign, 16, "free_sized");
  EXPECT_EQ(Reallocate(g_foreign, 100), nullptr);
  EXPECT_EQ(UsableSize(g_foreign), 0U);
  EXPECT_EQ(errno, 7);
  for (const char byte : g_foreign) EXPECT_EQ(byte, 0);
}

// What `body` writes until its process aborts, which it does at its end.
std::string OutputOf(const std::function<void()>& body) {
  return OutputUntilAbort([&body] {
    body();
    Want(ForeignPointers::kAbort);
    Free(g_foreign);
  });
}

std::string Line(const std::string& call, const std::string& end) {
  char pointer[32];
  snprintf(pointer, sizeof(pointer), "%p", static_cast<void*>(g_foreign));
  return "memalloc: " + call + "(" + pointer +
         "): not a pointer from memalloc; " + end +
         "see docs/errors.md#foreign-pointer\n";
}

size_t LinesIn(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(ForeignPointers, AreIgnored) {
  const std::string output = OutputOf([] {
    Want(ForeignPointers::kIgnore);
    PassForeignPointers();
    Allocate(100);  // a heap
    PassForeignPointers();
  });
  EXPECT_EQ(output, Line("free", ""));
}

TEST(ForeignPointers, AreWarnedOf) {
  const std::string output = OutputOf([] {
    Want(ForeignPointers::kWarn);
    PassForeignPointers();
  });
  const std::string ignored = "it is ignored, ";
  EXPECT_EQ(output, Line("free", ignored) + Line("free_sized", ignored) +
                        Line("realloc", ignored) +
                        Line("malloc_usable_size", ignored) + Line("free", ""));
}

TEST(ForeignPointers, AreWarnedOfAHundredTimes) {
  const std::string output = OutputOf([] {
    Want(ForeignPointers::kWarn);
    for (int i = 0; i < 1000; ++i) Free(g_foreign);
  });
  EXPECT_EQ(LinesIn(output), 101U);
}

// The first call of the process reads the options.
TEST(ForeignPointers, AreIgnoredBeforeTheFirstAllocation) {
  const std::string output = OutputOf([] {
    fake_os::SetEnvironment("MEMALLOC_FOREIGN_POINTERS", "ignore");
    Free(g_foreign);
  });
  EXPECT_EQ(output, Line("free", ""));
}

// What is not foreign is a mistake all the same.
TEST(ForeignPointers, OtherMistakesAbort) {
  RunUntilAbort([] {
    Want(ForeignPointers::kIgnore);
    void* cell = Allocate(64);
    Free(cell);
    ExpectMisuse("free", cell, "double free", "double-free");
    Free(cell);
  });
  RunUntilAbort([] {
    Want(ForeignPointers::kIgnore);
    char* inside = static_cast<char*>(Allocate(100000)) + 64;
    ExpectMisuse("free", inside, "not the start of an allocation",
                 "interior-pointer");
    Free(inside);
  });
}

}  // namespace
}  // namespace memalloc
