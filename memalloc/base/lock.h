// The allocator's lock: a pthread mutex, statically initialised. Layer: base.
//
// It is of the error-checking kind: a thread that comes back into a lock it
// holds (malloc called by a signal handler that interrupted malloc) is told
// so and aborts, where a plain mutex would hang.
//
// Order: that of the initialisation comes before that of the paths, which no
// other follows; that of the background thread before that of sampling, this
// before that of purging, and this before CentralHeap's. While the last is held
// nothing is acquired, and no system call is made but those that let arenas
// grow and shrink, that advise the kernel about huge pages, and that cut what
// huge blocks have to spare. That of the guard pool is held by itself, but by a
// thread that forks.

#ifndef MEMALLOC_BASE_LOCK_H_
#define MEMALLOC_BASE_LOCK_H_

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/counter.h"
#include "memalloc/base/event_counts.h"
#include "memalloc/base/single_writer.h"

namespace memalloc {

// From the fork handler before the fork to the one after it the thread that
// forks holds the lock, and what it allocates in other fork handlers must not
// ask for it again. A number, as a handler may fork as well.
extern MEMALLOC_HIDDEN MEMALLOC_TLS unsigned t_forks_under_way;

inline bool HoldsAllForFork() { return t_forks_under_way != 0; }

// The later, the worse for who wants it.
enum class LockState : uint8_t { kFree, kHeld, kHeldHere };

class MEMALLOC_CAPABILITY("mutex") Lock {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void Acquire() MEMALLOC_ACQUIRE() {
    if (MEMALLOC_UNLIKELY(HoldsAllForFork())) return;
    if (MEMALLOC_UNLIKELY(!TryAcquire())) DieOfReentry();
  }
  void Release() MEMALLOC_RELEASE() {
    if (MEMALLOC_UNLIKELY(HoldsAllForFork())) return;
    is_held_ = false;
    pthread_mutex_unlock(&mutex_);
  }

  // False if the running thread holds the lock already.
  bool AcquireUnlessHeld() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
    return HoldsAllForFork() || TryAcquire();
  }

  // Who holds it, without waiting for that: a signal handler that interrupted
  // the allocator must not come back into it. One that interrupted libc's own
  // functions finds it held by nobody it could name, for ever.
  LockState Look() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
    if (HoldsAllForFork()) return LockState::kFree;
    constexpr struct timespec kLongAgo = {0, 0};
    const int error = pthread_mutex_timedlock(&mutex_, &kLongAgo);
    if (error != 0) {
      return error == EDEADLK ? LockState::kHeldHere : LockState::kHeld;
    }
    pthread_mutex_unlock(&mutex_);
    return LockState::kFree;
  }

  // Makes the lock free again in a forked child, where the thread that is
  // said to hold it has another id.
  void ReinitialiseInChild() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
    mutex_ = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    is_held_ = false;
  }

  // How often it was acquired, and how often another thread held it before.
  uint64_t acquisitions() const { return acquisitions_.Get(); }
  uint64_t waits() const { return waits_.Get(); }

 private:
  // False if the running thread holds it.
  bool TryAcquire() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
    const bool was_held = is_held_;
    if (pthread_mutex_lock(&mutex_) != 0) return false;
    is_held_ = true;
    acquisitions_.Add(1);
    waits_.Add(was_held ? 1 : 0);
    CountEvent(Event::kLock);
    return true;
  }

  [[noreturn]] static void DieOfReentry() {
    LineBuffer line;
    line.Text(
        "memalloc: malloc or free was called again by the thread that is "
        "inside it (from a signal handler?); see docs/errors.md#reentry");
    Die(line.EndLine());
  }

  pthread_mutex_t mutex_ = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
  // What follows is written by who holds the lock. Others see by it whether
  // they may have to wait: pthread_mutex_trylock would tell for sure, and bring
  // another 64 KiB of libc into each process.
  SingleWriter<bool> is_held_;
  Counter acquisitions_;
  Counter waits_;
};

class MEMALLOC_SCOPED_CAPABILITY LockHolder {
 public:
  explicit LockHolder(Lock& lock) MEMALLOC_ACQUIRE(lock) : lock_(lock) {
    lock_.Acquire();
  }
  ~LockHolder() MEMALLOC_RELEASE() { lock_.Release(); }
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;

 private:
  Lock& lock_;
};

}  // namespace memalloc

#endif  // MEMALLOC_BASE_LOCK_H_
