// The central heap: arenas, free runs, orphan blocks, large and huge blocks,
// and the register of thread heaps. Layer: heap.
//
// All of it is guarded by one pthread lock, taken once a block, not once a
// cell. Growth (sbrk, mmap of an arena) happens under the lock; mappings of
// huge blocks are made, moved and returned outside of it, and free granules are
// purged outside of it.
//
//   growth.cc        arenas from the program break, or from mmap
//   give_back.cc     and back to the system
//   purge.cc         pages of free granules go back with time
//   settle.cc        orphans among the blocks that lie idle
//   orphan_blocks.cc blocks without an owner, and work for threads without a
//                    heap
//   limits.cc        how much memory the heap may cause
//   large.cc         one allocation of whole granules
//   huge.cc          one allocation with a mapping of its own
//   central_heap.cc  runs, small blocks, counts
//   thread_heaps.cc  the register of thread heaps
//   check_heap.cc    the walker that checks every invariant
//   census.cc        the walker that counts: where the memory is
//   heap_walk.cc     a walk that tells others what there is

#ifndef MEMALLOC_HEAP_CENTRAL_HEAP_H_
#define MEMALLOC_HEAP_CENTRAL_HEAP_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/lock.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/free_runs.h"
#include "memalloc/heap/huge_cache.h"
#include "memalloc/heap/huge_pages.h"
#include "memalloc/layout/arena.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/constants.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

class Batch;
struct Census;
enum class HeapState : uint8_t;
class HeapVisitor;
struct Purged;
class ThreadHeap;

// Granules that a large block of `size` bytes has.
size_t GranulesFor(size_t size);

// Where the memory stands; a snapshot under the lock.
struct CentralCounts {
  uint64_t arenas;
  uint64_t backed_bytes;      // granules backed by memory, huge blocks too
  uint64_t block_bytes;       // in blocks in use, huge blocks too
  uint64_t peak_block_bytes;  // their peak
  uint64_t blocks;            // in use, huge blocks too
  uint64_t live_bytes;        // handed out: cells, large and huge blocks
  uint64_t thread_heaps;      // of live threads
  uint64_t purgeable_bytes;   // free granules that may hold pages
  uint64_t purged_bytes;      // so far
  uint64_t purge_calls;       // so far
};

class CentralHeap {
 public:
  constexpr CentralHeap() = default;

  // ---- small blocks ----

  // A block of the class with a cell to hand out, owned by `owner` from now
  // on: an orphan, or a new one. Null when memory is short.
  BlockHeader* AllocateSmallBlock(SizeClass size_class, ThreadHeap* owner)
      MEMALLOC_EXCLUDES(lock_);

  // A new one always. Nothing that is kept for speed is called in for it: it is
  // null more often.
  BlockHeader* AllocateNewBlock(SizeClass size_class, ThreadHeap* owner)
      MEMALLOC_EXCLUDES(lock_);

  // Whether threads took more blocks of the class than others offered.
  bool WantsBlock(SizeClass size_class) const {
    return wanted_[size_class].load(std::memory_order_relaxed) != 0;
  }
  // Takes a block with cells to hand out that the caller owns and can spare.
  void OfferBlock(BlockHeader* block) MEMALLOC_EXCLUDES(lock_);

  // The same for one that was looked through for free pages.
  void OfferSettledBlock(BlockHeader* block, const Purged& purged)
      MEMALLOC_EXCLUDES(lock_);
  // An orphan that `owner`, which owns it from now on, is to look through: one
  // that lay idle from one tick to another, or any fresh one if `all`. Null if
  // there is none.
  BlockHeader* ClaimIdleOrphan(ThreadHeap* owner, bool all)
      MEMALLOC_EXCLUDES(lock_);

  // Takes back an empty block that the caller owns.
  void ReleaseSmallBlock(BlockHeader* block) MEMALLOC_EXCLUDES(lock_);

  // malloc and free for a thread that has no heap (any longer), the latter a
  // batch at a time.
  FreeCell* AllocateCell(SizeClass size_class) MEMALLOC_EXCLUDES(lock_);
  void FreeBatchOf(BlockHeader* block, Batch* batch) MEMALLOC_EXCLUDES(lock_);

