// Blocks with known contents, the material of the process tests.
//
// A Block remembers what was written to it, so that whoever releases it can
// tell whether anybody else wrote there: the heap in between may have been
// forked, starved, or handed from a thread that is gone. Block is plain data
// and can live in static arrays, shared memory or a plug-in. Failures end the
// process through REQUIRE. Thread-safe as far as each block has one user at a
// time.

#ifndef TESTING_PROCESS_BLOCKS_H_
#define TESTING_PROCESS_BLOCKS_H_

#include <cstddef>
#include <cstdint>

namespace process {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;

struct Block {
  void* pointer = nullptr;
  size_t size = 0;
  uint64_t seed = 0;
};

// A filled block of `size` bytes from malloc; `number` only varies the pattern.
// The null block if malloc fails.
Block MakeBlock(size_t size, uint64_t number);

// The same through one of malloc, calloc (checked to be zero), memalign, and
// operator new, by `number`, and of a size by `number`: mostly small, some
// large, few huge. Never null.
Block MakeAnyBlock(uint64_t number);

// REQUIREs that the block still has its contents.
void CheckBlock(const Block& block);

// Reallocates to `size`, checks what was kept, fills all of it.
void ResizeBlock(Block* block, size_t size);

// Checks the block, frees it, and makes it null. Null blocks are ignored.
void ReleaseBlock(Block* block);

// Uses every kind of allocation, with at most ~10 MiB live: all of it comes and
// goes inside the call. With `operations` of some hundreds every slow path is
// taken.
void Exercise(uint64_t seed, int operations);

}  // namespace process

#endif  // TESTING_PROCESS_BLOCKS_H_
