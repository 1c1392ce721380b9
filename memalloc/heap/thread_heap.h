// The thread heap: one thread's bins and the blocks it owns. Layer: heap.
//
// Everything in it but the inbox belongs to its thread alone and needs no
// lock. A bin is a list of cells ready to be handed out, all of the class's
// current block; it is filled with that block's whole free list at a time.
//
//   refill.cc  the slow path of malloc: where a bin's cells come from
//   release.cc the slow path of free: claims, wakes and retires blocks
//   settle.cc  idle blocks are looked through for free pages, and given up
//   inbox.cc   cells that go to other threads' blocks, and come from others
//
// Invariants:
//   * A cell in a bin, a magazine, a batch or an inbox counts as handed out, so
//     that its block cannot become empty, and cannot be reused, while it is
//     there.
//   * Only the owner touches a block's header, but for `owner` itself.
//   * A heap's storage is never given back, so that a late sender may look at
//     it; it may serve another thread by then, which routes what it gets.

#ifndef MEMALLOC_HEAP_THREAD_HEAP_H_
#define MEMALLOC_HEAP_THREAD_HEAP_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/bit_set.h"
#include "memalloc/base/counter.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/batch.h"
#include "memalloc/heap/block_list.h"
#include "memalloc/heap/large_magazine.h"
#include "memalloc/heap/magazine.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

struct ClassCensus;

// What an empty bin points at: a cell whose link never decodes to itself, so
// that one test finds both the end of a list and a corrupt link. (Without
// checks it is the last cell of a list.)
extern MEMALLOC_HIDDEN const FreeCell kNoCell;

// Values of an inbox that are no cell.
inline constexpr uintptr_t kInboxEmpty = 0;
inline constexpr uintptr_t kInboxClosed = 1;   // its thread has ended
inline constexpr uintptr_t kInboxDropped = 2;  // its thread is not in this
                                               // (forked) process

// Aligned to two lines: processors fetch them in pairs, and neighbours belong
// to different threads.
class alignas(2 * MEMALLOC_CACHE_LINE) ThreadHeap {
 public:
  MEMALLOC_USUAL constexpr explicit ThreadHeap(uintptr_t inbox);
  ThreadHeap(const ThreadHeap&) = delete;
  ThreadHeap& operator=(const ThreadHeap&) = delete;

  // The fast path of malloc: a cell of the class, or null when AllocateSlow
  // must look for one.
  MEMALLOC_FAST void* TryAllocate(SizeClass size_class) {
    FreeCell* cell = bins_[size_class];
    const uintptr_t next = cell->Next(KeyOf(size_class));
    if (MEMALLOC_UNLIKELY(!IsPlainLink(cell, next))) return nullptr;
    bins_[size_class] = CellAt(next);
    // The next malloc of the class reads there, and the program will write.
    __builtin_prefetch(CellAt(next), 1);
    cell->Clear();
    return cell;
  }

  // The slow path of malloc for `size` bytes; null when memory is short.
  MEMALLOC_SLOW static void* AllocateSlow(ThreadHeap* heap,
                                          SizeClass size_class, size_t size);

  MEMALLOC_FAST SizeClass ClassOf(size_t size) const { return table_.Of(size); }

  // The key of the block from which the class's bin is filled.
  MEMALLOC_FAST uintptr_t KeyOf(SizeClass size_class) const {
    uintptr_t key = keys_[size_class];
#ifdef __x86_64__
    // Leaves the result's register to the cell; gcc would copy it at the end.
    if constexpr (kHasChecks) asm("" : "+d"(key));
#endif
    return key;
  }

  // The fast path of free, for a cell of a block that this heap owns.
  MEMALLOC_FAST void FreeOwn(BlockHeader* block, FreeCell* cell) {
    cell->SetNext(block->free_list, block->link_key);
    block->free_list = AddressOf(cell);
    if (MEMALLOC_UNLIKELY(block->countdown.CountDown())) OnCountdown(block);
  }

  // Frees a cell of anybody's small block.
  MEMALLOC_SLOW void Free(BlockHeader* block, FreeCell* cell);

  // The fast path of that, which most cells of other threads take: false if no
  // batch of the block is open, no cell begins at `address`, or that looks
  // free. `header` is that of the address' granule.
  MEMALLOC_FAST bool TryCollect(const BlockHeader* header, uintptr_t address) {
    OpenBatch& open = open_batches_[header->size_class % kOpenBatches];
    if (open.block != header) return false;
    // In the block's first granule.
    const bool is_cell = !kHasChecks || IsCellMultiple(address % kGranuleSize,
                                                       header->size_class);
    FreeCell* cell = CellAt(address);
    if (!is_cell || cell->HasFreeTag()) return false;
    AddTo(open, cell);
    return true;
  }

  // A cell of a class that has a magazine, out of that; null if it is empty.
  void* AllocateKept(SizeClass size_class) {
    void* cell = magazines_.Take(size_class);
    if (cell != nullptr) handed_out_[size_class].Add(1);
    return cell;
  }

