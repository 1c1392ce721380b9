// Memory for a report while it is made, which is no part of the heap. Layer:
// observe.

#ifndef MEMALLOC_OBSERVE_MAPPED_MEMORY_H_
#define MEMALLOC_OBSERVE_MAPPED_MEMORY_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/math.h"
#include "memalloc/heap/reserve.h"
#include "memalloc/os/os.h"

namespace memalloc {

// Zero pages, made when they are written to; given back in the end.
class MappedMemory {
 public:
  explicit MappedMemory(size_t bytes)
      : bytes_(RoundUp(Max<size_t>(bytes, 1), os::PageSize())),
        start_(os::Reserve(bytes_, 0)) {
    if (start_ == 0) return;
    if (os::Commit(start_, bytes_)) return;
    ReturnAfterFailure(start_, bytes_, start_, bytes_);
    start_ = 0;
  }
  ~MappedMemory() {
    if (start_ != 0) os::Unmap(start_, bytes_);
  }
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;

  // Null when memory is short.
  template <typename T>
  T* As() const {
    return reinterpret_cast<T*>(start_);
  }

  size_t bytes() const { return bytes_; }

  // Keeps it for good.
  void Release() { start_ = 0; }

 private:
  size_t bytes_;
  uintptr_t start_;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_MAPPED_MEMORY_H_