  // ---- large and huge blocks ----

  // `size` in (kMaxSmallSize or any aligned size, kMaxLargeSize], `alignment`
  // a power of two up to kMaxLargeAlignment. With `zero`, memory that is not
  // known to be zero is cleared. Null when memory is short.
  void* AllocateLarge(size_t size, size_t alignment, bool zero)
      MEMALLOC_EXCLUDES(lock_);
  void FreeLarge(BlockHeader* block) MEMALLOC_EXCLUDES(lock_);
  // Makes the block `size` bytes long where it stands; false if it cannot.
  bool ResizeLarge(BlockHeader* block, size_t size) MEMALLOC_EXCLUDES(lock_);

  // Any `size` up to kMaxRequest, any power of two `alignment`, `zero` as
  // above. Null when memory is short.
  void* AllocateHuge(size_t size, size_t alignment, bool zero)
      MEMALLOC_EXCLUDES(lock_);
  void FreeHuge(BlockHeader* block) MEMALLOC_EXCLUDES(lock_);
  // Resizes the block by moving its pages; the new place, or null if that
  // cannot be (all is as it was then).
  void* ResizeHuge(BlockHeader* block, size_t size) MEMALLOC_EXCLUDES(lock_);

  // Gives back what can be given back at once, after the running thread and
  // the dead ones gave up their empty blocks: cached mappings, mapped arenas
  // without a block, the free top of the break. Whether anything was.
  bool GiveBack() MEMALLOC_EXCLUDES(lock_);

  // malloc_trim: the same, the pages of all free granules too, but `pad` bytes
  // of the break. Whether any memory went back.
  bool Trim(size_t pad) MEMALLOC_EXCLUDES(lock_);

  // Looks whether it is time for a tick, at which memory that lies idle goes
  // back. Called where no lock is held, by each thread that passes a slow path;
  // `mine` is its heap if nothing of that is being worked on, null otherwise.
  void LookAtClock(ThreadHeap* mine) MEMALLOC_EXCLUDES(lock_);
  // Whether the last tick left something to do. A hint.
  bool purge_goes_on() const {
    return purge_goes_on_.load(std::memory_order_relaxed);
  }
  // Ticks so far. Of no order with anything else.
  uint32_t ticks() const { return ticks_.load(std::memory_order_relaxed); }

  // ---- thread heaps ----

  // A heap for a new thread: a parked one, or an empty one. Null when memory
  // is short.
  ThreadHeap* AcquireThreadHeap() MEMALLOC_EXCLUDES(lock_);
  // Takes the heap of a thread that ends: parks it as it stands for the next
  // thread, or empties it.
  void ReturnThreadHeap(ThreadHeap* heap) MEMALLOC_EXCLUDES(lock_);

  // ---- fork ----

  // Before fork in the parent, after it in the parent, in the child.
  // `survivor` is the heap of the thread that forked, null if it has none;
  // `had_threads` is false if no other thread can have run.
  void PrepareFork() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS;
  void AfterForkInParent() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS;
  void AfterForkInChild(ThreadHeap* survivor,
                        bool had_threads) MEMALLOC_NO_THREAD_SAFETY_ANALYSIS;

  // ---- looking in ----

  // Walks every arena and list and dies with a message if an invariant does
  // not hold. `mine` is the caller's heap, the only one whose owned blocks
  // can be looked into.
  void Check(const ThreadHeap* mine) MEMALLOC_EXCLUDES(lock_);

  // Whether the address lies in memory of ours, in use or not. If the running
  // thread holds the lock (a signal handler asks, or a debugger), near it.
  bool Owns(uintptr_t address) MEMALLOC_NO_THREAD_SAFETY_ANALYSIS;

  // The worse of the two.
  LockState LookAtLocks() { return Max(lock_.Look(), purge_lock_.Look()); }

  // Where the memory is, by a walk of all headers; pages are looked at if
  // `with_pages` (census.h).
  MEMALLOC_COLD void TakeCensus(Census* census, bool with_pages)
      MEMALLOC_EXCLUDES(lock_);
  CentralCounts Counts() MEMALLOC_EXCLUDES(lock_);

