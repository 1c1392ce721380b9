// Powers of two and rounding. Layer: base.

#ifndef MEMALLOC_BASE_MATH_H_
#define MEMALLOC_BASE_MATH_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

constexpr bool IsPowerOfTwo(size_t x) { return x != 0 && (x & (x - 1)) == 0; }

// `unit` is a power of two. RoundUp wraps to a small number when the result
// would not fit: callers bound their sizes first.
constexpr uintptr_t RoundDown(uintptr_t x, size_t unit) {
  return x & ~(uintptr_t{unit} - 1);
}
constexpr uintptr_t RoundUp(uintptr_t x, size_t unit) {
  return RoundDown(x + (unit - 1), unit);
}

// floor(log2(x)) for x > 0.
constexpr unsigned Log2(size_t x) {
  return 63U - static_cast<unsigned>(__builtin_clzll(x));
}

// How many bits are set. Not the builtin: without an instruction for it, that
// is a call into the compiler's library.
constexpr size_t PopCount(uint64_t x) {
  x -= x >> 1 & 0x5555555555555555;
  x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return static_cast<size_t>(x * 0x0101010101010101 >> 56);
}

template <typename T>
constexpr T Min(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
constexpr T Max(T a, T b) {
  return a < b ? b : a;
}

// The finaliser of splitmix64: neighbours have nothing in common.
constexpr uint64_t Mix(uint64_t word) {
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
  return word ^ (word >> 31);
}

}  // namespace memalloc

#endif  // MEMALLOC_BASE_MATH_H_
