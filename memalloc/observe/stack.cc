// Stacks; see stack.h.

#include "memalloc/observe/stack.h"

#include <unwind.h>

#include <atomic>

#include "memalloc/base/attributes.h"

// Of the compiler's library, in no header: the table's entry for an address.
extern "C" const void* _Unwind_Find_FDE(void* address, void** bases);

// The section of the functions that programs call (MEMALLOC_ENTRY): the linker
// knows where it lies. Weak, as unit tests have none.
extern "C" {
__attribute__((weak)) MEMALLOC_HIDDEN extern const char __start_memalloc_entry;
__attribute__((weak)) MEMALLOC_HIDDEN extern const char __stop_memalloc_entry;
}

namespace memalloc {
namespace {

struct Walk {
  uintptr_t* frames;
  size_t depth = 0;
};

bool IsEntry(uintptr_t address) {
  return address >= reinterpret_cast<uintptr_t>(&__start_memalloc_entry) &&
         address < reinterpret_cast<uintptr_t>(&__stop_memalloc_entry);
}

_Unwind_Reason_Code OnFrame(struct _Unwind_Context* context, void* argument) {
  auto* walk = static_cast<Walk*>(argument);
  const auto address = static_cast<uintptr_t>(_Unwind_GetIP(context));
  if (address == 0) return _URC_END_OF_STACK;
  if (IsEntry(address)) {
    walk->depth = 0;  // so far it was the allocator's own
    return _URC_NO_REASON;
  }
  if (walk->depth == kMaxStackDepth) return _URC_END_OF_STACK;
  walk->frames[walk->depth++] = address;
  return _URC_NO_REASON;
}

// The unwinder aborts if it does not find itself: in a static program before
// its constructors, or in one without tables.
bool CanUnwind() {
  static std::atomic<bool> is_known{false};
  if (is_known.load(std::memory_order_relaxed)) return true;
  void* bases[3];
  if (_Unwind_Find_FDE(reinterpret_cast<void*>(&CanUnwind), bases) == nullptr) {
    return false;
  }
  is_known.store(true, std::memory_order_relaxed);
  return true;
}

}  // namespace

size_t CaptureStack(uintptr_t (&frames)[kMaxStackDepth]) {
  if (!CanUnwind()) return 0;
  Walk walk = {frames};
  _Unwind_Backtrace(&OnFrame, &walk);
  return walk.depth;
}

}  // namespace memalloc
