// Free pages inside a small block; see sparse_block.h.

#include "memalloc/heap/sparse_block.h"

#include "memalloc/base/bit_set.h"
#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/layout/arena.h"
#include "memalloc/layout/constants.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/layout/free_list.h"
#include "memalloc/layout/size_class.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

constexpr size_t kMaxCells = kGranuleSize / kMinAlignment;
constexpr size_t kMinPageSize = 4096;
constexpr size_t kMaxPages =
    GranulesPerBlock(kMaxSmallSize) * kGranuleSize / kMinPageSize;

static_assert(kGranuleSize / kMinPageSize <= 8 * sizeof(PurgedPages));

// Numbers of cells or pages, from `first` to before `end`.
struct Range {
  size_t first;
  size_t end;

  bool empty() const { return first >= end; }
  size_t size() const { return empty() ? 0 : end - first; }
};

// A bit for each cell of a block.
using CellBits = BitSet<kMaxCells>;

bool HasAll(const CellBits& bits, Range cells) {
  return bits.Count(cells.first, cells.size()) == cells.size();
}

// A block's pages, their marks, and the cells in them.
class BlockPages {
 public:
  explicit BlockPages(const BlockHeader* block)
      : page_size_(os::PageSize()),
        cell_size_(block->cell_size),
        carved_(block->carved),
        capacity_(block->capacity),
        start_(BlockStart(block)),
        granules_(block->granules),
        marks_(ArenaHeaderOf(block)->Purged(GranuleOf(block))) {}

  // 0 where pages are larger than granules.
  size_t count() const { return granules_ * InGranule(); }
  size_t page_size() const { return page_size_; }
  size_t InGranule() const { return kGranuleSize / page_size_; }
  uintptr_t CellAddress(size_t i) const { return start_ + i * cell_size_; }
  uintptr_t Address(size_t page) const { return start_ + page * page_size_; }
  size_t PageOf(uintptr_t address) const {
    return (address - start_) / page_size_;
  }

  bool Has(size_t page) const {
    return (marks_[page / InGranule()] >> page % InGranule() & 1) != 0;
  }
  void Set(size_t page) {
    marks_[page / InGranule()] |=
        static_cast<PurgedPages>(1U << page % InGranule());
  }
  void Clear(size_t page) {
    marks_[page / InGranule()] &=
        static_cast<PurgedPages>(~(1U << page % InGranule()));
  }
  void ClearAll() {
    for (size_t i = 0; i < granules_; ++i) marks_[i] = 0;
  }

  // Carved cells that begin in the page.
  Range Beginning(size_t page) const {
    const size_t first = (page * page_size_ + cell_size_ - 1) / cell_size_;
    const size_t end = ((page + 1) * page_size_ + cell_size_ - 1) / cell_size_;
    return {first, Min(end, carved_)};
  }

  // All cells that have a part in the page.
  Range Overlapping(size_t page) const {
    const size_t end = ((page + 1) * page_size_ + cell_size_ - 1) / cell_size_;
    return {page * page_size_ / cell_size_, Min(end, capacity_)};
  }

  bool IsTouched(size_t page) const {
    return Overlapping(page).first < carved_;
  }

  // Whether nobody can have written to the page since it was purged: no cell
  // that has a part in it is in a list or handed out. Marks must be valid.
  bool IsZero(size_t page) const {
    if (!IsTouched(page)) return false;
    const size_t first_cell = Overlapping(page).first;
    return Has(PageOf(CellAddress(first_cell))) &&
           (Has(page) || Beginning(page).empty());
  }

 private:
  size_t page_size_;
  size_t cell_size_;
  size_t carved_;
  size_t capacity_;
  uintptr_t start_;
  size_t granules_;
  PurgedPages* marks_;
};

// The block's cells that are not handed out. Dies if the list is not sound, or
// has a cell twice.
void FindFreeCells(const BlockHeader* block, const BlockPages& pages,
                   CellBits* free) {
  free->Set(block->carved, block->capacity - block->carved);
  for (size_t page = 0; page < pages.count(); ++page) {
    if (!pages.Has(page)) continue;
    const Range cells = pages.Beginning(page);
    free->Set(cells.first, cells.size());
  }
  const uintptr_t start = BlockStart(block);
  if (block->free_list != 0) CheckFirst(block, block->free_list);
  for (uintptr_t cell = block->free_list; cell != 0;) {
    const FreeCell* at = CellAt(cell);
    const size_t number = (cell - start) / block->cell_size;
    if (kHasChecks && free->Has(number)) {
      DieOfMisuse("free", at, "double free", "double-free");
    }
    free->Set(number);
    cell = at->Next(block->link_key);
    if (cell != 0) CheckLink(block, at, cell);
  }
}

