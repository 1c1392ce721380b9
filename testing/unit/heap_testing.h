// What the tests of the heap share: contents to recognise, looks into blocks,
// and threads that do one step at a time.
//
// For use in a fresh process (fresh_process.h) only. Nothing here allocates
// from the core on its own account.

#ifndef TESTING_UNIT_HEAP_TESTING_H_
#define TESTING_UNIT_HEAP_TESTING_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/layout/block_header.h"

namespace memalloc {

// Walks the heap as the running thread; ends the process if it is broken.
void CheckHeap();

BlockHeader* BlockOfPointer(const void* pointer);
ThreadHeap* OwnerOf(const void* pointer);
uint32_t CellsPerBlock(size_t size);

// Writes over `bytes` bytes what depends on the place and on `seed`. HasPattern
// says whether the first `bytes` bytes are still so; a block that moved is
// asked with the place where it was filled.
void Fill(void* block, size_t bytes, uint64_t seed);
bool HasPattern(const void* block, size_t bytes, uint64_t seed);
bool IsZero(const void* block, size_t bytes);

// `count` allocations of `size`; each must succeed.
std::vector<void*> AllocateMany(size_t size, size_t count);
void FreeAll(const std::vector<void*>& blocks);

// A thread that waits for tasks and runs them one at a time, so that a test
// says in which order threads do what.
class Worker {
 public:
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `task` on the thread and returns when it is done.
  void Do(const std::function<void()>& task);

  // Ends the thread; its heap is given up when this returns.
  void End();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* task_ = nullptr;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace memalloc

#endif  // TESTING_UNIT_HEAP_TESTING_H_
