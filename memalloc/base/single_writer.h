// A number that one thread at a time writes and any thread may read. Layer:
// base.
//
// Readers get some value that it had; which one is not ordered with anything
// else. Who may write passes from thread to thread by other means, which order
// the writes. Hence no operation is a locked one.

#ifndef MEMALLOC_BASE_SINGLE_WRITER_H_
#define MEMALLOC_BASE_SINGLE_WRITER_H_

#include <atomic>

#include "memalloc/base/attributes.h"

namespace memalloc {

template <typename T>
class SingleWriter {
 public:
  constexpr SingleWriter() = default;
  SingleWriter(const SingleWriter&) = delete;

  MEMALLOC_FAST operator T() const {  // NOLINT(google-explicit-constructor)
    return value_.load(std::memory_order_relaxed);
  }
  // Returns the value, so that two can be set alike.
  T operator=(T value) {  // NOLINT(misc-unconventional-assign-operator)
    value_.store(value, std::memory_order_relaxed);
    return value;
  }
  T operator=(const SingleWriter&) = delete;
  void operator+=(T other) { *this = static_cast<T>(*this + other); }
  void operator-=(T other) { *this = static_cast<T>(*this - other); }

  // Takes one away; whether nothing is left. One instruction, where gcc makes
  // three of an atomic.
  MEMALLOC_FAST bool CountDown() {
    static_assert(sizeof(T) == 4);
#ifdef __x86_64__
    bool is_zero;
    // gcc mistakes the place, computed from a pointer that may be null, for a
    // part of object null.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
    asm("subl $1, %0" : "+m"(value_), "=@cce"(is_zero));
#pragma GCC diagnostic pop
    return is_zero;
#else
    return (*this = static_cast<T>(*this - 1)) == 0;
#endif
  }

 private:
  std::atomic<T> value_ = {};
};

}  // namespace memalloc

#endif  // MEMALLOC_BASE_SINGLE_WRITER_H_