  // A large block of so many granules that the thread freed; null if it keeps
  // none.
  BlockHeader* AllocateKeptLarge(size_t granules) {
    BlockHeader* block = large_magazine_.Take(granules);
    if (block != nullptr) large_handed_out_.Add(1);
    return block;
  }
  // Keeps a large block for the next such request; false if there is no room,
  // or nothing free is to be kept.
  bool KeepLarge(BlockHeader* block) {
    return GetOption(Option::kPurgeDelay) != 0 && large_magazine_.Put(block);
  }

  // Adds the batches from `first` to `last` to the inbox. False if its thread
  // has ended: their blocks have another owner, or none, by then. Called by
  // any thread.
  bool Receive(Batch* first, Batch* last);

  // Takes in what came and sends all that is to go elsewhere.
  void Flush();

  // Gives the blocks without a live cell back to the central heap. Whether
  // there was any.
  bool ReleaseEmptyBlocks();

  // The thread freed a large block. True once for each few megabytes.
  bool CountLargeFree(size_t granules) {
    large_granules_freed_ += granules;
    if (large_granules_freed_ < kLargeFreesToLook) return false;
    large_granules_freed_ = 0;
    return true;
  }

  // If there was a tick since the last call, sends what is to go elsewhere and
  // gives back empty blocks of classes that were not refilled meanwhile, and
  // free pages of idle ones, a few at a time. Called where nothing of this heap
  // is being worked on.
  void FollowTicks();

  // Adds the cells in its bins and magazines, and those that travel from and
  // to it. Called by any thread that holds the central lock: an estimate while
  // the heap's own is at work.
  MEMALLOC_COLD void CountCached(ClassCensus* classes) const;

  // Purges the free pages of all blocks with cells to spare, and gives these
  // up.
  void SettleAllBlocks();

 private:
  friend class CentralHeap;
  friend struct DebugLayout;

  // A batch in the making: cells of one block of another heap, which may have
  // changed hands by the time that the batch goes.
  struct OpenBatch {
    BlockHeader* block = nullptr;
    FreeCell* anchor = nullptr;
    FreeCell* first = nullptr;
    uint32_t cells = 0;
    uint32_t room = 0;  // for more cells
  };
  // Batches on their way to one other heap.
  struct Outbox {
    ThreadHeap* to = nullptr;
    Batch* first = nullptr;
    Batch* last = nullptr;
    uint32_t cells = 0;
    uint32_t bytes = 0;
  };
  // By size class: what a pipeline passes on comes class by class from the
  // same block.
  static constexpr size_t kOpenBatches = 32;
  static constexpr size_t kOutboxes = 8;
  // What a batch, and an outbox, hold at most before they go on.
  static constexpr uint32_t kMaxBatchCells = 32;
  static constexpr uint32_t kMaxBatchBytes = 8 * 1024;
  static constexpr uint32_t kMaxCells = 64;
  static constexpr uint32_t kMaxBytes = 16 * 1024;

  // Of a current block that is known to be empty: no more frees than this can
  // happen before the next refill.
  static constexpr uint32_t kNoCountdown = UINT32_MAX / 2;

  // One test for the rare cases: the bin is empty, the cell is its last one,
  // the link was overwritten, a pointer into the middle of a cell was freed.
  // (Blocks of several granules also fail it now and then.)
  static MEMALLOC_FAST bool IsPlainLink(const FreeCell* cell, uintptr_t next) {
    if constexpr (!kHasChecks) return next != 0;
    constexpr uintptr_t kMayDiffer = kGranuleSize - kMinAlignment;
    return ((next ^ AddressOf(cell)) & ~kMayDiffer) == 0;
  }

  // refill.cc
  bool Refill(SizeClass size_class);
  bool FillBin(BlockHeader* block);
  bool TakeFreeList(BlockHeader* block);
  bool Carve(BlockHeader* block);
  static void ExpectToBeEmpty(BlockHeader* current);
  BlockHeader* NextBlock(SizeClass size_class);
  void NoteRefill(SizeClass size_class);
  void Detach(BlockHeader* block);
  void EmptyBin(BlockHeader* current);
  size_t CountUpToDue(SizeClass size_class, size_t cells);
  void CutBin(BlockHeader* block, size_t cells);
  bool IsDue(SizeClass size_class) const {
    return due_samples_.Has(size_class) || due_guards_.Has(size_class);
  }
  MEMALLOC_SLOW void* AllocateDue(SizeClass size_class, size_t size);

  // The clock is looked at whenever a bin gets another block than it had, and
  // at each of so many other refills: not for the first blocks of a program,
  // which has nothing to give back.
  static constexpr uint32_t kRefillsToLook = 64;
  static constexpr size_t kLargeFreesToLook = 64;  // granules
  static constexpr uint32_t kKeptFreesToLook = 64;

  // release.cc
  bool ReleaseEmptyCurrent(SizeClass size_class);
  bool ReleaseEmptyPartial(SizeClass size_class, size_t looks);
  MEMALLOC_SLOW void OnCountdown(BlockHeader* block) noexcept;
  void Claim(BlockHeader* block);
  void AddPartial(BlockHeader* block);
  void Retire(BlockHeader* block);
  void KeepEmpty(BlockHeader* block);
  void DropOldestKept();
  void EmptyMagazine(SizeClass size_class);
  bool EmptyLargeMagazine();
  void ReleaseIdleBlocks();

