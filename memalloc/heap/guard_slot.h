// What is kept of a guarded allocation, and what can be said of a mistake with
// it. Layer: heap.
//
// The records outlive the allocation: until the slot serves the next one they
// tell who allocated and who freed.

#ifndef MEMALLOC_HEAP_GUARD_SLOT_H_
#define MEMALLOC_HEAP_GUARD_SLOT_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

// Where a thread was: return addresses, the innermost first.
struct CallStack {
  static constexpr size_t kMaxFrames = 24;

  int thread;  // as the kernel numbers them
  uint32_t depth;
  uintptr_t frames[kMaxFrames];
};

// Fills in the running thread's stack: from the call of malloc or its like
// outwards or, in the handler of a fault, from the instruction `pc`. Must not
// be called with a lock held. Defined by the observe layer.
void CaptureCallStack(CallStack* stack, uintptr_t pc = 0);

enum class GuardState : uint8_t { kNew, kLive, kFreed };

struct GuardSlot {
  GuardState state;
  uint32_t size;        // as it was asked for
  uint32_t next_freed;  // the slot that was freed after this one
  uintptr_t start;
  CallStack allocated;
  CallStack freed;

  uintptr_t End() const { return start + size; }
};

enum class GuardMistakeKind : uint8_t {
  kUseAfterFree,
  kOverflow,
  kUnderflow,
  kDoubleFree,
  kInterior,
  kNoAllocation,  // no slot near the address was ever used
};

struct GuardMistake {
  GuardMistakeKind kind;
  bool is_late;           // not noticed when it was made, but in `call`
  const char* call;       // "free", or "read" and the like of a fault
  uintptr_t address;      // what the call was given, or the byte that is meant
  const GuardSlot* slot;  // null for kNoAllocation
  const CallStack* at;    // where the thread is
};

// Tells it on stderr, allocating nothing. Defined by the observe layer.
void ReportGuardMistake(const GuardMistake& mistake);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_GUARD_SLOT_H_
