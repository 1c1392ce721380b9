// Which samples are lost. Layer: observe.
//
// The table of live samples tells what may be lost; reachability.h what is. A
// sample counts as lost if no scan reached it and it was not freed meanwhile:
// what other threads do during the scans can hide a leak, and make one only by
// moving its address at the wrong moment of each scan.

#ifndef MEMALLOC_OBSERVE_LEAK_FINDER_H_
#define MEMALLOC_OBSERVE_LEAK_FINDER_H_

#include <stddef.h>
#include <stdint.h>

#include <optional>

#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/profile_tables.h"
#include "memalloc/observe/reachability.h"

namespace memalloc {

// In the order in which they are told.
enum class LeakKind : uint8_t {
  kDirect,      // nothing leads to it
  kIndirect,    // only what is lost leads to it
  kReachable,   // no leak
  kSuppressed,  // lost, but not to be told
  kGone,        // freed since
};
constexpr size_t kNumLeakKinds = static_cast<size_t>(LeakKind::kGone) + 1;

struct LiveSample {
  uintptr_t start;
  uint64_t since;
  const Stack* stack;
  Counts counts;
  LeakKind kind;
};

class LeakFinder {
 public:
  // The reporter's frames stand below `stack`. [own, own_end) is no root.
  LeakFinder(uintptr_t stack, uintptr_t own, uintptr_t own_end);

  // Scans: afterwards a sample is kDirect, if it is lost, or kReachable. False
  // if memory is short.
  bool Scan();

  // What is lost and what a kSuppressed one leads to is kSuppressed too. Tells
  // the rest apart.
  void Classify();

  // Sorted by stacks.
  LiveSample* begin() const { return samples_.As<LiveSample>(); }
  LiveSample* end() const { return begin() + count_; }

 private:
  static size_t CountSamples();
  void TakeSamples();
  bool ScanOnce();
  bool TryToScan();
  void DropFreed();
  void Suppress();
  void FindIndirect();

  const uintptr_t stack_;
  const uintptr_t own_;
  const uintptr_t own_end_;
  const size_t room_;
  MappedMemory samples_;
  size_t count_ = 0;
  std::optional<Reachability> last_;  // scan
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_LEAK_FINDER_H_
