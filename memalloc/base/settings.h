// What a make of memalloc contains: constants, so that nothing is left of what
// is off. Layer: base.
//
// The macros are set by the targets in memalloc/BUILD, for all files of the
// allocator alike; nobody else sets them.

#ifndef MEMALLOC_BASE_SETTINGS_H_
#define MEMALLOC_BASE_SETTINGS_H_

namespace memalloc {

namespace hardened {}

// The checks of docs/errors.md. Without them for measuring only: what they
// cost.
#ifdef MEMALLOC_NO_CHECKS
inline constexpr bool kHasChecks = false;
#else
inline constexpr bool kHasChecks = true;
#endif

// Finds more mistakes and is harder to attack, for some time and memory.
// `front` is the allocator that the names of libc stand for: the core as it is,
// or with the hardened build's checks round it (heap/hardened_allocator.h).
#ifdef MEMALLOC_HARDENED
inline constexpr bool kIsHardened = true;
namespace front = hardened;
#else
inline constexpr bool kIsHardened = false;
namespace front = ::memalloc;
#endif

}  // namespace memalloc

#endif  // MEMALLOC_BASE_SETTINGS_H_
