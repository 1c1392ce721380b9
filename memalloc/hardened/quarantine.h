// The quarantine: what a thread freed last, held back for a while. Layer:
// hardened.
//
// A freed cell takes a place at random, and the one that stood there goes on to
// be freed: cells are handed out again later, and in an order that nobody can
// foretell. Until then each stays marked as free, so that a second free of it
// is found, and so does a write into it when it leaves.
//
// One for each thread, and nothing of it is shared.

#ifndef MEMALLOC_HARDENED_QUARANTINE_H_
#define MEMALLOC_HARDENED_QUARANTINE_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/hardened/secret.h"

namespace memalloc {

class Quarantine {
 public:
  // There are many places for small cells, and a few for larger blocks. Each
  // kind holds up to the option's bytes.
  static constexpr size_t kSmallPlaces = kSmallCellsInQuarantine;
  static constexpr size_t kPlaces = kSmallPlaces + 8;

  // Takes in what has `bytes` bytes; what goes for it, 0 for nothing. That is
  // the newcomer itself if it is too large under the limit.
  MEMALLOC_FAST uintptr_t Exchange(uintptr_t cell, size_t bytes, size_t limit) {
    size_t place;
    if (MEMALLOC_LIKELY(bytes <= limit / kSmallPlaces)) {
      place = random_.Below(kSmallPlaces);
    } else if (bytes <= limit / (kPlaces - kSmallPlaces)) {
      place = kSmallPlaces + random_.Below(kPlaces - kSmallPlaces);
    } else {
      return cell;
    }
    const uintptr_t old = places_[place];
    places_[place] = cell;
    return old;
  }

  // The same of a cell that is small enough, at a place that only who knows its
  // canary can foretell.
  MEMALLOC_FAST uintptr_t ExchangeSmall(uintptr_t cell, uint64_t canary) {
    const size_t place = random_.Bits(Log2(kSmallPlaces), canary);
    const uintptr_t old = places_[place];
    places_[place] = cell;
    return old;
  }

  // Takes out what stands at the place; 0 if it is empty.
  uintptr_t Take(size_t place) {
    const uintptr_t cell = places_[place];
    places_[place] = 0;
    return cell;
  }

  uintptr_t At(size_t place) const { return places_[place]; }

  RandomNumbers& random() { return random_; }

 private:
  RandomNumbers random_;
  uintptr_t places_[kPlaces];  // 0: empty
};

extern MEMALLOC_HIDDEN MEMALLOC_TLS Quarantine t_quarantine;

}  // namespace memalloc

#endif  // MEMALLOC_HARDENED_QUARANTINE_H_
