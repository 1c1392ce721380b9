// A short summary of the heap. Layer: observe.

#ifndef MEMALLOC_OBSERVE_SUMMARY_H_
#define MEMALLOC_OBSERVE_SUMMARY_H_

#include <stdint.h>

namespace memalloc {

// All figures in bytes but those that count; see memalloc.h.
struct Summary {
  uint64_t live_bytes;
  uint64_t peak_bytes;
  uint64_t heap_bytes;
  uint64_t arenas;
  uint64_t blocks;
  uint64_t threads;
  uint64_t rss_bytes;
  uint64_t peak_rss_bytes;
};

Summary TakeSummary();

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_SUMMARY_H_
