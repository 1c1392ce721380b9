// What is told of a mistake with a guarded allocation: a line of what it is,
// then who made it, who allocated and who freed.
//
// It may run in the handler of a signal, on a small stack: a line at a time.

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/line_buffer.h"
#include "memalloc/heap/guard_slot.h"
#include "memalloc/observe/code_place.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

void Write(LineBuffer& line) {
  line.EndLine();
  os::WriteToStderr(line.data(), line.size());
}

const char* WhatIsWrong(GuardMistakeKind kind) {
  switch (kind) {
    case GuardMistakeKind::kUseAfterFree:
      return "use after free";
    case GuardMistakeKind::kOverflow:
      return "overflow";
    case GuardMistakeKind::kUnderflow:
      return "underflow";
    case GuardMistakeKind::kDoubleFree:
      return "double free";
    case GuardMistakeKind::kInterior:
      return "not the start of an allocation";
    case GuardMistakeKind::kNoAllocation:
      return "no allocation was ever near";
  }
  return "";
}

// "16 bytes behind the end of the 100 bytes at 0x7f3e9c201f90".
void AppendDistance(const GuardSlot& slot, uintptr_t address,
                    LineBuffer& line) {
  const bool is_before = address < slot.start;
  const bool is_behind = address >= slot.End();
  const size_t distance = is_before   ? slot.start - address
                          : is_behind ? address - slot.End()
                                      : address - slot.start;
  line.Text(", ").Decimal(distance);
  line.Text(distance == 1 ? " byte " : " bytes ");
  line.Text(is_before ? "before" : is_behind ? "behind the end of" : "into");
  line.Text(" the ").Decimal(slot.size);
  line.Text(slot.size == 1 ? " byte at " : " bytes at ");
  line.Pointer(reinterpret_cast<const void*>(slot.start));
}

void WriteStack(const char* what, const CallStack& stack) {
  LineBuffer head;
  head.Text("  ").Text(what).Text(" by thread ");
  head.Decimal(static_cast<uint64_t>(stack.thread)).Char(':');
  Write(head);
  for (uint32_t i = 0; i < stack.depth; ++i) {
    LineBuffer line;
    line.Text("    #").Decimal(i).Char(' ');
    AppendCodePlace(stack.frames[i], line);
    Write(line);
  }
}

}  // namespace

void ReportGuardMistake(const GuardMistake& mistake) {
  LineBuffer line;
  line.Text("memalloc: ").Text(mistake.call).Char('(');
  line.Pointer(reinterpret_cast<const void*>(mistake.address)).Text("): ");
  line.Text(WhatIsWrong(mistake.kind));
  if (mistake.is_late) line.Text(" (noticed late)");
  const GuardSlot* slot = mistake.slot;
  if (slot != nullptr) AppendDistance(*slot, mistake.address, line);
  line.Text("; see docs/errors.md#guarded-allocation");
  Write(line);
  WriteStack(mistake.is_late ? "noticed" : "done", *mistake.at);
  if (slot == nullptr) return;
  WriteStack("allocated", slot->allocated);
  if (slot->state == GuardState::kFreed) WriteStack("freed", slot->freed);
}

}  // namespace memalloc
