// Guard pages: without access, so that a write that runs off its block faults
// at once. Layer: hardened.
//
// They stand round the header table of each arena, at both ends of what holds
// thread heaps, and behind each large and huge block. Where the kernel refuses
// one, there is none: all else works as before.
//
// Each guard may cost the process two mappings, of which it has 65,530 if not
// said otherwise; blocks have at most kMaxGuards of them, so that half are
// left.

#ifndef MEMALLOC_HARDENED_GUARD_H_
#define MEMALLOC_HARDENED_GUARD_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/settings.h"
#include "memalloc/os/os.h"

namespace memalloc {

inline constexpr size_t kMaxGuards = 16384;

// Bytes of the guard behind a block.
inline size_t GuardSize() { return kIsHardened ? os::PageSize() : 0; }

// Whether one more guard is affordable: no more than kMaxGuardsPerSecond are,
// lest a program that allocates large blocks all the time do little else.
bool MayGuard();
inline constexpr uint32_t kMaxGuardsPerSecond = 512;

// Takes the access to [start, end) away, multiples of the page size; whether
// that was done. Not if the range is empty, or the option says no.
bool PlaceGuard(uintptr_t start, uintptr_t end);
// Gives it back; false if the kernel refuses, and the range must not be used.
bool LiftGuard(uintptr_t start, uintptr_t end);

// Guards what lies in the first granule of an arena beside the header table,
// which stands at `table`, and the `behind` bytes that follow that.
void GuardTable(uintptr_t arena, uintptr_t table, size_t behind);

// Places guards at the ends of [*start, *end), and leaves what lies between.
void GuardEnds(uintptr_t* start, uintptr_t* end);

}  // namespace memalloc

#endif  // MEMALLOC_HARDENED_GUARD_H_
