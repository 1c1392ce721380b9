// A count that one thread at a time adds to and any thread may read. Layer:
// base.
//
// Who may add passes from thread to thread by other means, as with
// SingleWriter, whose atomic it is not: nothing hangs on the order in which a
// count is seen, and testing/interleaving need not try them all.

#ifndef MEMALLOC_BASE_COUNTER_H_
#define MEMALLOC_BASE_COUNTER_H_

#include <stdint.h>

namespace memalloc {

class Counter {
 public:
  constexpr Counter() = default;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void Add(uint64_t more) {
    __atomic_store_n(&value_, value_ + more, __ATOMIC_RELAXED);
  }
  void Subtract(uint64_t less) { Add(0 - less); }
  uint64_t Get() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }

 private:
  uint64_t value_ = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_BASE_COUNTER_H_
