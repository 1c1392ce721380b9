// The MallocExtension of Google's tcmalloc, linked with memalloc.

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <optional>
#include <string>
#include <vector>

#include "memalloc/memalloc.h"
#include "tcmalloc/malloc_extension.h"

namespace {

using tcmalloc::MallocExtension;

std::string Option(const char* name) {
  char text[64];
  EXPECT_GT(memalloc_get_option(name, text, sizeof(text)), 0);
  return text;
}

TEST(Properties, FollowTheProgram) {
  const auto before =
      MallocExtension::GetNumericProperty("generic.current_allocated_bytes");
  ASSERT_TRUE(before.has_value());
  std::vector<char*> blocks(1000);
  for (char*& block : blocks) block = new char[10000];
  const auto now =
      MallocExtension::GetNumericProperty("generic.current_allocated_bytes");
  EXPECT_GE(*now, *before + 10000000);
  for (char* block : blocks) delete[] block;
  EXPECT_FALSE(MallocExtension::GetNumericProperty("no.such").has_value());
}

TEST(Properties, HeapSizeIsWithoutWhatWentBack) {
  std::vector<char*> blocks(200);
  for (char*& block : blocks) {
    block = static_cast<char*>(memset(new char[100000], 1, 100000));
  }
  // Above it the heap would shrink.
  char* last = blocks.back();
  blocks.pop_back();
  for (char* block : blocks) delete[] block;
  MallocExtension::ReleaseMemoryToSystem(0);
  auto properties = MallocExtension::GetProperties();
  EXPECT_EQ(properties.size(), 8U);
  const size_t unmapped = properties["tcmalloc.pageheap_unmapped_bytes"].value;
  EXPECT_GT(unmapped, size_t{10000000});
  struct memalloc_statistics statistics;
  memalloc_get_statistics(&statistics, sizeof(statistics));
  // Of other looks, while the test itself allocated a little.
  constexpr size_t kLittle = 1000000;
  const size_t sum = properties["generic.heap_size"].value + unmapped;
  EXPECT_GT(sum + kLittle, statistics.heap_bytes);
  EXPECT_LT(sum, statistics.heap_bytes + kLittle);
  delete[] last;
}

TEST(Limits, AreOptions) {
  using Kind = MallocExtension::LimitKind;
  EXPECT_EQ(MallocExtension::GetMemoryLimit(Kind::kSoft), SIZE_MAX);
  EXPECT_EQ(MallocExtension::GetMemoryLimit(Kind::kHard), SIZE_MAX);
  MallocExtension::SetMemoryLimit(size_t{3} << 30, Kind::kSoft);
  MallocExtension::SetMemoryLimit(size_t{5} << 30, Kind::kHard);
  EXPECT_EQ(Option("soft_limit"), "3G");
  EXPECT_EQ(Option("hard_limit"), "5G");
  EXPECT_EQ(MallocExtension::GetMemoryLimit(Kind::kHard), size_t{5} << 30);
  MallocExtension::SetMemoryLimit(SIZE_MAX, Kind::kSoft);
  MallocExtension::SetMemoryLimit(SIZE_MAX, Kind::kHard);
  EXPECT_EQ(Option("hard_limit"), "0");
  EXPECT_EQ(MallocExtension::GetMemoryLimit(Kind::kSoft), SIZE_MAX);
  MallocExtension::SetMemoryLimit(size_t{1} << 46, Kind::kHard);
  EXPECT_EQ(MallocExtension::GetMemoryLimit(Kind::kHard), size_t{1} << 46);
  MallocExtension::SetMemoryLimit((size_t{1} << 46) + 1, Kind::kHard);
  EXPECT_EQ(MallocExtension::GetMemoryLimit(Kind::kHard), SIZE_MAX);
}

TEST(Sampling, IsAnOption) {
  MallocExtension::SetProfileSamplingInterval(1 << 20);
  EXPECT_EQ(Option("sample_interval"), "1M");
  EXPECT_EQ(MallocExtension::GetProfileSamplingInterval(), 1 << 20);
  EXPECT_EQ(MallocExtension::GetHeapProfile().substr(0, 2), "\x1f\x8b");
  MallocExtension::SetProfileSamplingInterval(-1);
  EXPECT_EQ(MallocExtension::GetProfileSamplingInterval(), 0);
}

TEST(Sizes, AreExact) {
  for (size_t size : {1UL, 100UL, 5000UL, 70000UL, 9000000UL}) {
    void* block = operator new(size);
    EXPECT_EQ(MallocExtension::GetAllocatedSize(block),
              MallocExtension::GetEstimatedAllocatedSize(size));
    EXPECT_EQ(MallocExtension::GetOwnership(block),
              MallocExtension::Ownership::kOwned);
    operator delete(block);
  }
  EXPECT_FALSE(MallocExtension::GetAllocatedSize(nullptr).has_value());
  EXPECT_EQ(MallocExtension::GetOwnership(nullptr),
            MallocExtension::Ownership::kNotOwned);
}

TEST(Rest, MayBeCalled) {
  EXPECT_EQ(MallocExtension::GetStats().rfind("memalloc: ", 0), 0U);
  MallocExtension::MarkThreadIdle();
  MallocExtension::MarkThreadBusy();
  EXPECT_TRUE(MallocExtension::NeedsProcessBackgroundActions());
  MallocExtension::ProcessBackgroundActions();
  memalloc_stop_background_thread();
}

}  // namespace
