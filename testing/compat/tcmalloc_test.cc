// gperftools' MallocExtension, linked with memalloc.

#include <errno.h>
#include <gperftools/malloc_extension.h>
#include <gtest/gtest.h>
#include <malloc/malloc.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <typeinfo>
#include <vector>

#include "memalloc/memalloc.h"

namespace {

MallocExtension* Extension() { return MallocExtension::instance(); }

size_t Get(const char* property) {
  size_t value = 0;
  EXPECT_TRUE(Extension()->GetNumericProperty(property, &value)) << property;
  return value;
}

std::string Option(const char* name) {
  char text[64];
  EXPECT_GT(memalloc_get_option(name, text, sizeof(text)), 0);
  return text;
}

TEST(Class, IsNotTheOneOfLibtcmalloc) {
  EXPECT_STRNE(typeid(MallocExtension).name(), "15MallocExtension");
}

TEST(Properties, FollowTheProgram) {
  const size_t before = Get("generic.current_allocated_bytes");
  std::vector<void*> blocks(1000);
  for (void*& block : blocks) block = memset(malloc(10000), 1, 10000);
  const size_t now = Get("generic.current_allocated_bytes");
  EXPECT_GE(now, before + 10000000);
  EXPECT_GE(Get("generic.heap_size"), now);
  EXPECT_GE(Get("generic.total_physical_bytes"), size_t{10000000});
  for (void* block : blocks) free(block);
  EXPECT_LE(Get("generic.current_allocated_bytes"), now - 10000000);
  for (const char* part :
       {"tcmalloc.central_cache_free_bytes",
        "tcmalloc.current_total_thread_cache_bytes",
        "tcmalloc.pageheap_free_bytes", "tcmalloc.pageheap_unmapped_bytes",
        "tcmalloc.thread_cache_free_bytes",
        "tcmalloc.transfer_cache_free_bytes"}) {
    EXPECT_LE(Get(part), Get("generic.heap_size")) << part;
  }
  EXPECT_GT(Get("tcmalloc.thread_cache_free_bytes"), 0U);
}

TEST(Properties, UnknownOnesAreRefused) {
  size_t value = 77;
  for (const char* name : {"", "generic", "generic.heap_sizes",
                           "tcmalloc.max_total_thread_cache_bytes"}) {
    EXPECT_FALSE(Extension()->GetNumericProperty(name, &value)) << name;
    EXPECT_FALSE(Extension()->SetNumericProperty(name, 1)) << name;
  }
  EXPECT_EQ(value, 77U);
  EXPECT_FALSE(Extension()->SetNumericProperty("generic.heap_size", 1));
}

TEST(Properties, SomeAreOptions) {
  EXPECT_EQ(Get("tcmalloc.sample_parameter"), 0U);
  EXPECT_TRUE(
      Extension()->SetNumericProperty("tcmalloc.sample_parameter", 65536));
  EXPECT_EQ(Option("sample_interval"), "64K");
  EXPECT_EQ(Get("tcmalloc.sample_parameter"), 65536U);
  EXPECT_TRUE(Extension()->SetNumericProperty("tcmalloc.sample_parameter", 0));
  EXPECT_TRUE(
      Extension()->SetNumericProperty("tcmalloc.heap_limit_mb", 3000000));
  EXPECT_EQ(Get("tcmalloc.heap_limit_mb"), 3000000U);
  EXPECT_FALSE(
      Extension()->SetNumericProperty("tcmalloc.heap_limit_mb", SIZE_MAX));
  EXPECT_TRUE(Extension()->SetNumericProperty("tcmalloc.heap_limit_mb", 0));
  EXPECT_EQ(Get("tcmalloc.aggressive_memory_decommit"), 0U);
  EXPECT_TRUE(Extension()->SetNumericProperty(
      "tcmalloc.aggressive_memory_decommit", 1));
  EXPECT_EQ(Option("purge_delay"), "0ms");
  EXPECT_EQ(Get("tcmalloc.aggressive_memory_decommit"), 1U);
  EXPECT_TRUE(Extension()->SetNumericProperty(
      "tcmalloc.aggressive_memory_decommit", 0));
  EXPECT_EQ(Option("purge_delay"), "1000ms");
}

TEST(Release, GivesMemoryBack) {
  Extension()->SetMemoryReleaseRate(0);
  std::vector<void*> blocks(200);
  for (const bool all : {true, false}) {
    for (void*& block : blocks) block = memset(malloc(100000), 1, 100000);
    for (void* block : blocks) free(block);
    EXPECT_GT(Get("tcmalloc.pageheap_free_bytes"), size_t{10000000});
    if (all) {
      Extension()->ReleaseFreeMemory();
    } else {
      Extension()->ReleaseToSystem(1);
    }
    EXPECT_LT(Get("tcmalloc.pageheap_free_bytes"), size_t{1000000});
  }
  Extension()->SetMemoryReleaseRate(1);
}

TEST(Release, RateIsTheDelay) {
  EXPECT_EQ(Extension()->GetMemoryReleaseRate(), 1);
  for (double rate : {0.0, 0.5, 10.0, 1000.0}) {
    Extension()->SetMemoryReleaseRate(rate);
    EXPECT_EQ(Extension()->GetMemoryReleaseRate(), rate);
  }
  EXPECT_EQ(Option("purge_delay"), "1ms");
  Extension()->SetMemoryReleaseRate(1e9);
  EXPECT_EQ(Extension()->GetMemoryReleaseRate(), 1000);
  Extension()->SetMemoryReleaseRate(-1);
  EXPECT_EQ(Extension()->GetMemoryReleaseRate(), 0);
  Extension()->SetMemoryReleaseRate(1);
}

TEST(Sizes, AreExact) {
  for (size_t size : {1UL, 100UL, 5000UL, 70000UL, 9000000UL}) {
    void* block = malloc(size);
    EXPECT_EQ(Extension()->GetAllocatedSize(block),
              Extension()->GetEstimatedAllocatedSize(size));
    EXPECT_EQ(malloc_size(block), malloc_good_size(size));
    EXPECT_EQ(Extension()->GetOwnership(block), MallocExtension::kOwned);
    free(block);
  }
  EXPECT_EQ(malloc_good_size(SIZE_MAX), SIZE_MAX);
  EXPECT_EQ(Extension()->GetEstimatedAllocatedSize(SIZE_MAX), SIZE_MAX);
  const int local = 0;
  EXPECT_EQ(Extension()->GetOwnership(&local), MallocExtension::kNotOwned);
  EXPECT_EQ(Extension()->GetOwnership(nullptr), MallocExtension::kNotOwned);
  EXPECT_EQ(Extension()->GetAllocatedSize(nullptr), 0U);
}

TEST(Reports, AreTextAndProfiles) {
  char buffer[100000];
  memset(buffer, 'x', sizeof(buffer));
  Extension()->GetStats(buffer, sizeof(buffer));
  EXPECT_EQ(strncmp(buffer, "memalloc: ", 10), 0) << buffer;
  EXPECT_NE(strstr(buffer, "\nGiven back"), nullptr) << buffer;
  Extension()->GetStats(buffer, 9);
  EXPECT_STREQ(buffer, "memalloc");
  Extension()->GetStats(buffer, 0);
  EXPECT_STREQ(buffer, "memalloc");
  std::string profile = "kept";
  Extension()->GetHeapSample(&profile);
  EXPECT_EQ(profile.substr(0, 6), "kept\x1f\x8b");
  profile.clear();
  Extension()->GetHeapGrowthStacks(&profile);
  EXPECT_EQ(profile.substr(0, 2), "\x1f\x8b");
}

TEST(FreeLists, SumToWhatIsFree) {
  std::vector<void*> blocks(1000);
  for (void*& block : blocks) block = malloc(2000);
  for (void* block : blocks) free(block);
  std::vector<MallocExtension::FreeListInfo> lists;
  Extension()->GetFreeListSizes(&lists);
  size_t central = 0;
  for (const MallocExtension::FreeListInfo& list : lists) {
    EXPECT_LE(list.min_object_size, list.max_object_size);
    if (strcmp(list.type, "tcmalloc.central") == 0) {
      central += list.total_bytes_free;
    }
  }
  EXPECT_EQ(lists.size(), 2U * MEMALLOC_SIZE_CLASSES);
  EXPECT_GT(central, 0U);
}

TEST(Rest, MayBeCalled) {
  MallocExtension::Initialize();
  EXPECT_TRUE(Extension()->VerifyAllMemory());
  int* number = new int;
  EXPECT_TRUE(Extension()->VerifyNewMemory(number));
  EXPECT_TRUE(Extension()->VerifyArrayNewMemory(number));
  EXPECT_TRUE(Extension()->VerifyMallocMemory(number));
  delete number;
  Extension()->MarkThreadIdle();
  Extension()->MarkThreadTemporarilyIdle();
  Extension()->MarkThreadBusy();
  EXPECT_EQ(Extension()->GetThreadCacheSize(), 0U);
}

TEST(Rest, LeavesErrnoAlone) {
  errno = 77;
  Get("generic.heap_size");
  Extension()->SetNumericProperty("tcmalloc.heap_limit_mb", SIZE_MAX);
  std::string profile;
  Extension()->GetHeapSample(&profile);
  Extension()->ReleaseFreeMemory();
  EXPECT_EQ(errno, 77);
}

}  // namespace
