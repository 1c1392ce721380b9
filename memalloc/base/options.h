// The options that change how the allocator behaves: one table of numbers, and
// the names of those that are paths. Layer: base.
//
// An option is read where it matters, at any time, and may be changed while
// the program runs. runtime/ fills the table from the environment at the first
// use; memalloc.h offers it to programs. docs/tuning.md explains each.

#ifndef MEMALLOC_BASE_OPTIONS_H_
#define MEMALLOC_BASE_OPTIONS_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"

namespace memalloc {

enum class Option : uint8_t {
  kPurgeDelay,        // milliseconds
  kTrimThreshold,     // bytes
  kTopPad,            // bytes
  kHugeThreshold,     // bytes
  kHugeCache,         // bytes
  kHugePages,         // HugePages
  kSoftLimit,         // bytes, 0: none
  kHardLimit,         // bytes, 0: none
  kCgroupLimit,       // 0 or 1
  kBackgroundThread,  // 0 or 1
  kForeignPointers,   // ForeignPointers
  kReportSignal,      // a signal's number, 0: none
  kReportInterval,    // milliseconds, 0: none
  kReportBytes,       // bytes, 0: none
  kSampleInterval,    // bytes, 0: no samples
  kGuardSampleRate,   // one allocation in so many, 0: none
  kGuardSlots,
  kLeaksReachable,  // 0 or 1
  kLeakExitCode,    // 0: that of the program
  // Without effect unless kIsHardened.
  kQuarantine,   // bytes
  kZeroOnFree,   // bytes
  kRandomOrder,  // 0 or 1
  kGuardPages,   // 0 or 1
};
constexpr size_t kNumOptions = 23;
// The first of those that are for the hardened build.
constexpr size_t kFirstHardenedOption =
    static_cast<size_t>(Option::kQuarantine);

// Values of kHugePages.
enum class HugePages : uint8_t { kNever, kDefault, kAlways };

// Values of kForeignPointers.
enum class ForeignPointers : uint8_t { kAbort, kWarn, kIgnore };

enum class OptionUnit : uint8_t {
  kMilliseconds,
  kBytes,
  kFlag,
  kHugePages,
  kForeignPointers,
  kSignal,
  kNumber,
};

struct OptionInfo {
  const char* name;  // "purge_delay"; MEMALLOC_PURGE_DELAY in the environment
  OptionUnit unit;
  uint64_t initial;
  uint64_t max;
};

extern MEMALLOC_HIDDEN const OptionInfo kOptionInfo[kNumOptions];
extern MEMALLOC_HIDDEN std::atomic<uint64_t> g_options[kNumOptions];

// Options that say where a report goes; runtime/path_options.h has their
// values.
enum class PathOption : uint8_t {
  kStatsFile,  // the line at exit; read by tools/run
  kStats,
  kHeapMap,
  kTrace,  // every call; observe/trace_recorder.h
  kProfile,
  kLeaks,
  kLeakSuppressions,  // not written to; observe/leak_suppressions.h
};
constexpr size_t kNumPathOptions = 7;

struct PathInfo {
  const char* name;  // "stats"; MEMALLOC_STATS in the environment
  bool may_be_stderr;
};

extern MEMALLOC_HIDDEN const PathInfo kPathInfo[kNumPathOptions];

// No order between an option and anything else is needed: each value is valid
// at any time.
inline uint64_t GetOption(Option option) {
  return g_options[static_cast<size_t>(option)].load(std::memory_order_relaxed);
}
void SetOption(Option option, uint64_t value);

// In the hardened build, the largest cell that free clears in the usual measure
// and holds back among the small ones, as the options are: one look at them
// instead of two.
extern MEMALLOC_HIDDEN std::atomic<size_t> g_usual_cell_size;
// So many small cells are held back.
constexpr size_t kSmallCellsInQuarantine = 128;

inline size_t UsualCellSize() {
  return g_usual_cell_size.load(std::memory_order_relaxed);
}

}  // namespace memalloc

#endif  // MEMALLOC_BASE_OPTIONS_H_
