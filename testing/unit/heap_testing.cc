// What the tests of the heap share; see heap_testing.h.

#include "testing/unit/heap_testing.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "gtest/gtest.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/heap/watched_calls.h"
#include "testing/contract/pattern.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"

namespace memalloc {

void CheckHeap() {
  const OwnHeapScope scope;
  g_central_heap.Check(t_heap);
}

void ExpectMisuse(const std::string& call, const void* pointer,
                  const std::string& what, const std::string& anchor) {
  LineBuffer text;
  text.Pointer(pointer);
  ExpectLastLine("memalloc: " + call + "(" +
                 std::string(text.data(), text.size()) + "): " + what +
                 "; see docs/errors.md#" + anchor);
}

BlockHeader* BlockOfPointer(const void* pointer) {
  return BlockOf(reinterpret_cast<uintptr_t>(pointer));
}

ThreadHeap* OwnerOf(const void* pointer) {
  return BlockOfPointer(pointer)->owner.load();
}

uint32_t CellsPerBlock(size_t size) {
  const size_t cell = CellSize(SizeClassOf(size));
  return static_cast<uint32_t>(GranulesPerBlock(cell) * kGranuleSize / cell);
}

void Fill(void* block, size_t bytes, uint64_t seed) {
  contract::FillPattern(block, bytes, seed);
}

bool HasPattern(const void* block, size_t bytes, uint64_t seed, size_t filled) {
  return contract::FindDamage(block, bytes, filled, seed) == bytes;
}

bool HasPattern(const void* block, size_t bytes, uint64_t seed) {
  return HasPattern(block, bytes, seed, bytes);
}

bool IsZero(const void* block, size_t bytes) {
  return contract::FindNonZero(block, bytes) == bytes;
}

void StartClock() {
  Allocate(1);
  PassSlowPath();
}

std::vector<void*> AllocateMany(size_t size, size_t count) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < count; ++i) {
    blocks.push_back(Allocate(size));
    if (blocks.back() == nullptr) {
      ADD_FAILURE() << "allocation " << i << " of " << size << " failed";
      abort();
    }
  }
  return blocks;
}

void FreeAll(const std::vector<void*>& blocks) {
  for (void* block : blocks) Free(block);
}

void InForkedChild(const std::function<void()>& body) {
  fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    CheckHeap();
    fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

void EndAndEmpty(Worker& worker) {
  // More than are ever parked.
  constexpr int kThreads = 32;
  std::vector<std::unique_ptr<Worker>> others;
  for (int i = 0; i < kThreads; ++i) {
    others.push_back(std::make_unique<Worker>());
    others.back()->Do([] { Free(Allocate(1)); });
  }
  for (auto& other : others) other->End();
  worker.End();
}

void EmptyParkedHeaps() {
  std::vector<void*> blocks;
  fake_os::FailAny(1, fake_os::kForEver);
  // Parked heaps are emptied when a small block is wanted and no granules are
  // free; what that sets free is taken at once.
  do {
    while (void* block =
               g_central_heap.AllocateLarge(1, kGranuleSize, /*zero=*/false)) {
      blocks.push_back(block);
    }
    blocks.push_back(Allocate(kMaxSmallSize));
  } while (blocks.back() != nullptr);
  FreeAll(blocks);
  t_heap->Flush();
  fake_os::EndShortage();
}

void TakeFreeGranules() {
  for (;;) {
    const CentralCounts counts = g_central_heap.Counts();
    const uint64_t tables = counts.arenas * kGranuleSize;
    if (counts.backed_bytes == counts.block_bytes + tables) return;
    if (g_central_heap.AllocateLarge(1, kGranuleSize, false) == nullptr) {
      ADD_FAILURE() << "there are more free granules than can be had";
      abort();
    }
  }
}

uint64_t BlocksInUse() { return g_central_heap.Counts().blocks; }

}  // namespace memalloc
