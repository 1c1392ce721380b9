// Address space at a wanted alignment. Layer: heap.

#ifndef MEMALLOC_HEAP_RESERVE_H_
#define MEMALLOC_HEAP_RESERVE_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

// Reserves `bytes` (a multiple of the page size) of address space, without
// access, so that the byte at `offset` stands at a multiple of `alignment` (a
// power of two, at least a page). 0 when there is none. Thread-safe.
uintptr_t ReserveAligned(size_t bytes, size_t alignment, size_t offset);

// Unmaps a whole reservation.
void ReturnReservation(uintptr_t start, size_t bytes);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_RESERVE_H_
