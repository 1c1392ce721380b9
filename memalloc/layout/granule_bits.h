// A bit for each granule of an arena. Layer: layout.
//
// Plain data without a constructor: it lives in tables that begin as zero
// pages.

#ifndef MEMALLOC_LAYOUT_GRANULE_BITS_H_
#define MEMALLOC_LAYOUT_GRANULE_BITS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/layout/constants.h"

namespace memalloc {

struct GranuleBits {
  static constexpr size_t kWords = kGranulesPerArena / 64;

  uint64_t words[kWords];

  bool Has(size_t granule) const {
    return (words[granule / 64] >> granule % 64 & 1) != 0;
  }

  // The first granule from `granule` on that has the bit; kGranulesPerArena if
  // there is none.
  size_t Next(size_t granule) const {
    for (size_t w = granule / 64; w < kWords; ++w) {
      const uint64_t bits = words[w] & Mask(w, granule, kGranulesPerArena);
      if (bits != 0) {
        return w * 64 + static_cast<size_t>(__builtin_ctzll(bits));
      }
    }
    return kGranulesPerArena;
  }

  // How many of the `count` granules from `granule` on have the bit.
  size_t Count(size_t granule, size_t count) const {
    size_t sum = 0;
    for (size_t w = 0; w < kWords; ++w) {
      const uint64_t bits = words[w] & Mask(w, granule, granule + count);
      if (bits != 0) sum += static_cast<size_t>(__builtin_popcountll(bits));
    }
    return sum;
  }

  bool Any(size_t granule, size_t count) const {
    return Next(granule) < granule + count;
  }

  void Set(size_t granule, size_t count) {
    for (size_t w = 0; w < kWords; ++w) {
      words[w] |= Mask(w, granule, granule + count);
    }
  }

  void Clear(size_t granule, size_t count) {
    for (size_t w = 0; w < kWords; ++w) {
      words[w] &= ~Mask(w, granule, granule + count);
    }
  }

  // Sets the bits that `others` has among the `count` granules from `granule`
  // on.
  void SetThoseOf(const GranuleBits& others, size_t granule, size_t count) {
    for (size_t w = 0; w < kWords; ++w) {
      words[w] |= others.words[w] & Mask(w, granule, granule + count);
    }
  }

 private:
  // The bits of word `w` that stand for granules in [first, end).
  static uint64_t Mask(size_t w, size_t first, size_t end) {
    const size_t base = w * 64;
    if (end <= base || first >= base + 64) return 0;
    uint64_t mask = ~uint64_t{0};
    if (first > base) mask &= ~uint64_t{0} << (first - base);
    if (end < base + 64) mask &= ~uint64_t{0} >> (base + 64 - end);
    return mask;
  }
};

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_GRANULE_BITS_H_
