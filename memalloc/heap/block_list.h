// A doubly linked list of blocks through their headers. Layer: heap.
//
// A block is in one such list at most; whoever owns the block (its thread
// heap, or the central heap under its lock) owns the links.

#ifndef MEMALLOC_HEAP_BLOCK_LIST_H_
#define MEMALLOC_HEAP_BLOCK_LIST_H_

#include "memalloc/layout/block_header.h"

namespace memalloc {

class BlockList {
 public:
  constexpr BlockList() = default;

  BlockHeader* first() const { return first_; }
  bool empty() const { return first_ == nullptr; }

  void PushFront(BlockHeader* block) {
    block->prev = nullptr;
    block->next = first_;
    if (first_ != nullptr) first_->prev = block;
    first_ = block;
  }

  void Remove(BlockHeader* block) {
    if (block->prev != nullptr) {
      block->prev->next = block->next;
    } else {
      first_ = block->next;
    }
    if (block->next != nullptr) block->next->prev = block->prev;
  }

  BlockHeader* PopFront() {
    BlockHeader* block = first_;
    if (block != nullptr) Remove(block);
    return block;
  }

 private:
  BlockHeader* first_ = nullptr;
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_BLOCK_LIST_H_
