// The list of all; see mapped_memory.h.

#include "memalloc/observe/mapped_memory.h"

namespace memalloc {

MappedMemory::Place MappedMemory::places_[kMaxPlaces];

void MappedMemory::Enter() const {
  for (Place& place : places_) {
    uintptr_t none = 0;
    if (place.start.compare_exchange_strong(none, start_)) {
      return place.end.store(start_ + bytes_);
    }
  }
}

void MappedMemory::Leave() const {
  for (Place& place : places_) {
    if (place.start.load() != start_) continue;
    place.end.store(0);
    return place.start.store(0);
  }
}

}  // namespace memalloc
