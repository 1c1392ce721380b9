// The hook for every call: who watches is told of each malloc, free and so on
// before and after it is done. Layer: heap.
//
// It costs the fast paths nothing. A watched thread's heap is kept aside while
// the thread is outside of the allocator, and t_heap says that it has none, so
// that each call takes a slow path. There the call is told, and done with the
// heap in its place; what the allocator and the watcher call meanwhile is not
// watched.
//
// Watching begins at the first use, before any thread has a heap, or later:
// then each other thread is watched from its next slow path on.
//
// The hardened build, whose free has no slow path of this kind, has no hook.

#ifndef MEMALLOC_HEAP_WATCHED_CALLS_H_
#define MEMALLOC_HEAP_WATCHED_CALLS_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {

// What was called. operator new is a malloc; realloc of null too, and to no
// size it is a free.
enum class CallKind : uint8_t {
  kMalloc,
  kCalloc,
  kAligned,
  kRealloc,
  kFree,
  kSizedFree,
};

struct WatchedCall {
  CallKind kind;
  void* pointer;     // what is freed or resized; not null
  size_t size;       // what is asked for, or what a sized free says
  size_t alignment;  // of kAligned
  void* result;      // of what allocates; null if that failed
  uint64_t number;   // the watcher's own
};

// Told on the thread that calls; must not allocate, and leaves errno alone.
struct Watcher {
  void (*begins)(WatchedCall* call);
  void (*ends)(const WatchedCall& call);
  // The thread's heap is gone; few calls, or none, are to come.
  void (*thread_ends)();
  // In the child of a fork, before it allocates.
  void (*in_forked_child)();
};

// Only one watches at a time. `watcher` stays for good. False in the hardened
// build.
bool StartWatching(const Watcher& watcher);
// Calls that are under way are still told.
void StopWatching();
// The process is initialised and nobody watches so far. Until then that is
// open, so that the first call is watched too.
void LeaveUnwatched();

// ---- for the slow paths ----

enum class Watching : uint8_t { kUndecided, kOff, kOn };
extern MEMALLOC_HIDDEN std::atomic<Watching> g_watching;

// For paths that are short: false where IsWatched is.
MEMALLOC_FAST bool MayBeWatched() {
  if constexpr (kIsHardened) return false;
  return MEMALLOC_UNLIKELY(g_watching.load(std::memory_order_relaxed) !=
                           Watching::kOff);
}

MEMALLOC_SLOW bool DecideIsWatched();

// Whether the call that came here is to be told.
inline bool IsWatched() { return MayBeWatched() && DecideIsWatched(); }

// What t_heap is when the thread is inside of a call; null if that is t_heap.
extern MEMALLOC_HIDDEN MEMALLOC_TLS ThreadHeap* t_kept_heap;

// While it lives, t_heap is the thread's own heap. For what works on that and
// is no watched call.
class OwnHeapScope {
 public:
  OwnHeapScope() : was_kept_(t_kept_heap != nullptr) {
    if (!was_kept_) return;
    t_heap = t_kept_heap;
    t_kept_heap = nullptr;
  }
  ~OwnHeapScope() {
    if (!was_kept_) return;
    t_kept_heap = t_heap;
    t_heap = &g_no_heap;
  }
  OwnHeapScope(const OwnHeapScope&) = delete;
  OwnHeapScope& operator=(const OwnHeapScope&) = delete;

 private:
  bool was_kept_;
};

// A watched call, from its beginning to its end.
class CallScope {
 public:
  explicit CallScope(WatchedCall* call);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

 private:
  WatchedCall* call_;
};

// Tells the call, which `body` does.
template <typename Body>
void* WatchAllocation(WatchedCall call, const Body& body) {
  const CallScope scope(&call);
  call.result = body();
  return call.result;
}
template <typename Body>
void WatchFree(WatchedCall call, const Body& body) {
  const CallScope scope(&call);
  body();
}

// In the child of a fork, and where a thread's heap has gone.
void TellForkedChild();
void TellThreadEnds();

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_WATCHED_CALLS_H_
