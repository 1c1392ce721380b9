// Cells on their way between threads.
//
// A cell of a block that another thread owns joins a batch of that block (see
// batch.h); batches gather in an outbox for the heap that owns their blocks; a
// full outbox goes to the heap's inbox with one compare-and-exchange. The inbox
// is a stack to which any thread pushes and which its owner takes whole, so
// that no node can come back in between (no ABA). The owner routes what it
// took: by then a block may have changed hands.
//
// A heap whose thread ends gives up its blocks first and closes its inbox
// afterwards. A sender that finds it closed therefore sees another owner, or
// none, when it looks at the block again.
//
// testing/interleaving/ runs this file, and what else changes owners, in all
// orders in which threads can meet; what a step needs is tried there.

#include "memalloc/base/attributes.h"
#include "memalloc/base/event_counts.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {

// Whether this heap owns the block or could claim it; if not, `owner` is who
// does.
bool ThreadHeap::TryOwn(BlockHeader* block, ThreadHeap** owner) {
  // Acquire pairs with the release of whoever gave the block up, release with
  // the acquire of who finds this heap as the owner and sends to it.
  *owner = block->owner.load(std::memory_order_acquire);
  if (*owner == this) return true;
  if (*owner == nullptr && HoldsAllForFork()) {
    // In a child whose handler has yet to run the block may be torn. What is
    // for it waits in the own inbox.
    *owner = this;
    return false;
  }
  if (*owner != nullptr) return false;
  CountEvent(Event::kClaim);
  if (!block->owner.compare_exchange_strong(
          *owner, this, std::memory_order_acq_rel, std::memory_order_acquire)) {
    return false;
  }
  Claim(block);
  return true;
}

void ThreadHeap::Free(BlockHeader* block, FreeCell* cell) {
  if (!Magazines::Has(block->size_class) || !magazines_.Put(block, cell)) {
    return Spread(block, cell);
  }
  // A thread that lives off its magazines passes no other slow path.
  if (++kept_frees_ % kKeptFreesToLook != 0) return;
  DrainInbox();
  PassSlowPath();
}

void ThreadHeap::Spread(BlockHeader* block, FreeCell* cell) {
  ThreadHeap* owner;
  if (TryOwn(block, &owner)) {
    FreeOwn(block, cell);
  } else {
    Collect(block, cell);
  }
}

void ThreadHeap::Collect(BlockHeader* block, FreeCell* cell) {
  OpenBatch& open = open_batches_[block->size_class % kOpenBatches];
  if (open.block != block) {
    if (open.cells > 0) SendFull(open);
    open.block = block;
    open.anchor = cell;
    open.room =
        Min(kMaxBatchCells, (kMaxBatchBytes - 1) / block->cell_size + 1);
  }
  AddTo(open, cell);
}

// Whenever a batch goes, the own inbox is looked into: a thread that only frees
// has no other occasion to do so.
void ThreadHeap::SendFull(OpenBatch& open) {
  Close(open);
  DrainInbox();
}

void ThreadHeap::Close(OpenBatch& open) {
  if (open.cells == 0) return;
  Batch* batch = Batch::At(AddressOf(open.anchor));
  batch->Seal(open.block, open.first, open.cells);
  BlockHeader* block = open.block;
  open = OpenBatch();
  Route(block, batch);
}

void ThreadHeap::Route(BlockHeader* block, Batch* batch) {
  ThreadHeap* owner;
  if (TryOwn(block, &owner)) {
    FreeOwnBatch(block, batch);
  } else {
    Post(owner, block, batch);
  }
}

void ThreadHeap::FreeOwnBatch(BlockHeader* block, Batch* batch) {
  const uint32_t cells = batch->cells();
  FreeCell* first = batch->CheckedFirst(block);
  batch->LinkTo(block->free_list, block->link_key);
  block->free_list = AddressOf(first);
  if (cells < block->countdown) {
    block->countdown -= cells;
  } else {
    block->free_base = block->FreeCells() + cells;
    block->countdown = 0;
    OnCountdown(block);
  }
}

void ThreadHeap::Post(ThreadHeap* to, BlockHeader* block, Batch* batch) {
  const size_t number = reinterpret_cast<uintptr_t>(to) / sizeof(ThreadHeap);
  Outbox& outbox = outboxes_[number % kOutboxes];
  if (outbox.to != to) {
    Send(outbox);
    outbox.to = to;
  }
  batch->SetNext(outbox.first == nullptr ? 0 : outbox.first->Address());
  outbox.first = batch;
  if (outbox.last == nullptr) outbox.last = batch;
  outbox.cells += batch->cells();
  outbox.bytes += batch->cells() * block->cell_size;
  if (outbox.cells >= kMaxCells || outbox.bytes >= kMaxBytes) {
    Send(outbox);
  }
}

void ThreadHeap::Send(Outbox& outbox) {
  if (outbox.first == nullptr) return;
  const Outbox full = outbox;
  outbox = Outbox();
  if (full.to->Receive(full.first, full.last)) return;
  uintptr_t next;
  for (Batch* batch = full.first;; batch = Batch::At(next)) {
    next = batch == full.last ? 0 : batch->next();
    Reroute(batch);
    if (next == 0) return;
  }
}

// For a batch that came too late. It goes singly, lest full outboxes send each
// other on without end.
void ThreadHeap::Reroute(Batch* batch) {
  BlockHeader* block = BlockOf(batch->Address());
  for (;;) {
    ThreadHeap* owner;
    if (TryOwn(block, &owner)) return FreeOwnBatch(block, batch);
    if (owner == &g_central_owner) {
      return g_central_heap.FreeBatchOf(block, batch);
    }
    batch->SetNext(0);
    if (owner->Receive(batch, batch)) return;
  }
}

bool ThreadHeap::Receive(Batch* first, Batch* last) {
  // Acquire pairs with the release of the closing: whoever finds the inbox
  // closed also sees that the blocks are given up.
  uintptr_t old = inbox_.load(std::memory_order_acquire);
  do {
    if (old == kInboxClosed) return false;
    if (old == kInboxDropped) return true;
    last->SetNext(old);
    CountEvent(Event::kInboxPush);
    // Release pairs with the acquire of the owner that takes the list.
  } while (!inbox_.compare_exchange_weak(old, first->Address(),
                                         std::memory_order_release,
                                         std::memory_order_acquire));
  return true;
}

MEMALLOC_USUAL void ThreadHeap::DrainInbox() {
  // While this thread forks, what came may be torn: see AfterForkInChild.
  if (inbox_.load(std::memory_order_relaxed) == kInboxEmpty || draining_ ||
      HoldsAllForFork()) {
    return;
  }
  draining_ = true;
  CountEvent(Event::kInboxTake);
  uintptr_t next = inbox_.exchange(kInboxEmpty, std::memory_order_acquire);
  while (next != 0) {
    Batch* batch = Batch::At(next);
    next = batch->CheckedNext();
    Route(BlockOf(batch->Address()), batch);
  }
  draining_ = false;
}

void ThreadHeap::Flush() {
  // What comes in may have to go on to others: take in first, then send.
  DrainInbox();
  while (FreeCell* cell = magazines_.TakeAny()) {
    Spread(BlockOf(AddressOf(cell)), cell);
  }
  EmptyLargeMagazine();
  for (OpenBatch& open : open_batches_) Close(open);
  // What comes from now on stays in the inbox, lest it end in an outbox that
  // was emptied already.
  draining_ = true;
  for (Outbox& outbox : outboxes_) Send(outbox);
  draining_ = false;
}

}  // namespace memalloc
