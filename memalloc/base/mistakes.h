// What is said of a program's mistakes, where more than one place sees them.
// Layer: base.

#ifndef MEMALLOC_BASE_MISTAKES_H_
#define MEMALLOC_BASE_MISTAKES_H_

#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"

namespace memalloc {

[[noreturn]] MEMALLOC_COLD inline void DieOfOverflow(const char* call,
                                                     uintptr_t start) {
  DieOfMisuse(call, reinterpret_cast<const void*>(start),
              "somebody wrote beyond the end of the allocation",
              "buffer-overflow");
}

[[noreturn]] MEMALLOC_COLD inline void DieOfWrite(const char* call,
                                                  uintptr_t start) {
  DieOfMisuse(call, reinterpret_cast<const void*>(start),
              "somebody wrote to memory after freeing it", "write-after-free");
}

[[noreturn]] MEMALLOC_COLD inline void DieOfDoubleFree(const char* call,
                                                       uintptr_t start) {
  DieOfMisuse(call, reinterpret_cast<const void*>(start), "double free",
              "double-free");
}

[[noreturn]] MEMALLOC_COLD inline void DieOfInterior(const char* call,
                                                     uintptr_t address) {
  DieOfMisuse(call, reinterpret_cast<const void*>(address),
              "not the start of an allocation", "interior-pointer");
}

[[noreturn]] MEMALLOC_COLD inline void DieOfNoAllocation(const char* call,
                                                         uintptr_t address) {
  DieOfMisuse(call, reinterpret_cast<const void*>(address),
              "no allocation stands here (freed before?)", "no-allocation");
}

}  // namespace memalloc

#endif  // MEMALLOC_BASE_MISTAKES_H_