// Puts cells in front of the block's free list, in their order.
void Link(BlockHeader* block, const BlockPages& pages, Range cells) {
  for (size_t i = cells.end; i > cells.first; --i) {
    FreeCell* cell = CellAt(pages.CellAddress(i - 1));
    cell->SetNext(block->free_list, block->link_key);
    block->free_list = AddressOf(cell);
  }
  block->free_base += static_cast<uint32_t>(cells.size());
}

// Makes the free list anew, of the cells of `free` that are carved.
void LinkOnly(BlockHeader* block, const BlockPages& pages,
              const CellBits& free) {
  block->free_base -= block->FreeCells();
  block->free_list = 0;
  for (size_t i = block->carved; i > 0; --i) {
    if (free.Has(i - 1)) Link(block, pages, {i - 1, i});
  }
}

}  // namespace

Purged PurgeFreePages(BlockHeader* block) {
  BlockPages pages(block);
  if (block->purged_cells == 0) pages.ClearAll();
  CellBits free = {};
  FindFreeCells(block, pages, &free);
  bool goes[kMaxPages];
  bool any = false;
  for (size_t page = 0; page < pages.count(); ++page) {
    goes[page] = pages.IsTouched(page) && !pages.IsZero(page) &&
                 HasAll(free, pages.Overlapping(page));
    any |= goes[page];
  }
  if (!any) return {};
  for (size_t page = 0; page < pages.count(); ++page) {
    if (!goes[page] && !pages.Has(page)) continue;
    const Range cells = pages.Beginning(page);
    free.Clear(cells.first, cells.size());
  }
  LinkOnly(block, pages, free);
  Purged purged;
  for (size_t page = 0; page < pages.count(); ++page) {
    if (!goes[page]) continue;
    Range run = {page, page + 1};
    while (run.end < pages.count() && goes[run.end]) ++run.end;
    const size_t bytes = run.size() * pages.page_size();
    const bool is_gone = os::Purge(pages.Address(page), bytes);
    if (is_gone) {
      purged.bytes += bytes;
      ++purged.calls;
    }
    for (; page < run.end; ++page) {
      const Range cells = pages.Beginning(page);
      if (pages.Has(page) || cells.empty()) continue;
      if (is_gone) {
        pages.Set(page);
        block->purged_cells += static_cast<uint16_t>(cells.size());
      } else {
        Link(block, pages, cells);
      }
    }
  }
  return purged;
}

void RelinkPage(BlockHeader* block) {
  BlockPages pages(block);
  size_t page = 0;
  while (page < pages.count() && !pages.Has(page)) ++page;
  MEMALLOC_CHECK(page < pages.count(), block);
  const Range cells = pages.Beginning(page);
  for (size_t i = cells.first; kHasChecks && i < cells.end; ++i) {
    const FreeCell* cell = CellAt(pages.CellAddress(i));
    if (MEMALLOC_LIKELY(cell->link == 0)) continue;
    if (!cell->HasFreeTag()) DieOfOverwrittenLink(cell);
    DieOfMisuse("free", cell, "double free", "double-free");
  }
  Link(block, pages, cells);
  block->purged_cells -= static_cast<uint16_t>(cells.size());
  pages.Clear(page);
}

bool IsPurged(const BlockHeader* block, size_t i) {
  if (block->purged_cells == 0) return false;
  const BlockPages pages(block);
  for (size_t page = 0; page < pages.InGranule(); ++page) {
    if (!pages.IsZero(i * pages.InGranule() + page)) return false;
  }
  return true;
}

void CheckFreeCells(const BlockHeader* block) {
  if (block->purged_cells == 0) return;
  CellBits free = {};
  FindFreeCells(block, BlockPages(block), &free);
}

bool MarksAreSound(const BlockHeader* block) {
  if (block->purged_cells == 0) return true;
  const BlockPages pages(block);
  size_t sum = 0;
  for (size_t page = 0; page < pages.count(); ++page) {
    if (!pages.Has(page)) continue;
    const Range cells = pages.Beginning(page);
    if (cells.empty()) return false;
    sum += cells.size();
    for (size_t i = cells.first; i < cells.end; ++i) {
      if (CellAt(pages.CellAddress(i))->link != 0) return false;
    }
  }
  return sum == block->purged_cells;
}

bool BeginsInPurgedPage(const BlockHeader* block, uintptr_t cell) {
  if (block->purged_cells == 0) return false;
  const BlockPages pages(block);
  return pages.Has(pages.PageOf(cell));
}

}  // namespace memalloc
