// A free cell and its link to the next one. Layer: layout.
//
// The first word of a free cell holds the next cell of its list, exclusive-or
// its block's key. The key's upper 16 bits are a constant tag and no address
// has bits there, so a free cell can be told from a live one by a compare of
// its upper two bytes. A link that a stray write changed does not decode to an
// address of the same block. Neither does one that was left behind in memory
// that serves a new block now: a block gets a new key each time it is made, and
// while it stands no live cell holds a link, as malloc clears it. In a build
// without checks a link is the next cell's address, and free cells have no tag.

#ifndef MEMALLOC_LAYOUT_FREE_CELL_H_
#define MEMALLOC_LAYOUT_FREE_CELL_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"

namespace memalloc {

inline constexpr unsigned kFreeTagShift = 48;
inline constexpr uint16_t kFreeTag = 0x9d5b;

struct FreeCell {
  uintptr_t link;

  MEMALLOC_FAST uintptr_t Next(uintptr_t key) const {
    return kHasChecks ? link ^ key : link;
  }
  MEMALLOC_FAST void SetNext(uintptr_t next, uintptr_t key) {
    link = kHasChecks ? next ^ key : next;
  }
  // When the cell is handed out: it no longer looks free, also if it is never
  // written to.
  MEMALLOC_FAST void Clear() {
    if constexpr (kHasChecks) link = 0;
  }
  // Whether the cell may be free: true for every free one, and for one in
  // 65,536 words of random data.
  MEMALLOC_FAST bool HasFreeTag() const {
    return kHasChecks &&
           static_cast<uint16_t>(link >> kFreeTagShift) == kFreeTag;
  }
};

MEMALLOC_FAST FreeCell* CellAt(uintptr_t address) {
  return reinterpret_cast<FreeCell*>(address);
}

MEMALLOC_FAST uintptr_t AddressOf(const FreeCell* cell) {
  return reinterpret_cast<uintptr_t>(cell);
}

// The link in `cell` does not lead to a cell of the same block.
[[noreturn]] MEMALLOC_COLD void DieOfOverwrittenLink(const FreeCell* cell);

// A cell that free took although none begins there.
[[noreturn]] MEMALLOC_COLD void DieOfInteriorCell(uintptr_t cell);

// A key from random bits.
constexpr uintptr_t MakeLinkKey(uint64_t random) {
  return (random >> 16) | (uint64_t{kFreeTag} << kFreeTagShift);
}

// The process's key, from which those of the blocks come, and which hides what
// travels between threads: set once, before the first cell is carved.
extern MEMALLOC_HIDDEN uintptr_t g_link_key;

// The key of the `number`th block made.
constexpr uintptr_t BlockLinkKey(uintptr_t process_key, uint64_t number) {
  return MakeLinkKey(Mix(process_key + number * 0x9E3779B97F4A7C15u));
}

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_FREE_CELL_H_