  // Tells the visitor all that the heap has (heap/heap_walk.h).
  void Walk(HeapVisitor* visitor) MEMALLOC_EXCLUDES(lock_);

 private:
  friend struct DebugLayout;

  // Why a request found no room.
  struct Shortage {
    // A heap without a thread, taken out to be emptied before the heap grows.
    ThreadHeap* parked = nullptr;
    size_t above_soft_limit = 0;  // the granules that would lead there
    bool at_hard_limit = false;
    bool has_trimmed = false;  // for this request
  };

  // Takes a run from the free ones. If there is none, a parked heap is taken
  // out to be emptied first, and only when none is left the heap grows. The
  // caller sets the run's status and describes the block; on null it asks
  // MakeRoom, without the lock, whether to try again.
  BlockHeader* TakeRun(size_t granules, size_t alignment, Shortage* shortage)
      MEMALLOC_REQUIRES(lock_);
  // Does what the shortage calls for, and forgets its reasons. Whether trying
  // again may help.
  bool MakeRoom(Shortage* shortage) MEMALLOC_EXCLUDES(lock_);
  void GiveRun(BlockHeader* first, size_t granules) MEMALLOC_REQUIRES(lock_);

  // growth.cc
  bool Grow(size_t granules) MEMALLOC_REQUIRES(lock_);
  bool GrowBreak(size_t granules, size_t step) MEMALLOC_REQUIRES(lock_);
  bool GrowMapping(size_t granules, size_t step) MEMALLOC_REQUIRES(lock_);
  void AbsorbBreak(uintptr_t start, uintptr_t end) MEMALLOC_REQUIRES(lock_);
  void StartArena(uintptr_t arena, ArenaKind kind) MEMALLOC_REQUIRES(lock_);
  void AdviseGrowth(uintptr_t start, uintptr_t end) MEMALLOC_REQUIRES(lock_);
  void ExtendArena(ArenaHeader* arena, size_t limit) MEMALLOC_REQUIRES(lock_);

  // limits.cc
  uint64_t CausedGranules() MEMALLOC_REQUIRES(lock_);
  uint64_t Allowance() MEMALLOC_REQUIRES(lock_);
  bool AdmitRun(BlockHeader* first, size_t granules) MEMALLOC_REQUIRES(lock_);
  BlockHeader* TakeAdmittedRun(size_t granules, size_t alignment)
      MEMALLOC_REQUIRES(lock_);
  bool AdmitHuge(size_t granules) MEMALLOC_EXCLUDES(lock_);
  bool PassesSoftLimit(size_t granules) MEMALLOC_REQUIRES(lock_);
  void KeepToSoftLimit(size_t granules) MEMALLOC_EXCLUDES(lock_);
  bool MayGrow(size_t granules, Shortage* shortage) MEMALLOC_REQUIRES(lock_);

  // give_back.cc
  bool CallInReserves() MEMALLOC_EXCLUDES(lock_);
  bool GiveBackTopOfBreak(size_t keep, size_t least, bool clean)
      MEMALLOC_REQUIRES(lock_);
  static size_t TopLength(ArenaHeader* arena, bool clean);
  bool LowerBreak(ArenaHeader* arena, size_t granules) MEMALLOC_REQUIRES(lock_);
  bool GiveBackMappedArenas(bool clean) MEMALLOC_REQUIRES(lock_);
  ArenaHeader* BreakArenaBelow(const ArenaHeader* arena)
      MEMALLOC_REQUIRES(lock_);
  void EndArena(ArenaHeader* arena) MEMALLOC_REQUIRES(lock_);

