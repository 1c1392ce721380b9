// Fills blocks with a pattern and finds out whether it is still there.
//
// The pattern depends on the seed and on the position, so that a byte that
// moved, a neighbour's byte and a stale byte all differ from what is expected.
// A caller that derives its seed from the block's address and size, as
// BlockSeed() does, also notices two blocks that overlap.
//
// Blocks above kDenseLimit are sampled: their first and last pages and one word
// of each page between. That keeps a 1 GiB block affordable and still notices a
// lost, stale or foreign page. Everything is stateless and safe from any
// thread.

#ifndef TESTING_CONTRACT_PATTERN_H_
#define TESTING_CONTRACT_PATTERN_H_

#include <cstddef>
#include <cstdint>

namespace contract {

inline constexpr size_t kDenseLimit = 128 * 1024;

// A well-mixed number from `x`.
uint64_t Mix(uint64_t x);

// A seed for the block of `size` bytes at `block`, of the caller's number.
uint64_t BlockSeed(const void* block, size_t size, uint64_t number);

// Writes the pattern of `seed` over the first `size` bytes of `block`.
void FillPattern(void* block, size_t size, uint64_t seed);

// The offset of the first byte among the first `size` of `block` that differs
// from what FillPattern(block, filled, seed) wrote; `size` if none does.
// `size` may be less than `filled`: that is the prefix realloc must keep.
size_t FindDamage(const void* block, size_t size, size_t filled, uint64_t seed);

// The offset of the first byte of `block` that is not zero; `size` if all are.
size_t FindNonZero(const void* block, size_t size);

}  // namespace contract

#endif  // TESTING_CONTRACT_PATTERN_H_
