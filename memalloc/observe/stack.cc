// Stacks; see stack.h.

#include "memalloc/observe/stack.h"

#include <unwind.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/lock.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

// The names are the compiler's and the linker's.
// NOLINTBEGIN(bugprone-reserved-identifier)

// Of the compiler's library, in no header: the table's entry for an address.
extern "C" const void* _Unwind_Find_FDE(void* address, void** bases);

// The section of the functions that programs call (MEMALLOC_ENTRY): the linker
// knows where it lies. Weak, as unit tests have none.
extern "C" {
__attribute__((weak)) MEMALLOC_HIDDEN extern const char __start_memalloc_entry;
__attribute__((weak)) MEMALLOC_HIDDEN extern const char __stop_memalloc_entry;
}

// NOLINTEND(bugprone-reserved-identifier)

namespace memalloc {
namespace {

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
  // The program's name is among what libc sets up after its own tables for the
  // unwinder, and to make these it allocates.
  if (os::ProgramName()[0] == '\0') return false;
  void* bases[3];
  if (_Unwind_Find_FDE(reinterpret_cast<void*>(&CanUnwind), bases) == nullptr) {
    return false;
  }
  is_known.store(true, std::memory_order_relaxed);
  return true;
}

}  // namespace

size_t CaptureStack(uintptr_t (&frames)[kMaxStackDepth]) {
  if (!EnterUnwinder()) return 0;
  Walk walk = {frames};
  if (CanUnwind()) _Unwind_Backtrace(&OnFrame, &walk);
  LeaveUnwinder();
  return walk.depth;
}

void PrepareForkOfStacks() {
  g_forks.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t mine = t_is_inside ? 1 : 0;
  // Not for ever: a handler that forks may have interrupted this very thread
  // between the two steps of entering or leaving.
  constexpr int kMostWaits = 100;
  for (int i = 0; i < kMostWaits; ++i) {
    const uint32_t inside = g_inside.load(std::memory_order_seq_cst);
    if (inside <= mine) break;
    os::WaitWhile(g_inside, inside, /*milliseconds=*/1);
  }
}

void AfterForkOfStacks(bool in_child) {
  if (!in_child) {
    g_forks.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  // Others may have been about to turn back, or to fork as well, when the child
  // was made.
  g_inside.store(t_is_inside ? 1 : 0, std::memory_order_relaxed);
  g_forks.store(t_forks_under_way, std::memory_order_relaxed);
}

}  // namespace memalloc