  // purge.cc
  class PurgeBatch;
  void Tick(uint64_t now, uint64_t delay, ThreadHeap* mine)
      MEMALLOC_EXCLUDES(lock_);
  void GiveBackCleanEnds() MEMALLOC_EXCLUDES(lock_);
  void GoOnPurging() MEMALLOC_EXCLUDES(lock_);
  void PurgeIdle(bool all) MEMALLOC_EXCLUDES(lock_);
  bool PurgeNextBatch() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS;
  void FillBatch(PurgeBatch* batch) MEMALLOC_REQUIRES(lock_);
  bool TakeIdle(ArenaHeader* arena, PurgeBatch* batch) MEMALLOC_REQUIRES(lock_);
  void EmptyBatch(const PurgeBatch& batch) MEMALLOC_REQUIRES(lock_);
  bool IsPatient(bool is_early) MEMALLOC_EXCLUDES(lock_);
  void NoteAnswers() MEMALLOC_REQUIRES(lock_);
  bool WaitForBatch() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS;
  static bool PurgesAtOnce();
  static bool PurgeBlock(const BlockHeader* first, size_t granules);
  void EndHugePages() MEMALLOC_REQUIRES(lock_);
  void CountPurge(BlockHeader* first, size_t granules) MEMALLOC_REQUIRES(lock_);
  void CountPurged(const Purged& purged) MEMALLOC_REQUIRES(lock_);

  // orphan_blocks.cc
  BlockNumber* Orphans(OrphanList list, SizeClass size_class)
      MEMALLOC_REQUIRES(lock_);
  static OrphanList FreshList(uint32_t tick);
  void PushOrphan(BlockHeader* block, OrphanList list) MEMALLOC_REQUIRES(lock_);
  void RemoveOrphan(BlockHeader* block) MEMALLOC_REQUIRES(lock_);
  BlockHeader* ClaimOrphan(SizeClass size_class, ThreadHeap* owner)
      MEMALLOC_REQUIRES(lock_);
  BlockHeader* ClaimOrphanOf(OrphanList list, SizeClass size_class,
                             ThreadHeap* owner) MEMALLOC_REQUIRES(lock_);
  FreeCell* TryAllocateCell(SizeClass size_class, Shortage* shortage)
      MEMALLOC_EXCLUDES(lock_);
  void GiveUpBlock(BlockHeader* block) MEMALLOC_REQUIRES(lock_);
  void WriteOffOrphans() MEMALLOC_REQUIRES(lock_);

  void CountWanted(SizeClass size_class, int change) MEMALLOC_REQUIRES(lock_);
  BlockHeader* MakeSmallBlock(SizeClass size_class, ThreadHeap* owner,
                              Shortage* shortage) MEMALLOC_REQUIRES(lock_);
  void FreeSmallBlock(BlockHeader* block) MEMALLOC_REQUIRES(lock_);
  void CountBlock(size_t granules) MEMALLOC_REQUIRES(lock_);
  void UncountBlock(size_t granules) MEMALLOC_REQUIRES(lock_);

  // large.cc
  void* TryAllocateLarge(size_t size, size_t alignment, bool zero,
                         Shortage* shortage) MEMALLOC_EXCLUDES(lock_);
  bool TakeBehind(BlockHeader* block, size_t more) MEMALLOC_REQUIRES(lock_);

  // thread_heaps.cc
  ThreadHeap* TryAcquireThreadHeap(Shortage* shortage) MEMALLOC_EXCLUDES(lock_);
  void EmptyThreadHeap(ThreadHeap* heap) MEMALLOC_EXCLUDES(lock_);
  bool EmptyParkedHeaps() MEMALLOC_EXCLUDES(lock_);
  ThreadHeap* TakeParkedHeap() MEMALLOC_REQUIRES(lock_);
  bool Park(ThreadHeap* heap) MEMALLOC_EXCLUDES(lock_);
  ThreadHeap* Unpark(ThreadHeap** link) MEMALLOC_REQUIRES(lock_);
  void EmptyIdleHeaps() MEMALLOC_EXCLUDES(lock_);

