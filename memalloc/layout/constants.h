// The numbers that fix the heap's shape. Layer: layout.

#ifndef MEMALLOC_LAYOUT_CONSTANTS_H_
#define MEMALLOC_LAYOUT_CONSTANTS_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

// A granule is the unit of which blocks are made.
inline constexpr unsigned kGranuleShift = 16;
inline constexpr size_t kGranuleSize = size_t{1} << kGranuleShift;

// An arena is a naturally aligned run of granules; the first one holds the
// headers of all.
inline constexpr unsigned kArenaShift = 24;
inline constexpr size_t kArenaSize = size_t{1} << kArenaShift;
inline constexpr size_t kGranulesPerArena = kArenaSize / kGranuleSize;

// User addresses: what the address map covers.
#if defined(__x86_64__)
inline constexpr unsigned kAddressBits = 47;
#else
inline constexpr unsigned kAddressBits = 48;
#endif

// Every result of malloc is aligned to this (alignof(max_align_t)).
inline constexpr size_t kMinAlignment = 16;

// Cells serve requests up to kMaxSmallSize, runs of granules those up to
// kMaxLargeSize, mappings of their own everything above.
inline constexpr size_t kMaxSmallSize = kGranuleSize;
// Two blocks of the largest size and the table fill an arena.
inline constexpr size_t kMaxLargeSize = kArenaSize / 2 - kGranuleSize;
inline constexpr size_t kMaxLargeAlignment = kArenaSize / 2;

// No object is larger: differences of pointers must fit in ptrdiff_t.
inline constexpr size_t kMaxRequest = PTRDIFF_MAX;

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_CONSTANTS_H_
