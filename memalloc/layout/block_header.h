// The block header, and how a pointer leads to it. Layer: layout.
//
// One cache line for each granule of an arena; the lines of an arena stand
// together in its first granule. A block is described by the header of its
// first granule; the header of its last one is kept valid as a boundary tag.
//
//   header(p) = arena(p) + ((p >> 10) & 0xffc0)
//
// is 64 times the granule's number, plus the arena's colour: the lowest two
// bits of the arena's number move the table inside the first granule, so that
// neighbouring arenas' tables do not compete for the same cache sets. The
// granule's number and the colour stand next to each other in the address,
// which is why one shift and one mask fetch both.

#ifndef MEMALLOC_LAYOUT_BLOCK_HEADER_H_
#define MEMALLOC_LAYOUT_BLOCK_HEADER_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/base/single_writer.h"
#include "memalloc/layout/constants.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

class ThreadHeap;

enum class BlockStatus : uint8_t {
  kNone = 0,    // never used, or inside a block
  kForeign,     // memory of somebody else inside our arena
  kFree,        // the first or last granule of a free run
  kPurging,     // a free run whose pages are being given back
  kInside,      // a later granule of a block; `offset` leads to the first
  kSmall,       // cells of one size class
  kLarge,       // one allocation of whole granules
  kHuge,        // one allocation with a mapping of its own
  kMetadata,    // thread heaps
  kArenaTable,  // granule 0: an ArenaHeader
};

// Where a thread heap keeps an owned small block, and whether it keeps a large
// one.
enum class BlockPlace : uint8_t {
  kCurrent,  // the block its bin is filled from, or being worked on; in no list
  kWaiting,  // was full, has too few free cells to be worth a refill
  kPartial,  // has cells to refill from
  kIdle,     // the same, and nothing was freed into it since a tick
  kStirred,  // partial, but was settled and little was freed into it since
  kSettled,  // was given up after its free pages were looked for
  kKept,     // a large one that is free, in a magazine (heap/large_magazine.h)
};

// In which of the central heap's lists an orphan is.
enum class OrphanList : uint8_t {
  kNone,
  kFresh,  // by the tick at which it came, in turn
  kFresh1,
  kFresh2,
  kSettled,  // was looked through for free pages
  kPurged,   // the same, and some went
};

// A block's address in granules, 0 for none: a pointer in half the space.
using BlockNumber = uint32_t;

struct alignas(MEMALLOC_CACHE_LINE) BlockHeader {
  // A small block's thread heap. Null while nobody owns it: all its cells are
  // handed out (detached), or it waits in the central heap's orphan list. Who
  // exchanges null for himself owns it, and all fields below with it.
  std::atomic<ThreadHeap*> owner;

  // Cells freed by the owner, linked through their first words; 0 ends it.
  uintptr_t free_list;

  // Frees until the owner must look at the block (it became worth a refill,
  // or empty). `free_base - countdown` is the length of free_list.
  SingleWriter<uint32_t> countdown;
  SingleWriter<uint32_t> free_base;

  BlockStatus status;
  SizeClass size_class;
  SingleWriter<BlockPlace> place;
  OrphanList orphan_list;  // guarded by the central lock

  uint16_t granules;  // of the block or free run; in the first and last header
  union {
    uint16_t offset = 0;  // kInside: granules back to the first
    // kSmall: carved cells that are free but in no list, as the page in which
    // they begin was purged (heap/sparse_block.h).
    SingleWriter<uint16_t> purged_cells;
  };
  uint16_t capacity;              // cells that fit
  SingleWriter<uint16_t> carved;  // so far, from the block's start on
  uint32_t cell_size;             // bytes; of a large block, all of it

  // Neighbours in the orphan list; guarded by the central lock.
  BlockNumber orphan_next;
  BlockNumber orphan_prev;

  // Neighbours in the owner's list of the class, or in the central heap's list
  // of free runs.
  BlockNumber next;
  BlockNumber prev;

  union {
    // The key of the links of its free cells (free_cell.h), another one each
    // time that the block is made. Does not change while a cell is handed out.
    uintptr_t link_key;
    // kLarge and kHuge in the hardened build: what was asked for, and where
    // guards stand (heap/guarded_block.h).
    size_t asked;
  };

