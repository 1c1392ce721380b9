// What the core's own sources do instead of an atomic operation or taking a
// lock, once explored_names.h has renamed these.
//
// Every operation on an atomic of a pointer's size, which are the blocks'
// owners and the heaps' inboxes, and every acquisition of a lock first asks the
// explorer (explorer.h) which thread goes on. Atomics of other sizes are hints
// and counts; those outside of the heap are options and clocks.

#ifndef TESTING_INTERLEAVING_EXPLORED_H_
#define TESTING_INTERLEAVING_EXPLORED_H_

// All that the core includes of the standard library: not to be changed.
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <initializer_list>
#include <limits>
#include <new>
#include <type_traits>

namespace explored {

// The running thread is about to look at, or change, what is there.
void BeforeAccess(const volatile void* place);
// In the places of pthread's. The lock is of the error-checking kind.
int Lock(pthread_mutex_t* mutex);
int Unlock(pthread_mutex_t* mutex);

template <typename T>
class Atomic : public std::atomic<T> {
 public:
  using Base = std::atomic<T>;
  using Order = std::memory_order;
  static constexpr Order kDefault = std::memory_order_seq_cst;

  constexpr Atomic() = default;
  constexpr Atomic(T value) : Base(value) {}  // NOLINT
  Atomic(const Atomic&) = delete;

  T load(Order order = kDefault) const {
    Ask();
    return Base::load(order);
  }
  void store(T value, Order order = kDefault) {
    Ask();
    Base::store(value, order);
  }
  T exchange(T value, Order order = kDefault) {
    Ask();
    return Base::exchange(value, order);
  }
  template <typename... Orders>
  bool compare_exchange_strong(T& expected, T value, Orders... orders) {
    Ask();
    return Base::compare_exchange_strong(expected, value, orders...);
  }
  // Never fails without a reason, lest there be no end of ways.
  template <typename... Orders>
  bool compare_exchange_weak(T& expected, T value, Orders... orders) {
    return compare_exchange_strong(expected, value, orders...);
  }

 private:
  void Ask() const { BeforeAccess(this); }
};

}  // namespace explored

#endif  // TESTING_INTERLEAVING_EXPLORED_H_
