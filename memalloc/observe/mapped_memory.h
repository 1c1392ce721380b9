// Memory for a report while it is made, which is no part of the heap. Layer:
// observe.
//
// A leak report must not take what it has, or another report of this moment, or
// one that was under way when the process was forked, for the program's: so
// there is a list of all.

#ifndef MEMALLOC_OBSERVE_MAPPED_MEMORY_H_
#define MEMALLOC_OBSERVE_MAPPED_MEMORY_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
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
    Enter();
    if (os::Commit(start_, bytes_)) return;
    Leave();
    ReturnAfterFailure(start_, bytes_, start_, bytes_);
    start_ = 0;
  }
  ~MappedMemory() {
    if (start_ == 0) return;
    Leave();
    os::Unmap(start_, bytes_);
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
  void Release() {
    Leave();
    start_ = 0;
  }

  // Calls `visit` with the start and the end of each one that there is. One
  // that is missing cannot be read yet.
  template <typename Visit>
  static void ForAll(Visit visit) {
    for (const Place& place : places_) {
      uintptr_t start;
      uintptr_t end;
      do {
        start = place.start.load();
        end = place.end.load();
      } while (place.start.load() != start);
      if (start < end) visit(start, end);
    }
  }

 private:
  // Where one is; `start` is 0 for none, `end` until that is known.
  struct Place {
    std::atomic<uintptr_t> start;
    std::atomic<uintptr_t> end;
  };
  // A dozen for each report. What finds no place is not in the list.
  static constexpr size_t kMaxPlaces = 128;
  static MEMALLOC_HIDDEN Place places_[kMaxPlaces];

  void Enter() const;
  void Leave() const;

  size_t bytes_;
  uintptr_t start_;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_MAPPED_MEMORY_H_
