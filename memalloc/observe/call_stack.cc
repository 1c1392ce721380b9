// The running thread's stack, walked by the compiler's unwinder.

#include <unwind.h>

#include "memalloc/heap/guard_slot.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void* argument) {
  auto* stack = static_cast<CallStack*>(argument);
  if (stack->depth == CallStack::kMaxFrames) return _URC_END_OF_STACK;
  const uintptr_t pc = _Unwind_GetIP(context);
  if (pc != 0) stack->frames[stack->depth++] = pc;
  return _URC_NO_REASON;
}

}  // namespace

void CaptureCallStack(CallStack* stack) {
  stack->thread = os::ThreadId();
  stack->depth = 0;
  _Unwind_Backtrace(&AddFrame, stack);
}

}  // namespace memalloc
