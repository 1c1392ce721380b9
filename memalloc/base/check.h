// CHECK (always on) and ASSERT (debug builds) of the allocator. Layer: base.
//
// A failed check writes one line to stderr, without malloc, and aborts:
//   memalloc: <call>(<pointer>): <what>; <hint>
// The line is an interface: tests compare it, docs/errors.md explains it.

#ifndef MEMALLOC_BASE_CHECK_H_
#define MEMALLOC_BASE_CHECK_H_

#include "memalloc/base/attributes.h"
#include "memalloc/base/line_buffer.h"

namespace memalloc {

// Writes `line` to stderr and aborts the process. The os layer defines it,
// being the only one that makes system calls.
[[noreturn]] MEMALLOC_COLD void Die(const LineBuffer& line);

// A misuse of the public interface, seen in `call` with `pointer`. `anchor`
// names the entry of docs/errors.md.
[[noreturn]] MEMALLOC_COLD inline void DieOfMisuse(const char* call,
                                                   const void* pointer,
                                                   const char* what,
                                                   const char* anchor) {
  LineBuffer line;
  line.Text("memalloc: ").Text(call).Char('(').Pointer(pointer).Text("): ");
  line.Text(what).Text("; see docs/errors.md#").Text(anchor);
  Die(line.EndLine());
}

// The allocator's own state is broken: by a stray write of the program, or by
// a fault of ours.
[[noreturn]] MEMALLOC_COLD inline void DieOfCorruption(const void* pointer,
                                                       const char* what) {
  DieOfMisuse("heap", pointer, what, "heap-corruption");
}

}  // namespace memalloc

#define MEMALLOC_CHECK(condition, pointer) \
  (MEMALLOC_LIKELY(condition)              \
       ? static_cast<void>(0)              \
       : ::memalloc::DieOfCorruption(pointer, "check failed: " #condition))

#ifdef NDEBUG
#define MEMALLOC_ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#else
#define MEMALLOC_ASSERT(condition) MEMALLOC_CHECK(condition, nullptr)
#endif

#endif  // MEMALLOC_BASE_CHECK_H_
