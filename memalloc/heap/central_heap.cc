// Runs of granules, small blocks, and the counts.

#include "memalloc/heap/central_heap.h"

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/sparse_block.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"

namespace memalloc {

CentralHeap g_central_heap;

// ---- runs and counts ----

MEMALLOC_USUAL BlockHeader* CentralHeap::TakeRun(size_t granules,
                                                 size_t alignment,
                                                 Shortage* shortage) {
  BlockHeader* run = runs_.Take(granules, alignment);
  if (run == nullptr) {
    shortage->parked = TakeParkedHeap();
    if (shortage->parked != nullptr) return nullptr;
    if (!MayGrow(granules, shortage)) return nullptr;
    // Room to shift the block to its alignment, less the granule that the
    // growth is aligned to anyway.
    const size_t shift = Max(alignment, kGranuleSize) / kGranuleSize - 1;
    if (!Grow(granules + shift)) return nullptr;
    run = runs_.Take(granules, alignment);
    if (run == nullptr) return nullptr;
  }
  if (!AdmitRun(run, granules)) {
    run = TakeAdmittedRun(granules, alignment);
    shortage->at_hard_limit = run == nullptr;
    if (run == nullptr) return nullptr;
  }
  CountBlock(granules);
  return run;
}

bool CentralHeap::MakeRoom(Shortage* shortage) {
  const Shortage now = *shortage;
  *shortage = {};
  shortage->has_trimmed = now.has_trimmed || now.at_hard_limit;
  if (now.parked != nullptr) {
    EmptyThreadHeap(now.parked);
    return true;
  }
  if (now.above_soft_limit != 0) {
    KeepToSoftLimit(now.above_soft_limit);
    return true;
  }
  if (!now.at_hard_limit) return CallInReserves();
  // Once: what goes back may be what the next try takes again, for a table.
  return !now.has_trimmed && Trim(0);
}

void CentralHeap::GiveRun(BlockHeader* first, size_t granules) {
  UncountBlock(granules);
  runs_.Give(first, granules);
}

void CentralHeap::CountBlock(size_t granules) {
  ++block_count_;
  used_granules_ += granules;
  peak_granules_ = Max(peak_granules_, used_granules_);
}

void CentralHeap::UncountBlock(size_t granules) {
  --block_count_;
  used_granules_ -= granules;
}

// ---- small blocks ----

MEMALLOC_USUAL BlockHeader* CentralHeap::AllocateSmallBlock(
    SizeClass size_class, ThreadHeap* owner) {
  Shortage shortage;
  for (;;) {
    {
      const LockHolder holder(lock_);
      BlockHeader* block = ClaimOrphan(size_class, owner);
      if (block == nullptr) {
        block = MakeSmallBlock(size_class, owner, &shortage);
      }
      if (block != nullptr) {
        CountWanted(size_class, 1);
        return block;
      }
    }
    if (!MakeRoom(&shortage)) return nullptr;
  }
}

BlockHeader* CentralHeap::AllocateNewBlock(SizeClass size_class,
                                           ThreadHeap* owner) {
  Shortage shortage;
  for (;;) {
    {
      const LockHolder holder(lock_);
      BlockHeader* block = MakeSmallBlock(size_class, owner, &shortage);
      if (block != nullptr || shortage.parked == nullptr) return block;
    }
    MakeRoom(&shortage);
  }
}

void CentralHeap::CountWanted(SizeClass size_class, int change) {
  const int now = wanted_[size_class].load(std::memory_order_relaxed) + change;
  if (now < 0 || now > kMaxWanted) return;
  wanted_[size_class].store(static_cast<uint8_t>(now),
                            std::memory_order_relaxed);
}

MEMALLOC_USUAL BlockHeader* CentralHeap::MakeSmallBlock(SizeClass size_class,
                                                        ThreadHeap* owner,
                                                        Shortage* shortage) {
  const size_t cell_size = CellSize(size_class);
  const size_t granules = GranulesPerBlock(cell_size);
  BlockHeader* block = TakeRun(granules, kGranuleSize, shortage);
  if (block == nullptr) return nullptr;
  for (size_t i = 1; i < granules; ++i) {
    block[i].status = BlockStatus::kInside;
    block[i].offset = static_cast<uint16_t>(i);
    block[i].cell_size = static_cast<uint32_t>(cell_size);  // for FreeSized
  }
  block->status = BlockStatus::kSmall;
  block->size_class = size_class;
  block->place = BlockPlace::kCurrent;
  block->orphan_list = OrphanList::kNone;
  block->purged_cells = 0;
  block->cell_size = static_cast<uint32_t>(cell_size);
  block->capacity = static_cast<uint16_t>(granules * kGranuleSize / cell_size);
  block->carved = 0;
  block->free_list = 0;
  block->link_key = BlockLinkKey(g_link_key, ++link_keys_made_);
  block->countdown = block->free_base = 0;
  // Nobody else knows the block yet: its first cell is published by whatever
  // the program hands it over with.
  block->owner.store(owner, std::memory_order_relaxed);
  return block;
}

void CentralHeap::ReleaseSmallBlock(BlockHeader* block) {
  const bool purged = PurgesAtOnce() && PurgeBlock(block, block->granules);
  const LockHolder holder(lock_);
  if (purged) {
    CountPurge(block, block->granules);
    block->carved = block->purged_cells = 0;
    block->countdown = block->free_base = 0;
  }
  FreeSmallBlock(block);
}

void CentralHeap::FreeSmallBlock(BlockHeader* block) {
  MEMALLOC_ASSERT(block->UsedCells() == 0);
  CheckFreeCells(block);
  if (block->IsOrphan()) RemoveOrphan(block);
  const size_t granules = block->granules;
  const size_t touched = block->carved * size_t{block->cell_size};
  GranuleBits* dirty = &ArenaHeaderOf(block)->dirty;
  for (size_t i = 0; i * kGranuleSize < touched; ++i) {
    if (IsPurged(block, i)) {
      dirty->Clear(GranuleOf(block) + i, 1);
    } else {
      dirty->Set(GranuleOf(block) + i, 1);
    }
  }
  for (size_t i = 1; i < granules; ++i) block[i].status = BlockStatus::kNone;
  block->owner.store(nullptr, std::memory_order_relaxed);
  GiveRun(block, granules);
}

// ---- looking in ----

bool CentralHeap::Owns(uintptr_t address) {
  if (g_address_map.Find(address) == SlotKind::kForeign) return false;
  if (!lock_.AcquireUnlessHeld()) return true;
  const bool owns = Has(address);
  lock_.Release();
  return owns;
}

// Arenas go under the lock, mappings of huge blocks after they have left the
// list: what is looked at here stays mapped, whatever others free or trim.
bool CentralHeap::Has(uintptr_t address) {
  if (g_address_map.Find(address) == SlotKind::kArena) {
    const BlockHeader* header = HeaderOf(address);
    return address < ArenaHeaderOf(header)->End() &&
           header->status != BlockStatus::kForeign;
  }
  for (const ArenaHeader* huge = huge_; huge != nullptr; huge = huge->next) {
    if (huge->HasHuge(address)) return true;
  }
  return huge_cache_.Has(address);
}

}  // namespace memalloc
