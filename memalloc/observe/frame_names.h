// What stands at the addresses of a report: function, file, and where in that.
// Layer: observe.

#ifndef MEMALLOC_OBSERVE_FRAME_NAMES_H_
#define MEMALLOC_OBSERVE_FRAME_NAMES_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/mappings.h"
#include "memalloc/runtime/option_text.h"

namespace memalloc {

// Of the call that a frame is the return address of.
struct FramePlace {
  uintptr_t address = 0;
  Span function = {"", 0};  // as the linker knows it; empty if not known
  Span file = {"", 0};      // the same
  uintptr_t offset = 0;     // in the file, for addr2line
};

class FrameNames {
 public:
  // Of these frames, each once, in order.
  FrameNames(const uintptr_t* frames, size_t count);

  // The place of one of them.
  FramePlace Find(uintptr_t frame) const;

 private:
  void LookInto(const Mapping& mapping, FramePlace* places, size_t count);
  Span Copy(const char* name);

  size_t count_;
  Mappings mappings_;    // has the files' names
  MappedMemory places_;  // in order
  MappedMemory names_;   // of functions
  size_t names_size_ = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_FRAME_NAMES_H_
