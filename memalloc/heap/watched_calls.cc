// Who watches, and the exchange of the thread's heap round a watched call.

#include "memalloc/heap/watched_calls.h"

#include "memalloc/base/attributes.h"

namespace memalloc {
namespace {

// Release pairs with the acquire of who tells.
std::atomic<const Watcher*> g_watcher{nullptr};

// Whether the thread is inside of a watched call.
MEMALLOC_TLS bool t_is_inside = false;

const Watcher* TheWatcher() {
  return g_watcher.load(std::memory_order_acquire);
}

}  // namespace

std::atomic<Watching> g_watching{Watching::kUndecided};
MEMALLOC_TLS ThreadHeap* t_kept_heap = nullptr;

bool StartWatching(const Watcher& watcher) {
  if constexpr (kIsHardened) return false;
  g_watcher.store(&watcher, std::memory_order_release);
  g_watching.store(Watching::kOn, std::memory_order_release);
  // This thread is watched from now on; others from their next slow path.
  if (t_kept_heap == nullptr && !t_is_inside) {
    t_kept_heap = t_heap;
    t_heap = &g_no_heap;
  }
  return true;
}

void StopWatching() {
  g_watching.store(Watching::kOff, std::memory_order_relaxed);
}

MEMALLOC_USUAL void LeaveUnwatched() {
  Watching undecided = Watching::kUndecided;
  g_watching.compare_exchange_strong(undecided, Watching::kOff,
                                     std::memory_order_relaxed);
}

MEMALLOC_USUAL bool DecideIsWatched() {
  if (t_is_inside) return false;
  InitialiseOnce();
  return g_watching.load(std::memory_order_acquire) == Watching::kOn;
}

CallScope::CallScope(WatchedCall* call) : call_(call) {
  t_is_inside = true;
  if (t_kept_heap != nullptr) {
    t_heap = t_kept_heap;
    t_kept_heap = nullptr;
  }
  TheWatcher()->begins(call_);
}

CallScope::~CallScope() {
  TheWatcher()->ends(*call_);
  t_kept_heap = t_heap;
  t_heap = &g_no_heap;
  t_is_inside = false;
}

void TellForkedChild() {
  if (const Watcher* watcher = TheWatcher()) watcher->in_forked_child();
}

void TellThreadEnds() {
  if (const Watcher* watcher = TheWatcher()) watcher->thread_ends();
}

}  // namespace memalloc