  // huge.cc
  ArenaHeader* FitHuge(ArenaHeader* arena, size_t size, size_t alignment,
                       bool zero) MEMALLOC_EXCLUDES(lock_);
  static void AdviseHugeMapping(ArenaHeader* arena);
  bool GivingBackMayDo(size_t size, size_t alignment) MEMALLOC_EXCLUDES(lock_);
  void CacheOrDrop(ArenaHeader* arena, size_t limit) MEMALLOC_EXCLUDES(lock_);
  bool TrimHugeCache(size_t limit) MEMALLOC_EXCLUDES(lock_);
  size_t HugeCacheLimit() MEMALLOC_REQUIRES(lock_);
  size_t UsedHugeBytes() const MEMALLOC_REQUIRES(lock_) {
    return huge_granules_ * kGranuleSize - huge_spare_;
  }
  bool CutHugeBlocks() MEMALLOC_REQUIRES(lock_);
  bool CutHugeBlock(ArenaHeader* arena) MEMALLOC_REQUIRES(lock_);
  void GiveBackIdleHuge(uint64_t now, uint64_t delay) MEMALLOC_EXCLUDES(lock_);
  void Enlist(ArenaHeader* arena) MEMALLOC_REQUIRES(lock_);
  void Delist(ArenaHeader* arena) MEMALLOC_REQUIRES(lock_);

  // central_heap.cc
  bool Has(uintptr_t address) MEMALLOC_REQUIRES(lock_);

  // heap_walk.cc
  void WalkLocked(HeapVisitor* visitor) MEMALLOC_REQUIRES(lock_);
  HeapState StateOf(const ThreadHeap* heap) const MEMALLOC_REQUIRES(lock_);

  // check_heap.cc
  struct ArenaSums {  // in granules
    size_t backed;    // ours, the table's own among them
    size_t free;
    size_t purgeable;
    size_t runs_out;  // for purging
  };
  ArenaSums CheckArena(ArenaHeader* arena, const ThreadHeap* mine)
      MEMALLOC_REQUIRES(lock_);
  void CheckSmallBlock(BlockHeader* block, const ThreadHeap* mine)
      MEMALLOC_REQUIRES(lock_);
  void CheckOrphans(OrphanList list, SizeClass size_class)
      MEMALLOC_REQUIRES(lock_);
  void CheckRunLists() MEMALLOC_REQUIRES(lock_);

  // census.cc
  MEMALLOC_COLD void CountCalls(Census* census) MEMALLOC_REQUIRES(lock_);
  MEMALLOC_COLD void CountTotals(Census* census) MEMALLOC_REQUIRES(lock_);

  Lock lock_;
  FreeRuns runs_ MEMALLOC_GUARDED_BY(lock_);

  ArenaHeader* arenas_ MEMALLOC_GUARDED_BY(lock_) = nullptr;
  ArenaHeader* huge_ MEMALLOC_GUARDED_BY(lock_) = nullptr;
  HugeCache huge_cache_ MEMALLOC_GUARDED_BY(lock_);
  // For huge pages: the two newest growths, and what the present one is for.
  Growth growths_[2] MEMALLOC_GUARDED_BY(lock_) = {};
  bool grows_densely_ MEMALLOC_GUARDED_BY(lock_) = false;
  HugePageTrial trial_ MEMALLOC_GUARDED_BY(lock_);
  bool grew_in_huge_pages_ MEMALLOC_GUARDED_BY(lock_) = false;
  bool has_huge_pages_ MEMALLOC_GUARDED_BY(lock_) = false;  // any arena
  // The arena at the top of our part of the break; null before the first
  // growth.
  ArenaHeader* break_arena_ MEMALLOC_GUARDED_BY(lock_) = nullptr;
  // The mapped arena that still has room to commit.
  ArenaHeader* mapped_arena_ MEMALLOC_GUARDED_BY(lock_) = nullptr;

