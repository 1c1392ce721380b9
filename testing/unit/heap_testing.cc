// What the tests of the heap share; see heap_testing.h.

#include "testing/unit/heap_testing.h"

#include <cstdlib>

#include "gtest/gtest.h"

namespace memalloc {
namespace {

char PatternAt(size_t i, uint64_t seed) {
  return static_cast<char>(((i + seed) * 0x9e3779b97f4a7c15) >> 56);
}

}  // namespace

void CheckHeap() { g_central_heap.Check(t_heap); }

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
  auto* data = static_cast<char*>(block);
  for (size_t i = 0; i < bytes; ++i) data[i] = PatternAt(i, seed);
}

bool HasPattern(const void* block, size_t bytes, uint64_t seed) {
  const auto* data = static_cast<const char*>(block);
  for (size_t i = 0; i < bytes; ++i) {
    if (data[i] != PatternAt(i, seed)) return false;
  }
  return true;
}

bool IsZero(const void* block, size_t bytes) {
  const auto* data = static_cast<const char*>(block);
  for (size_t i = 0; i < bytes; ++i) {
    if (data[i] != 0) return false;
  }
  return true;
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

Worker::Worker() : thread_([this] { Run(); }) {}

Worker::~Worker() { End(); }

void Worker::Do(const std::function<void()>& task) {
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  changed_.notify_all();
  changed_.wait(lock, [this] { return task_ == nullptr; });
}

void Worker::End() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Worker::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return task_ != nullptr || is_ending_; });
    if (task_ == nullptr) return;
    (*task_)();
    task_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace memalloc
