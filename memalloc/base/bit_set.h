// A set of small numbers: a bit for each. Layer: base.
//
// Plain data without a constructor, as some live in tables that begin as zero
// pages. Ranges are `count` numbers from `first` on.

#ifndef MEMALLOC_BASE_BIT_SET_H_
#define MEMALLOC_BASE_BIT_SET_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"

namespace memalloc {

template <size_t kSize>
struct BitSet {
  uint64_t words[(kSize + 63) / 64];

  bool Has(size_t i) const { return (words[i / 64] >> i % 64 & 1) != 0; }
  void Set(size_t i) { words[i / 64] |= uint64_t{1} << i % 64; }
  void Clear(size_t i) { words[i / 64] &= ~(uint64_t{1} << i % 64); }

  // The least from `first` on that is in the set; kSize if there is none.
  size_t Next(size_t first) const {
    size_t next = kSize;
    ForWords(first, kSize - first, [&](size_t w, uint64_t mask, size_t) {
      const uint64_t bits = words[w] & mask;
      if (bits == 0) return true;
      next = w * 64 + static_cast<size_t>(__builtin_ctzll(bits));
      return false;
    });
    return next;
  }

  // How many of the range are in the set.
  size_t Count(size_t first, size_t count) const {
    size_t sum = 0;
    ForWords(first, count, [&](size_t w, uint64_t mask, size_t bits) {
      sum += CountBits(words[w], mask, bits);
      return true;
    });
    return sum;
  }

  bool Any(size_t first, size_t count) const {
    bool any = false;
    ForWords(first, count, [&](size_t w, uint64_t mask, size_t) {
      any = (words[w] & mask) != 0;
      return !any;
    });
    return any;
  }

  void Set(size_t first, size_t count) {
    ForWords(first, count, [&](size_t w, uint64_t mask, size_t) {
      words[w] |= mask;
      return true;
    });
  }

  void Clear(size_t first, size_t count) {
    ForWords(first, count, [&](size_t w, uint64_t mask, size_t) {
      words[w] &= ~mask;
      return true;
    });
  }

  // Adds those of the range that `others` has; how many. Looks at no word of
  // its own where these have none.
  size_t SetThoseOf(const BitSet& others, size_t first, size_t count) {
    size_t sum = 0;
    ForWords(first, count, [&](size_t w, uint64_t mask, size_t bits) {
      if ((others.words[w] & mask) == 0) return true;
      sum += CountBits(others.words[w], mask, bits);
      words[w] |= others.words[w] & mask;
      return true;
    });
    return sum;
  }

  // Takes those of the range out that `others` has; how many were in. Looks at
  // no word of its own where these have none.
  size_t ClearThoseOf(const BitSet& others, size_t first, size_t count) {
    size_t sum = 0;
    ForWords(first, count, [&](size_t w, uint64_t mask, size_t bits) {
      if ((others.words[w] & mask) == 0) return true;
      sum += CountBits(words[w] & others.words[w], mask, bits);
      words[w] &= ~(others.words[w] & mask);
      return true;
    });
    return sum;
  }

 private:
  // The bits of `word` under a mask of `bits` bits. Mostly all or none are set,
  // and to count them takes a while on processors of old.
  MEMALLOC_FAST static size_t CountBits(uint64_t word, uint64_t mask,
                                        size_t bits) {
    word &= mask;
    return word == mask ? bits : word == 0 ? 0 : PopCount(word);
  }

  // Calls `visit` with the number of each word that has bits of the range, a
  // mask of these bits and how many they are, until it returns false. Mostly
  // they are in one word.
  template <typename Visit>
  MEMALLOC_FAST static void ForWords(size_t first, size_t count, Visit visit) {
    const size_t end = first + count;
    for (size_t i = first; i < end;) {
      const size_t w = i / 64;
      const size_t bits = Min(end, (w + 1) * 64) - i;
      const uint64_t mask = ~uint64_t{0} >> (64 - bits) << i % 64;
      if (!visit(w, mask, bits)) return;
      i += bits;
    }
  }
};

}  // namespace memalloc

#endif  // MEMALLOC_BASE_BIT_SET_H_
