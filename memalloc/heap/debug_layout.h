// Where things are, for debuggers: a table that tools/gdb reads out of a
// program without debug information, alive or dead. Layer: heap.
//
// The two symbols are exported, so that a memalloc.so without a symbol table
// has them too. The names in the table are those of the sources.

#ifndef MEMALLOC_HEAP_DEBUG_LAYOUT_H_
#define MEMALLOC_HEAP_DEBUG_LAYOUT_H_

#include <stddef.h>
#include <stdint.h>

#define MEMALLOC_EXPORTED __attribute__((visibility("default")))

namespace memalloc {

// A constant, or where a field is in its class.
struct DebugEntry {
  char name[32];  // "BlockHeader.owner", "kGranuleSize"
  uint32_t value;
};

struct DebugTable {
  DebugEntry entries[80];  // one without a name ends them
};

// Where the heap's globals are.
struct DebugRoots {
  const void* central_heap;
  const void* address_map;
  const void* link_key;
  const void* secret;  // of the hardened build, or null
};

}  // namespace memalloc

extern "C" {
extern MEMALLOC_EXPORTED const memalloc::DebugTable memalloc_debug_layout;
extern MEMALLOC_EXPORTED const memalloc::DebugRoots memalloc_debug_roots;
}

namespace memalloc {

// Keeps the linker from dropping the tables, which nothing else refers to.
inline void KeepDebugLayout() {
  asm volatile("" : : "r"(&memalloc_debug_layout), "r"(&memalloc_debug_roots));
}

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_DEBUG_LAYOUT_H_