  // Whether the running thread's heap owns the block. No ordering is needed:
  // only this thread ever stores its own heap there. gcc never compares an
  // atomic in memory, it loads it first.
  MEMALLOC_FAST bool IsOwnedBy(const ThreadHeap* mine) const {
#ifdef __x86_64__
    bool is_owned;
    asm("cmp %2, %1" : "=@cce"(is_owned) : "m"(owner), "r"(mine));
    return is_owned;
#else
    return owner.load(std::memory_order_relaxed) == mine;
#endif
  }

  // Cells in its list, and those handed out. Of a block that another thread
  // owns these are estimates: the fields may be read at different moments.
  uint32_t FreeCells() const { return free_base - countdown; }
  uint32_t UsedCells() const { return carved - purged_cells - FreeCells(); }

  // Whether the program has it.
  bool IsLargeInUse() const {
    return status == BlockStatus::kLarge && place != BlockPlace::kKept;
  }

  bool IsOrphan() const { return orphan_list != OrphanList::kNone; }

  // Expects `events` frees before the next look.
  void ExpectFrees(uint32_t events) {
    const uint32_t free_cells = FreeCells();
    countdown = events;
    free_base = free_cells + events;
  }
};

static_assert(sizeof(BlockHeader) == 64);
static_assert(offsetof(BlockHeader, owner) == 0);
static_assert(offsetof(BlockHeader, free_list) == 8);
static_assert(offsetof(BlockHeader, countdown) == 16);
static_assert(offsetof(BlockHeader, status) == 24);
static_assert(kAddressBits - kGranuleShift <= 32);
static_assert(kGranulesPerArena * sizeof(BlockHeader) <= kGranuleSize);
static_assert(kGranuleShift - Log2(sizeof(BlockHeader)) == 10);

MEMALLOC_FAST uintptr_t ArenaOf(uintptr_t address) {
  return RoundDown(address, kArenaSize);
}

// The hardened build has two of the four places, those in the middle of the
// granule, so that there is room for guard pages on both sides.
MEMALLOC_FAST size_t HeaderOffset(uintptr_t address) {
  if constexpr (kIsHardened) {
    return ((address >> (kGranuleShift - Log2(sizeof(BlockHeader)))) &
            (kGranuleSize / 2 - sizeof(BlockHeader))) +
           kGranuleSize / 4;
  }
  return (address >> (kGranuleShift - Log2(sizeof(BlockHeader)))) &
         (kGranuleSize - sizeof(BlockHeader));
}

// The header of the granule that holds `address`, in a slot with a table.
MEMALLOC_FAST BlockHeader* HeaderOf(uintptr_t address) {
  return reinterpret_cast<BlockHeader*>(ArenaOf(address) +
                                        HeaderOffset(address));
}

// The header of the block that holds `address`.
MEMALLOC_FAST BlockHeader* BlockOf(uintptr_t address) {
  BlockHeader* header = HeaderOf(address);
  return header->status == BlockStatus::kInside ? header - header->offset
                                                : header;
}

// Whether a cell of the small block that holds `address` begins there: one that
// was not carved yet, maybe.
MEMALLOC_FAST bool IsCellStart(uintptr_t address) {
  const BlockHeader* header = HeaderOf(address);
  const size_t back =
      header->status == BlockStatus::kInside ? header->offset : 0;
  return IsCellMultiple(address % kGranuleSize + back * kGranuleSize,
                        header[-static_cast<ptrdiff_t>(back)].size_class);
}

// The number of a header's granule in its arena.
MEMALLOC_FAST size_t GranuleOf(const BlockHeader* header) {
  return (reinterpret_cast<uintptr_t>(header) / sizeof(BlockHeader)) %
         kGranulesPerArena;
}

// Where the granule of a header begins.
MEMALLOC_FAST uintptr_t BlockStart(const BlockHeader* header) {
  return ArenaOf(reinterpret_cast<uintptr_t>(header)) +
         GranuleOf(header) * kGranuleSize;
}

// Null leads to 0, and back.
inline BlockNumber NumberOf(const BlockHeader* block) {
  if (block == nullptr) return 0;
  return static_cast<BlockNumber>(BlockStart(block) >> kGranuleShift);
}
inline BlockHeader* BlockNumbered(BlockNumber number) {
  if (number == 0) return nullptr;
  return HeaderOf(uintptr_t{number} << kGranuleShift);
}

// Whether a cell of this block begins at `address`, whatever that is.
MEMALLOC_FAST bool IsCellOf(const BlockHeader* block, uintptr_t address) {
  const uintptr_t offset = address - BlockStart(block);
  return offset < block->granules * kGranuleSize &&
         IsCellMultiple(offset, block->size_class);
}

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_BLOCK_HEADER_H_