  // settle.cc
  void SettleIdleBlocks();
  bool SettleIdleOfClass(SizeClass size_class, size_t* room);
  void Settle(BlockHeader* block);
  void MarkPartialBlocks();

  // inbox.cc
  void Collect(BlockHeader* block, FreeCell* cell);
  MEMALLOC_FAST void AddTo(OpenBatch& open, FreeCell* cell) {
    cell->SetNext(AddressOf(open.first), open.block->link_key);
    open.first = cell;
    ++open.cells;
    if (--open.room == 0) SendFull(open);
  }
  MEMALLOC_SLOW void SendFull(OpenBatch& open);
  void Close(OpenBatch& open);
  void Route(BlockHeader* block, Batch* batch);
  void Post(ThreadHeap* to, BlockHeader* block, Batch* batch);
  void Send(Outbox& outbox);
  void Reroute(Batch* batch);
  void Spread(BlockHeader* block, FreeCell* cell);
  bool TryOwn(BlockHeader* block, ThreadHeap** owner);
  void FreeOwnBatch(BlockHeader* block, Batch* batch);
  void DrainInbox();

  FreeCell* bins_[kNumSizeClasses];
  uintptr_t keys_[kNumSizeClasses] = {};  // of the bins' cells' links
  SizeClassTable table_;
  // Classes of which the last cell in the bin is to be a sample (sampling.h),
  // or guarded (guard_point.h).
  BitSet<kNumSizeClasses> due_samples_ = {};
  BitSet<kNumSizeClasses> due_guards_ = {};

  BlockHeader* current_[kNumSizeClasses] = {};
  BlockList partial_[kNumSizeClasses];
  BlockList waiting_[kNumSizeClasses];
  Magazines magazines_;
  LargeMagazine large_magazine_;
  OpenBatch open_batches_[kOpenBatches];
  Outbox outboxes_[kOutboxes];
  bool draining_ = false;

  // So far: cells that came into the bins, less those that went back, and out
  // of the magazines; large blocks out of their magazine. Those of all threads
  // that had the heap.
  Counter handed_out_[kNumSizeClasses];
  Counter large_handed_out_;

  // Classes of which the current block, or the only partial one, became empty
  // and was kept: a ring, and a set. Some may have used theirs since.
  static constexpr size_t kMaxKeptGranules = 48;
  SizeClass kept_[kMaxKeptGranules] = {};
  uint8_t oldest_kept_ = 0;
  uint8_t kept_count_ = 0;
  uint8_t kept_granules_ = 0;
  BitSet<kNumSizeClasses> kept_classes_ = {};

  uint32_t refills_to_look_ = kRefillsToLook;
  uint32_t kept_frees_ = 0;
  size_t large_granules_freed_ = 0;
  uint32_t seen_ticks_ = 0;
  bool is_settling_ = false;  // has idle blocks that it has yet to look through
  BitSet<kNumSizeClasses> idle_classes_ = {};  // not refilled since a tick

  // Guarded by the central lock. A thread works on the heap: its own, or one
  // that empties it.
  bool in_use_ = false;
  bool is_idle_ = false;             // was parked at the last tick
  uintptr_t thread_ = 0;             // pthread_self() of the last one
  ThreadHeap* next_ = nullptr;       // all heaps made
  ThreadHeap* next_free_ = nullptr;  // parked or idle ones

  // On a line of its own: other threads write it.
  alignas(MEMALLOC_CACHE_LINE) std::atomic<uintptr_t> inbox_;
};

constexpr ThreadHeap::ThreadHeap(uintptr_t inbox) : bins_(), inbox_(inbox) {
  for (FreeCell*& bin : bins_) bin = const_cast<FreeCell*>(&kNoCell);
}

// Stand-ins for the heap of a thread that has none: all bins are empty, and
// nothing is ever written to them.
extern MEMALLOC_HIDDEN ThreadHeap
    g_no_heap;  // not yet: the next slow path makes one
extern MEMALLOC_HIDDEN ThreadHeap
    g_gone_heap;  // no longer: the central heap serves it
// Owns a block while the central heap works on it for such a thread.
extern MEMALLOC_HIDDEN ThreadHeap g_central_owner;

inline bool IsStandIn(const ThreadHeap* heap) {
  return heap == &g_no_heap || heap == &g_gone_heap;
}

// The heap of the running thread, or a stand-in.
extern MEMALLOC_HIDDEN MEMALLOC_TLS ThreadHeap* t_heap;

// Sets up the key of the links and reads the options, once, whoever comes
// first. Called before the first block is made; calls nothing that allocates.
// Defined by the runtime layer.
void InitialiseOnce();

// Makes a heap for the running thread, unless its heap is gone or memory is
// short: then null. Defined by the runtime layer, which knows when threads
// end.
ThreadHeap* AttachThread();

// Looks at the clock for the running thread, whose heap nobody works on.
MEMALLOC_SLOW void PassSlowPath();

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_THREAD_HEAP_H_
