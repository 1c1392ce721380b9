// What the tests of the heap share: contents to recognise, looks into blocks,
// and what a process's last line is to be.
//
// For use in a fresh process (fresh_process.h) only. Nothing here allocates
// from the core on its own account.

#ifndef TESTING_UNIT_HEAP_TESTING_H_
#define TESTING_UNIT_HEAP_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/layout/block_header.h"
#include "testing/unit/worker.h"

namespace memalloc {

// Walks the heap as the running thread; ends the process if it is broken.
void CheckHeap();

BlockHeader* BlockOfPointer(const void* pointer);
ThreadHeap* OwnerOf(const void* pointer);
uint32_t CellsPerBlock(size_t size);

// Contents to recognise, as //testing/contract:pattern makes them. HasPattern
// asks about the first `bytes` of a block that Fill was told is `filled` long.
void Fill(void* block, size_t bytes, uint64_t seed);
bool HasPattern(const void* block, size_t bytes, uint64_t seed, size_t filled);
bool HasPattern(const void* block, size_t bytes, uint64_t seed);
bool IsZero(const void* block, size_t bytes);

// Makes the thread's heap, and the tick that comes with the very first look at
// the clock.
void StartClock();

// `count` allocations of `size`; each must succeed.
std::vector<void*> AllocateMany(size_t size, size_t count);
void FreeAll(const std::vector<void*>& blocks);

// Within RunUntilAbort, announces the line
//   memalloc: CALL(POINTER): WHAT; see docs/errors.md#ANCHOR
void ExpectMisuse(const std::string& call, const void* pointer,
                  const std::string& what, const std::string& anchor);

// Runs `body` in a forked child of this process, which has threads and a heap.
void InForkedChild(const std::function<void()>& body);

// Ends the thread when the heaps of so many others have been parked that its
// own is emptied: what it leaves are orphan blocks.
void EndAndEmpty(Worker& worker);

// Makes the heap give up all parked heaps' blocks, by asking for memory until
// there is none.
void EmptyParkedHeaps();

// Takes all free granules, so that the next block needs growth. For a heap that
// keeps no freed huge block.
void TakeFreeGranules();

// The heap's blocks in use.
uint64_t BlocksInUse();

}  // namespace memalloc

#endif  // TESTING_UNIT_HEAP_TESTING_H_
