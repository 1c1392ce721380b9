// A look at memory on the fake kernel: what memalloc/os/process_memory.h
// declares. All of the fake kernel's memory is there, so it is simply copied.

#include <string.h>

#include "memalloc/os/process_memory.h"
#include "testing/unit/fake_os.h"

namespace memalloc::os {

ProcessMemory::ProcessMemory() = default;
ProcessMemory::File::~File() = default;

bool ProcessMemory::IsWhole() const { return true; }

size_t ProcessMemory::Copy(const Piece* pieces, size_t count, char* to) {
  size_t copied = 0;
  for (size_t i = 0; i < count; ++i) {
    memcpy(to + copied, reinterpret_cast<const void*>(pieces[i].start),
           pieces[i].bytes);
    copied += pieces[i].bytes;
  }
  return copied;
}

bool ProcessMemory::LookAtPages(uintptr_t, size_t, PageState*) { return false; }

}  // namespace memalloc::os
