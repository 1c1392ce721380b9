// Stacks for the records of guarded allocations.

#include "memalloc/base/math.h"
#include "memalloc/heap/guard_slot.h"
#include "memalloc/observe/stack.h"
#include "memalloc/os/os.h"

namespace memalloc {

void CaptureCallStack(CallStack* stack, uintptr_t pc) {
  stack->thread = os::ThreadId();
  uintptr_t frames[kMaxStackDepth];
  const size_t depth = CaptureStack(frames);
  // Up to the instruction that faulted it was the handler.
  size_t first = 0;
  while (pc != 0 && first < depth && frames[first] != pc) ++first;
  if (first == depth) first = 0;
  stack->depth =
      static_cast<uint32_t>(Min<size_t>(depth - first, CallStack::kMaxFrames));
  for (size_t i = 0; i < stack->depth; ++i) {
    const uintptr_t frame = frames[first + i];
    // A return address may be another line's, or another function's: the call
    // stands before it.
    stack->frames[i] = frame == pc ? frame : frame - 1;
  }
}

}  // namespace memalloc