  // Held while a batch of runs is out for purging, before lock_ is acquired;
  // by a thread that forks as well, so that the child misses none.
  Lock purge_lock_;
  bool fork_in_purge_ MEMALLOC_GUARDED_BY(lock_) = false;
  // When the last tick was, in milliseconds; who advances it is the one to
  // tick. It orders nothing else.
  std::atomic<uint64_t> last_tick_{0};
  std::atomic<uint64_t> last_full_tick_{0};  // one that growth did not bring
  std::atomic<uint32_t> ticks_{0};
  std::atomic<bool> purge_goes_on_{false};  // a hint: a tick left batches
  // Runs that are out: in use for everybody else.
  BlockList purging_ MEMALLOC_GUARDED_BY(lock_);
  // The next arena to look for idle granules in; null when nobody does.
  ArenaHeader* purge_cursor_ MEMALLOC_GUARDED_BY(lock_) = nullptr;
  // What the kernel said since the arenas are looked through; ticks to let pass
  // without, where it refused all; and how many these were in all.
  bool any_purged_ MEMALLOC_GUARDED_BY(lock_) = false;
  bool any_refused_ MEMALLOC_GUARDED_BY(lock_) = false;
  uint32_t ticks_to_wait_ MEMALLOC_GUARDED_BY(lock_) = 0;
  // How much was dirty when it refused.
  size_t refused_granules_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint32_t patience_ MEMALLOC_GUARDED_BY(lock_) = 0;
  std::atomic<bool> has_grown_{false};  // since the last tick
  uint64_t purge_calls_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t purged_bytes_ MEMALLOC_GUARDED_BY(lock_) = 0;

  // By OrphanList, but kNone, and class.
  static constexpr size_t kOrphanLists =
      static_cast<size_t>(OrphanList::kPurged);
  static constexpr uint32_t kFreshLists =
      static_cast<uint32_t>(OrphanList::kSettled) - 1;
  BlockNumber orphans_[kOrphanLists][kNumSizeClasses] MEMALLOC_GUARDED_BY(
      lock_) = {};
  // Blocks that threads took, less those that others offered, from 0 to
  // kMaxWanted. Written under the lock, read by anybody as a hint.
  static constexpr int kMaxWanted = 4;
  std::atomic<uint8_t> wanted_[kNumSizeClasses] = {};

  ThreadHeap* heaps_ MEMALLOC_GUARDED_BY(lock_) = nullptr;
  // Heaps without a thread: parked ones still own blocks and hold cells in
  // their bins, idle ones own nothing and have a closed inbox.
  ThreadHeap* parked_heaps_ MEMALLOC_GUARDED_BY(lock_) = nullptr;
  uint32_t parked_count_ MEMALLOC_GUARDED_BY(lock_) = 0;
  ThreadHeap* idle_heaps_ MEMALLOC_GUARDED_BY(lock_) = nullptr;
  uintptr_t metadata_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uintptr_t metadata_end_ MEMALLOC_GUARDED_BY(lock_) = 0;

  uint64_t arena_count_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t link_keys_made_ MEMALLOC_GUARDED_BY(lock_) = 0;
  // Backed by memory in arenas, and spanned by huge blocks in use.
  uint64_t backed_granules_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t huge_granules_ MEMALLOC_GUARDED_BY(lock_) = 0;
  // Bytes that huge blocks have to spare behind them.
  uint64_t huge_spare_ MEMALLOC_GUARDED_BY(lock_) = 0;
  // The most that huge blocks used of late, in bytes.
  uint64_t huge_peak_ MEMALLOC_GUARDED_BY(lock_) = 0;
  // Of huge blocks that are being made or resized, and in no list meanwhile.
  uint64_t pending_granules_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t used_granules_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t peak_granules_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t block_count_ MEMALLOC_GUARDED_BY(lock_) = 0;

  // How much may be caused before memory is given back again at the soft limit,
  // and the limit that this is for.
  uint64_t soft_mark_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t soft_mark_limit_ MEMALLOC_GUARDED_BY(lock_) = 0;

  // So far; cells for threads without a heap, large blocks not out of a
  // magazine.
  uint64_t large_handed_out_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t huge_handed_out_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t huge_freed_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t cells_handed_out_[kNumSizeClasses] MEMALLOC_GUARDED_BY(lock_) = {};
  // What the last census said of calls, as no count may go back; large blocks
  // behind the classes.
  struct CallsSeen {
    uint64_t allocations;
    uint64_t frees;
  };
  CallsSeen calls_seen_[kNumSizeClasses + 1] MEMALLOC_GUARDED_BY(lock_) = {};
};

extern MEMALLOC_HIDDEN CentralHeap g_central_heap;

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_CENTRAL_HEAP_H_
