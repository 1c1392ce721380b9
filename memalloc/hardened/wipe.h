// Clearing freed memory, and seeing that it stayed clear. Layer: hardened.
//
// The first kUsualWipe bytes of each freed cell are cleared; an option can say
// more, or less. Each cell has as many, so that malloc and free need neither
// loops nor comparisons for it.

#ifndef MEMALLOC_HARDENED_WIPE_H_
#define MEMALLOC_HARDENED_WIPE_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memalloc/base/attributes.h"
#include "memalloc/layout/constants.h"

namespace memalloc {

inline constexpr size_t kUsualWipe = 32;

using WipeWord __attribute__((may_alias)) = uint64_t;
using WipeUnit __attribute__((vector_size(kMinAlignment), may_alias)) =
    uint64_t;
static_assert(kUsualWipe == 2 * sizeof(WipeUnit));

// Clears the first kUsualWipe bytes of a cell.
MEMALLOC_FAST void WipeUsual(uintptr_t start) {
  auto* units = reinterpret_cast<WipeUnit*>(start);
  units[0] = units[1] = WipeUnit{};
}

// What is not clear of that, as one word that is 0 if nothing is. The first
// word is not looked at, which holds the link, nor the last one, which is the
// smallest cells' end word.
MEMALLOC_FAST uint64_t UsualLeftovers(uintptr_t start) {
  const auto* words = reinterpret_cast<const WipeWord*>(start);
  return words[1] | words[2];
}

// Whether the first word is clear.
MEMALLOC_FAST bool IsFirstWordWiped(uintptr_t start) {
  return *reinterpret_cast<const WipeWord*>(start) == 0;
}

inline void Wipe(uintptr_t start, size_t bytes) {
  memset(reinterpret_cast<void*>(start), 0, bytes);
}

// Whether [start, end) is clear, both multiples of 8.
inline bool IsWiped(uintptr_t start, uintptr_t end) {
  uint64_t found = 0;
  for (; start < end; start += sizeof(WipeWord)) {
    found |= *reinterpret_cast<const WipeWord*>(start);
  }
  return found == 0;
}

}  // namespace memalloc

#endif  // MEMALLOC_HARDENED_WIPE_H_
