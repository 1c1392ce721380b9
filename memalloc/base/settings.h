// What a make of memalloc contains: constants, so that nothing is left of what
// is off. Layer: base.
//
// The macros are set by the targets in memalloc/BUILD, for all files of the
// allocator alike; nobody else sets them.

#ifndef MEMALLOC_BASE_SETTINGS_H_
#define MEMALLOC_BASE_SETTINGS_H_

namespace memalloc {

// The checks of docs/errors.md. Without them for measuring only: what they
// cost.
#ifdef MEMALLOC_NO_CHECKS
inline constexpr bool kHasChecks = false;
#else
inline constexpr bool kHasChecks = true;
#endif

// Finds more mistakes and is harder to attack, for some time and memory.
#ifdef MEMALLOC_HARDENED
inline constexpr bool kIsHardened = true;
#else
inline constexpr bool kIsHardened = false;
#endif

}  // namespace memalloc

#endif  // MEMALLOC_BASE_SETTINGS_H_
