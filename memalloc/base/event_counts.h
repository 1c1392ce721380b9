// Counts of what threads have to share: for measuring only. Layer: base.
//
// On machines with many cores it is not instructions that decide but the lock
// and the cache lines that several threads write. The build with
// MEMALLOC_EVENTS (//memalloc:memalloc_events.so) counts each such access; it
// is one relaxed addition for all threads, so its own times mean nothing. In
// every other build CountEvent is an empty function and nothing is left of it.
//
// Called by the slow paths of the heap, beside the access that it counts; read
// by observe/summary.cc when the process ends. To count something else, add it
// to the enumeration and its name to the list.

#ifndef MEMALLOC_BASE_EVENT_COUNTS_H_
#define MEMALLOC_BASE_EVENT_COUNTS_H_

#include <stdint.h>

#include <atomic>

#include "memalloc/base/line_buffer.h"

namespace memalloc {

enum class Event : uint8_t {
  kLock,       // the lock was acquired
  kInboxPush,  // compare-and-exchange on another heap's inbox, also a failed
               // one
  kInboxTake,  // exchange that empties a heap's own inbox
  kClaim,      // compare-and-exchange that makes a block somebody's
  kGiveUp,     // store that makes a block nobody's
};

#ifdef MEMALLOC_EVENTS

inline constexpr bool kCountsEvents = true;

inline constexpr const char* kEventNames[] = {
    "locks", "inbox_pushes", "inbox_takes", "claims", "give_ups",
};

inline constexpr int kNumEvents = sizeof(kEventNames) / sizeof(kEventNames[0]);
static_assert(kNumEvents == static_cast<int>(Event::kGiveUp) + 1);

inline std::atomic<uint64_t> g_event_counts[kNumEvents];

inline void CountEvent(Event event) {
  g_event_counts[static_cast<int>(event)].fetch_add(1,
                                                    std::memory_order_relaxed);
}

inline void AppendEventCounts(LineBuffer& line) {
  for (int i = 0; i < kNumEvents; ++i) {
    line.Char(' ').Text(kEventNames[i]).Char('=');
    line.Decimal(g_event_counts[i].load(std::memory_order_relaxed));
  }
}

#else

inline constexpr bool kCountsEvents = false;
inline void CountEvent(Event) {}
inline void AppendEventCounts(LineBuffer&) {}

#endif

}  // namespace memalloc

#endif  // MEMALLOC_BASE_EVENT_COUNTS_H_
