// The running thread's stack, walked by the compiler's unwinder.

#include <unwind.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/heap/guard_slot.h"
#include "memalloc/os/os.h"

// Where the functions marked with MEMALLOC_ENTRY lie.
extern "C" MEMALLOC_HIDDEN const char __start_memalloc_entry;
extern "C" MEMALLOC_HIDDEN const char __stop_memalloc_entry;

namespace memalloc {
namespace {

struct Walk {
  CallStack* stack;
  uintptr_t pc;
};

// In static programs the unwinder of older compilers has a lock, which the
// child of a fork must not find held, and allocates when it is asked first. So
// a fork waits for those inside, and while it is under way, or the thread is
// inside already, nobody enters. Both counts are looked at after the other one
// was changed, in one order for all.
std::atomic<uint32_t> g_inside{0};
std::atomic<uint32_t> g_forks{0};
MEMALLOC_TLS bool t_is_inside;

void LeaveUnwinder() {
  g_inside.fetch_sub(1, std::memory_order_seq_cst);
  t_is_inside = false;
}

bool EnterUnwinder() {
  if (t_is_inside) return false;
  t_is_inside = true;
  g_inside.fetch_add(1, std::memory_order_seq_cst);
  if (g_forks.load(std::memory_order_seq_cst) == 0) return true;
  LeaveUnwinder();
  return false;
}

bool IsEntry(uintptr_t address) {
  return address >= reinterpret_cast<uintptr_t>(&__start_memalloc_entry) &&
         address < reinterpret_cast<uintptr_t>(&__stop_memalloc_entry);
}

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void* argument) {
  const auto* walk = static_cast<const Walk*>(argument);
  CallStack* stack = walk->stack;
  const uintptr_t address = _Unwind_GetIP(context);
  if (address == 0) return _URC_END_OF_STACK;
  if (address == walk->pc) stack->depth = 0;  // so far it was the handler
  if (IsEntry(address) && address != walk->pc) {
    stack->depth = 0;  // so far it was the allocator
    return _URC_NO_REASON;
  }
  if (stack->depth == CallStack::kMaxFrames) return _URC_END_OF_STACK;
  stack->frames[stack->depth++] = address;
  return _URC_NO_REASON;
}

}  // namespace

void CaptureCallStack(CallStack* stack, uintptr_t pc) {
  stack->thread = os::ThreadId();
  stack->depth = 0;
  // The program's name is among what libc sets up late. The unwinder aborts if
  // it is asked before it can find its tables.
  if (os::ProgramName()[0] == '\0' || !EnterUnwinder()) return;
  Walk walk = {stack, pc};
  _Unwind_Backtrace(&AddFrame, &walk);
  LeaveUnwinder();
  // A return address may be another line's, or another function's: the call
  // stands before it.
  for (uint32_t i = pc == 0 ? 0 : 1; i < stack->depth; ++i) --stack->frames[i];
}

void PrepareForkOfStacks() {
  g_forks.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t mine = t_is_inside ? 1 : 0;
  uint32_t inside;
  while ((inside = g_inside.load(std::memory_order_seq_cst)) != mine) {
    os::WaitWhile(g_inside, inside, /*milliseconds=*/1);
  }
}

void AfterForkOfStacks(bool in_child) {
  // Others may have been about to turn back when the child was made.
  if (in_child) g_inside.store(t_is_inside ? 1 : 0, std::memory_order_relaxed);
  g_forks.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace memalloc
