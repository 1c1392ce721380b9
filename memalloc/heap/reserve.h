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

// The same after os::Commit or os::RemapTo failed for the part
// [failed, failed + failed_bytes): if the kernel made a hole of it, that is
// left alone.
void ReturnAfterFailure(uintptr_t start, size_t bytes, uintptr_t failed,
                        size_t failed_bytes);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_RESERVE_H_
