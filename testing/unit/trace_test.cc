// The recorder of traces on a fake kernel: which file it makes, and what
// becomes of the process if there is none to be had. What is in the file is for
// //testing/traces.

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/watched_calls.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

CORE_TEST(Trace, BeginsWithTheFirstCall) {
  fake_os::SetEnvironment("MEMALLOC_TRACE", "/trace.%p");
  void* block = Allocate(1);
  EXPECT_TRUE(IsWatched());
  EXPECT_EQ(t_heap, &g_no_heap);
  EXPECT_TRUE(fake_os::HasFile("/trace.4711"));
  Free(block);
}

CORE_TEST(Trace, IsNotMadeUnasked) {
  Free(Allocate(1));
  EXPECT_FALSE(MayBeWatched());
  EXPECT_NE(t_heap, &g_no_heap);
}

CORE_TEST(Trace, TakesAnotherNameIfTheFileIsThere) {
  fake_os::SetEnvironment("MEMALLOC_TRACE", "/trace");
  fake_os::SetFile("/trace", "precious");
  fake_os::SetFile("/trace.4711", "precious too");
  Free(Allocate(1));
  EXPECT_TRUE(fake_os::HasFile("/trace.4711.1"));
  EXPECT_FALSE(fake_os::HasFile("/trace.4711.2"));
}

// Told once; from then on nothing is watched, and threads have their heaps.
TEST(Trace, EndsWhereItCannotBeWritten) {
  const std::string output = OutputUntilAbort([] {
    fake_os::SetEnvironment("MEMALLOC_TRACE", "/trace");
    fake_os::RefuseFiles();
    FreeAll(AllocateMany(100, 1000));
    EXPECT_FALSE(MayBeWatched());
    EXPECT_NE(t_heap, &g_no_heap);
    CheckHeap();
    abort();
  });
  EXPECT_EQ(output,
            "memalloc: cannot write trace to /trace: error 13; see "
            "docs/errors.md#cannot-write\n");
}

// In the middle: what comes after the last chunk is lost.
TEST(Trace, EndsWhereThereIsNoMoreRoom) {
  const std::string output = OutputUntilAbort([] {
    fake_os::SetEnvironment("MEMALLOC_TRACE", "/trace");
    FreeAll(AllocateMany(100, 1000));
    fake_os::RefuseFiles();
    EXPECT_TRUE(MayBeWatched()) << "the chunk has room";
    for (int i = 0; i < 30; ++i) FreeAll(AllocateMany(100, 1000));
    EXPECT_FALSE(MayBeWatched());
    CheckHeap();
    abort();
  });
  EXPECT_EQ(output,
            "memalloc: cannot write trace to /trace: error 28; see "
            "docs/errors.md#cannot-write\n");
}

CORE_TEST(Trace, OfAPrivilegedProgramIsNone) {
  fake_os::SetSecureExecution(true);
  fake_os::SetEnvironment("MEMALLOC_TRACE", "/trace");
  Free(Allocate(1));
  EXPECT_FALSE(fake_os::HasFile("/trace"));
  EXPECT_FALSE(MayBeWatched());
}

}  // namespace
}  // namespace memalloc
