// Cells on their way between threads.
//
// A cell of a block that another thread owns goes into a batch for that
// thread's heap; a full batch goes to the heap's inbox with one
// compare-and-exchange. The inbox is a stack to which any thread pushes and
// which its owner takes whole, so that no node can come back in between (no
// ABA). The owner routes what it took: by then a block may have changed hands.
//
// A heap whose thread ends gives up its blocks first and closes its inbox
// afterwards. A sender that finds it closed therefore sees another owner, or
// none, when it looks at the block again.

#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {
void ThreadHeap::Route(BlockHeader* block, FreeCell* cell) {
  // Acquire pairs with the release of whoever gave the block up, release with
  // the acquire of who finds this heap as the owner and sends to it.
  ThreadHeap* owner = block->owner.load(std::memory_order_acquire);
  if (owner == this) {
    FreeOwn(block, cell);
  } else if (owner == nullptr && block->owner.compare_exchange_strong(
                                     owner, this, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
    Claim(block);
    FreeOwn(block, cell);
  } else {
    Post(owner, cell, block->cell_size);
  }
}

void ThreadHeap::Post(ThreadHeap* to, FreeCell* cell, uint32_t bytes) {
  Batch& batch = batches_[to->number_ % kBatches];
  if (batch.to != to) {
    SendBatch(batch);
    batch.to = to;
  }
  cell->SetNext(AddressOf(batch.head), g_link_key);
  batch.head = cell;
  if (batch.tail == nullptr) batch.tail = cell;
  batch.bytes += bytes;
  if (++batch.cells >= kMaxBatchCells || batch.bytes >= kMaxBatchBytes) {
    SendBatch(batch);
    // A thread that only frees has no other occasion to do so.
    DrainInbox();
  }
}

void ThreadHeap::SendBatch(Batch& batch) {
  if (batch.cells == 0) return;
  FreeCell* cell = batch.head;
  ThreadHeap* to = batch.to;
  FreeCell* tail = batch.tail;
  batch = Batch();
  if (to->Receive(cell, tail)) return;
  while (cell != nullptr) {
    FreeCell* next = CellAt(cell->Next(g_link_key));
    Reroute(cell);
    cell = next;
  }
}

// For a cell whose batch came too late. It goes singly, lest full batches send
// each other on without end.
void ThreadHeap::Reroute(FreeCell* cell) {
  BlockHeader* block = BlockOf(AddressOf(cell));
  for (;;) {
    ThreadHeap* owner = block->owner.load(std::memory_order_acquire);
    if (owner == nullptr || owner == this) return Route(block, cell);
    if (owner == &g_central_owner) {
      return g_central_heap.FreeCellOf(block, cell);
    }
    if (owner->Receive(cell, cell)) return;
  }
}

bool ThreadHeap::Receive(FreeCell* head, FreeCell* tail) {
  // Acquire pairs with the release of the closing: whoever finds the inbox
  // closed also sees that the blocks are given up.
  uintptr_t old = inbox_.load(std::memory_order_acquire);
  do {
    if (old == kInboxClosed) return false;
    if (old == kInboxDropped) return true;
    tail->SetNext(old, g_link_key);
    // Release pairs with the acquire of the owner that takes the list.
  } while (!inbox_.compare_exchange_weak(old, AddressOf(head),
                                         std::memory_order_release,
                                         std::memory_order_acquire));
  return true;
}

void ThreadHeap::DrainInbox() {
  if (inbox_.load(std::memory_order_relaxed) == kInboxEmpty || draining_) {
    return;
  }
  draining_ = true;
  FreeCell* cell =
      CellAt(inbox_.exchange(kInboxEmpty, std::memory_order_acquire));
  while (cell != nullptr) {
    FreeCell* next = CellAt(cell->Next(g_link_key));
    Route(BlockOf(AddressOf(cell)), cell);
    cell = next;
  }
  draining_ = false;
}

void ThreadHeap::Flush() {
  // What comes in may have to go on to others: take in first, then send.
  DrainInbox();
  for (Batch& batch : batches_) SendBatch(batch);
}

}  // namespace memalloc
