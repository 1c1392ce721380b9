// A bit for each granule of an arena. Layer: layout.
//
// Plain data without a constructor: it lives in tables that begin as zero
// pages.

#ifndef MEMALLOC_LAYOUT_GRANULE_BITS_H_
#define MEMALLOC_LAYOUT_GRANULE_BITS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
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
    size_t next = kGranulesPerArena;
    ForWords(granule, kGranulesPerArena - granule,
             [&](size_t w, uint64_t mask) {
               const uint64_t bits = words[w] & mask;
               if (bits == 0) return true;
               next = w * 64 + static_cast<size_t>(__builtin_ctzll(bits));
               return false;
             });
    return next;
  }

  // How many of the `count` granules from `granule` on have the bit.
  size_t Count(size_t granule, size_t count) const {
    size_t sum = 0;
    ForWords(granule, count, [&](size_t w, uint64_t mask) {
      sum += PopCount(words[w] & mask);
      return true;
    });
    return sum;
  }

  bool Any(size_t granule, size_t count) const {
    bool any = false;
    ForWords(granule, count, [&](size_t w, uint64_t mask) {
      any = (words[w] & mask) != 0;
      return !any;
    });
    return any;
  }

  void Set(size_t granule, size_t count) {
    ForWords(granule, count, [&](size_t w, uint64_t mask) {
      words[w] |= mask;
      return true;
    });
  }

  // How many of them had the bit.
  size_t Clear(size_t granule, size_t count) {
    size_t sum = 0;
    ForWords(granule, count, [&](size_t w, uint64_t mask) {
      sum += PopCount(words[w] & mask);
      words[w] &= ~mask;
      return true;
    });
    return sum;
  }

  // Sets the bits that `others` has among the `count` granules from `granule`
  // on; how many.
  size_t SetThoseOf(const GranuleBits& others, size_t granule, size_t count) {
    size_t sum = 0;
    ForWords(granule, count, [&](size_t w, uint64_t mask) {
      const uint64_t bits = others.words[w] & mask;
      words[w] |= bits;
      sum += PopCount(bits);
      return true;
    });
    return sum;
  }

 private:
  // Calls `visit` with each word that has bits of the `count` granules from
  // `granule` on, and a mask of these bits, until it returns false. Mostly they
  // are in one word.
  template <typename Visit>
  MEMALLOC_FAST static void ForWords(size_t granule, size_t count,
                                     Visit visit) {
    const size_t end = granule + count;
    while (granule < end) {
      const size_t w = granule / 64;
      const size_t bits = Min(end, (w + 1) * 64) - granule;
      const uint64_t mask = ~uint64_t{0} >> (64 - bits) << granule % 64;
      if (!visit(w, mask)) return;
      granule += bits;
    }
  }
};

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_GRANULE_BITS_H_
