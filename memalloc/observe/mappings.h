// What is mapped into the process: files with code, for who turns addresses
// into names, and all that may hold addresses. Layer: observe.

#ifndef MEMALLOC_OBSERVE_MAPPINGS_H_
#define MEMALLOC_OBSERVE_MAPPINGS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/mapped_memory.h"

namespace memalloc {

struct Mapping {
  uintptr_t start;
  uintptr_t end;
  uint64_t offset;  // in the file
  bool is_readable;
  bool is_writable;
  bool is_executable;
  bool is_private;
  const char* path;  // not ended by a zero; "[vdso]" and the like too
  size_t path_size;
};

// The mappings as they are when it is made.
class Mappings {
 public:
  Mappings();

  // Whether none is missing.
  bool IsWhole() const { return is_whole_; }

  // The next one after the last call; false behind the last one.
  bool Next(Mapping* mapping);

 private:
  // More than the kernel allows unless it was told to; what is more is left
  // out.
  static constexpr size_t kTextSize = size_t{16} << 20;

  MappedMemory text_;
  const char* next_;
  bool is_whole_ = false;
};

// The build id of the loaded file that has code at the address, in hexadecimal
// digits with a zero behind; "" if it has none.
struct BuildId {
  static constexpr size_t kMaxBytes = 32;
  char text[2 * kMaxBytes + 1];
};
BuildId BuildIdAt(uintptr_t address);

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_MAPPINGS_H_
