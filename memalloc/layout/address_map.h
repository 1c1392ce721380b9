// The address map: for each arena-sized slot of the address space one byte
// that says whose it is. Layer: layout.
//
// It lives in .bss, where pages never looked at are never made: it costs
// neither start-up time nor memory. Free looks a pointer up here before it
// touches what the pointer points to, so that null, wild and foreign pointers
// are recognised, not followed.
//
// Invariant: a byte is set before a pointer into its slot is handed out and
// cleared after the last one is dead. Whoever holds a live pointer reads a
// settled value, so that free needs no atomic load; a look-up of any address
// does.

#ifndef MEMALLOC_LAYOUT_ADDRESS_MAP_H_
#define MEMALLOC_LAYOUT_ADDRESS_MAP_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/layout/constants.h"

namespace memalloc {

enum class SlotKind : uint8_t {
  kForeign = 0,
  // An arena: a header table stands at its start.
  kArena = 1,
  // A later slot of a huge block: no table, no pointer that malloc returned.
  kHugeInside = 2,
  // The slot of a huge block that is aligned to the size of an arena or more:
  // its pointer is the slot's first byte, and its header stands in the table
  // of the slot before.
  kHugeAligned = 3,
  // The first slot of a huge block: it begins with a table, as an arena.
  kHuge = 4,
  // A slot of the guard pool (heap/guard_pool.h).
  kGuardPool = 5,
};

class AddressMap {
 public:
  // Bits of a wild pointer above the address space are cut off, so that the
  // look-up stays inside the map; what is then found belongs to an alias, and
  // the machine faults on the access that follows.
  static MEMALLOC_FAST size_t SlotOf(uintptr_t address) {
    return (address >> kArenaShift) & (kSlots - 1);
  }

  // Of a slot that a live pointer leads to.
  MEMALLOC_FAST SlotKind Get(size_t slot) const {
    return static_cast<SlotKind>(slots_[slot]);
  }

  // Of any address.
  SlotKind Find(uintptr_t address) const {
    if (address >> kAddressBits != 0) return SlotKind::kForeign;
    return static_cast<SlotKind>(
        __atomic_load_n(&slots_[SlotOf(address)], __ATOMIC_RELAXED));
  }

  // Marks `count` slots from the one of `address` on.
  void Set(uintptr_t address, size_t count, SlotKind kind) {
    const size_t first = SlotOf(address);
    for (size_t i = 0; i < count; ++i) {
      __atomic_store_n(&slots_[first + i], static_cast<uint8_t>(kind),
                       __ATOMIC_RELAXED);
    }
  }

 private:
  static constexpr size_t kSlots = size_t{1} << (kAddressBits - kArenaShift);

  uint8_t slots_[kSlots];  // a SlotKind each
};

extern MEMALLOC_HIDDEN AddressMap g_address_map;

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_ADDRESS_MAP_H_
