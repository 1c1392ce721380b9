// The frames of a report, each once. Layer: observe.

#ifndef MEMALLOC_OBSERVE_FRAME_SET_H_
#define MEMALLOC_OBSERVE_FRAME_SET_H_

#include <stddef.h>
#include <stdint.h>

#include <algorithm>

#include "memalloc/base/math.h"
#include "memalloc/observe/mapped_memory.h"

namespace memalloc {

class FrameSet {
 public:
  // For so many at most.
  explicit FrameSet(size_t frames)
      : size_(size_t{4} << Log2(frames + 1)),
        memory_(size_ * sizeof(uintptr_t)) {}

  void Add(uintptr_t frame) {
    auto* table = memory_.As<uintptr_t>();
    if (table == nullptr) return;
    size_t i = Mix(frame) % size_;
    while (table[i] != 0 && table[i] != frame) i = (i + 1) % size_;
    table[i] = frame;
  }

  // In order; the set is none any longer. How many there are.
  size_t Sort(uintptr_t** frames) {
    *frames = memory_.As<uintptr_t>();
    if (*frames == nullptr) return 0;
    uintptr_t* end = std::remove(*frames, *frames + size_, uintptr_t{0});
    std::sort(*frames, end);
    return static_cast<size_t>(end - *frames);
  }

 private:
  size_t size_;
  MappedMemory memory_;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_FRAME_SET_H_
