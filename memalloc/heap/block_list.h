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
  static BlockHeader* Next(const BlockHeader* block) {
    return BlockNumbered(block->next);
  }
  bool empty() const { return first_ == nullptr; }

  void PushFront(BlockHeader* block) {
    block->prev = 0;
    block->next = NumberOf(first_);
    if (first_ != nullptr) first_->prev = NumberOf(block);
    first_ = block;
  }

  void Remove(BlockHeader* block) {
    BlockHeader* next = Next(block);
    if (block->prev != 0) {
      BlockNumbered(block->prev)->next = block->next;
    } else {
      first_ = next;
    }
    if (next != nullptr) next->prev = block->prev;
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
