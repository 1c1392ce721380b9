// The order in which a page's new cells are handed out: any. Layer: hardened.
//
// Neighbours in time are then not neighbours in memory, so that nobody can lay
// out what stands behind an allocation that he can overflow.

#ifndef MEMALLOC_HARDENED_CARVE_ORDER_H_
#define MEMALLOC_HARDENED_CARVE_ORDER_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/options.h"
#include "memalloc/hardened/secret.h"

namespace memalloc {

class CarveOrder {
 public:
  static constexpr size_t kMaxCells = 256;  // that begin in a page carved

  // An order of the numbers below `cells`.
  CarveOrder(size_t cells, RandomNumbers& random) {
    const bool is_random = GetOption(Option::kRandomOrder) != 0;
    for (size_t i = 0; i < cells; ++i) {
      // Each next number takes the place of one before it (Fisher and Yates).
      const size_t place = is_random ? random.Below(i + 1) : i;
      if (place != i) numbers_[i] = numbers_[place];
      numbers_[place] = static_cast<uint8_t>(i);
    }
  }

  size_t operator[](size_t i) const { return numbers_[i]; }

 private:
  uint8_t numbers_[kMaxCells];
};

}  // namespace memalloc

#endif  // MEMALLOC_HARDENED_CARVE_ORDER_H_
