// Which bytes of a range are in resident pages. Layer: heap.
//
// The kernel is asked for some pages at a time, as they are looked at; from the
// range's start to its end that is one call for each few megabytes.

#ifndef MEMALLOC_HEAP_RESIDENT_PAGES_H_
#define MEMALLOC_HEAP_RESIDENT_PAGES_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/math.h"
#include "memalloc/os/os.h"

namespace memalloc {

// Bytes of address space that is backed by memory, and those of them that are
// in resident pages.
struct Extent {
  uint64_t bytes = 0;
  uint64_t resident = 0;

  void Add(const Extent& other) {
    bytes += other.bytes;
    resident += other.resident;
  }
};

class ResidentPages {
 public:
  // If not `with_pages`, none is resident.
  explicit ResidentPages(bool with_pages)
      : with_pages_(with_pages), page_size_(os::PageSize()) {}
  ResidentPages(uintptr_t start, uintptr_t end, bool with_pages)
      : ResidentPages(with_pages) {
    Begin(start, end);
  }

  // Looks at this range from now on, which is mapped as a whole.
  void Begin(uintptr_t start, uintptr_t end) {
    end_ = with_pages_ ? end : start;
    first_ = RoundDown(start, page_size_);
    count_ = 0;
  }

  // [start, end) of it.
  Extent Look(uintptr_t start, uintptr_t end) {
    Extent extent = {end - start, 0};
    const uintptr_t stop = Min(end, end_);
    for (uintptr_t page = RoundDown(start, page_size_); page < stop;
         page += page_size_) {
      if (!IsResident(page)) continue;
      extent.resident += Min(stop, page + page_size_) - Max(start, page);
    }
    return extent;
  }

  // Whether the kernel answered each time. If not, all counts as resident.
  bool is_known() const { return is_known_; }

 private:
  static constexpr size_t kPages = 1024;

  bool IsResident(uintptr_t page) {
    if (page - first_ >= count_ * page_size_) Ask(page);
    return (pages_[(page - first_) / page_size_] & 1) != 0;
  }

  void Ask(uintptr_t page) {
    first_ = page;
    count_ = Min(kPages, (end_ - page + page_size_ - 1) / page_size_);
    if (os::FindResident(page, count_ * page_size_, pages_)) return;
    is_known_ = false;
    for (size_t i = 0; i < count_; ++i) pages_[i] = 1;
  }

  const bool with_pages_;
  const size_t page_size_;
  uintptr_t end_ = 0;
  // Those that the kernel was asked for last.
  uintptr_t first_ = 0;
  size_t count_ = 0;
  bool is_known_ = true;
  unsigned char pages_[kPages];
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_RESIDENT_PAGES_H_
