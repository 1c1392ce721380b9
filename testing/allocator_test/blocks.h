// Blocks of memory under test: where one came from, and contents that can be
// verified by whoever holds it, on any thread.
//
// A block's whole range is filled with words computed from its seed and the
// position, so that a cell handed out twice, a write by the allocator into a
// live cell, or a lost byte in realloc shows as a wrong word. A block must be
// released by the partner of the call that made it, as the standards want.
//
// No shared state: a Block is owned by one thread at a time, and the checks
// pass it on through atomics. Used by api_checks.cc and thread_checks.cc.
#ifndef TESTING_ALLOCATOR_TEST_BLOCKS_H_
#define TESTING_ALLOCATOR_TEST_BLOCKS_H_

#include <cstddef>
#include <cstdint>

namespace allocator_test {

// The calls that make a block; kSources is their number.
enum class Source {
  kMalloc,
  kCalloc,
  kRealloc,
  kAlignedAlloc,
  kPosixMemalign,
  kNew,
  kNewArray,
  kAlignedNew,
};
constexpr int kSources = 8;

struct Block {
  unsigned char* data = nullptr;
  std::size_t size = 0;
  std::uint64_t seed = 0;
  Source source = Source::kMalloc;
};

// A generator of small state, one for each thread (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next();
  std::size_t Below(std::size_t limit) { return Next() % limit; }
  // Mostly small: half are below 128 bytes, and 1 of 4096 reaches 1 MiB.
  std::size_t Size();

 private:
  std::uint64_t state_;
};

void Fill(void* data, std::size_t size, std::uint64_t seed);
bool Verify(const void* data, std::size_t size, std::uint64_t seed);
bool IsAligned(const void* pointer, std::size_t alignment);
bool IsZero(const void* data, std::size_t size);

// Makes and fills a block. `data` is null when the allocator refused.
Block MakeBlock(Source source, std::size_t size, std::uint64_t seed);
// Whether the contents are still those of MakeBlock. Frees the memory.
bool ReleaseBlock(const Block& block);

}  // namespace allocator_test

#endif  // TESTING_ALLOCATOR_TEST_BLOCKS_H_
