// Which allocations are guarded: one in Option::kGuardSampleRate; the pool has
// no room for those above a page. Layer: heap.
//
// As for samples (sampling.h), it is decided when a bin is filled: the list is
// cut behind the allocation to be guarded.

#ifndef MEMALLOC_HEAP_GUARD_POINT_H_
#define MEMALLOC_HEAP_GUARD_POINT_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/options.h"

namespace memalloc {

inline bool GuardingIsOn() { return GetOption(Option::kGuardSampleRate) != 0; }

// One for each thread.
class GuardPoint {
 public:
  constexpr GuardPoint() = default;

  // Which of the next allocations is to be guarded, 1 for the next; SIZE_MAX
  // for none.
  size_t Left();

  // Counts `count` of them, up to the one to be guarded at most.
  void Pass(size_t count);

  // Draws anew, in a forked child.
  void Restart() { *this = GuardPoint(); }

 private:
  void Draw();

  uint64_t rate_ = 0;  // for which `left_` was drawn
  uint64_t left_ = 0;
  uint64_t random_ = 0;
};

extern MEMALLOC_HIDDEN MEMALLOC_TLS GuardPoint t_guard_point;

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_GUARD_POINT_H_
