// What happens when a sample is taken or freed, and the reports; see
// profile.h.

#include "memalloc/observe/profile.h"

#include <algorithm>
#include <atomic>

#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/pprof_writer.h"
#include "memalloc/observe/profile_tables.h"
#include "memalloc/observe/stack.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

// ---- samples ----

// The unwinder allocates at its first use, with a lock of its own held in some
// programs. Within malloc it would be too late for that: an exception on its
// way may have called it.
void Prepare() {
  static std::atomic<bool> is_done{false};
  if (is_done.load(std::memory_order_relaxed)) return;
  uintptr_t frames[kMaxStackDepth];
  is_done.store(CaptureStack(frames) != 0, std::memory_order_relaxed);
}

// For options that were read before libc was ready.
__attribute__((constructor)) void PrepareAtStart() { PrepareToSample(); }

// What had been allocated when bytes were last counted for reports.
double g_report_mark MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;

// Whether Option::kReportBytes were allocated since the last time.
bool IsReportDue() MEMALLOC_REQUIRES(g_sampling_lock) {
  const uint64_t every = GetOption(Option::kReportBytes);
  const double allocated = g_profile.allocated_bytes();
  if (every == 0 || allocated < g_report_mark + static_cast<double>(every)) {
    return false;
  }
  g_report_mark = allocated;
  return true;
}

void OnTaken(uintptr_t start, size_t size, uint64_t interval) {
  uintptr_t frames[kMaxStackDepth];
  const size_t depth = CaptureStack(frames);
  const double weight = 1 / SampleChance(size, interval);
  const uint64_t now = os::NowMilliseconds();
  {
    const LockHolder holder(g_sampling_lock);
    g_profile.Add(start, size, weight, now, frames, depth);
    if (!IsReportDue()) return;
  }
  RequestReports();
}

void OnFreed(uintptr_t start) {
  const uint64_t now = os::NowMilliseconds();
  const LockHolder holder(g_sampling_lock);
  g_profile.Remove(start, now);
}

void OnRenamed(uintptr_t from, uintptr_t to) {
  const LockHolder holder(g_sampling_lock);
  g_profile.Rename(from, to);
}

// ---- reports ----

constexpr size_t kMaxValues = 4;

// A sample of a report.
struct Row {
  const uintptr_t* frames;
  size_t depth;
  int64_t values[kMaxValues];
  size_t lifetime;  // kNumLifetimes: any
};

int64_t Rounded(double value) {
  return static_cast<int64_t>(value + (value < 0 ? -0.5 : 0.5));
}

Row RowOf(const Stack& stack, const Counts& first, const Counts& second,
          size_t lifetime = kNumLifetimes) {
  return {stack.frames(),
          stack.depth,
          {Rounded(first.objects), Rounded(first.bytes),
           Rounded(second.objects), Rounded(second.bytes)},
          lifetime};
}

// The frames of a report, each once.
class FrameSet {
 public:
  // For so many at most.
  explicit FrameSet(size_t frames)
      : size_(size_t{4} << Log2(frames + 1)),
        memory_(size_ * sizeof(uintptr_t)) {}

  void Add(uintptr_t frame) {
    auto* table = memory_.As<uintptr_t>();
    if (table == nullptr) return;
    size_t i = Mix(frame) % size_;
    while (table[i] != 0 && table[i] != frame) i = (i + 1) % size_;
    table[i] = frame;
  }

  // In order; the set is none any longer. How many there are.
  size_t Sort(uintptr_t** frames) {
    *frames = memory_.As<uintptr_t>();
    if (*frames == nullptr) return 0;
    uintptr_t* end = std::remove(*frames, *frames + size_, uintptr_t{0});
    std::sort(*frames, end);
    return static_cast<size_t>(end - *frames);
  }

 private:
  size_t size_;
  MappedMemory memory_;
};

constexpr const char* kLifetimeNames[kNumLifetimes] = {
    "below 10 ms", "10 to 100 ms", "0.1 to 1 s",
    "1 to 10 s",   "10 to 100 s",  "above 100 s",
};

// Copied out of the tables, so that the lock is held for a short time.
class Rows {
 public:
  // `add(stack, rows)` calls Add at most `per_stack` times.
  template <typename AddRows>
  Rows(size_t per_stack, AddRows add)
      : capacity_((CountStacks() + kNewStacks) * per_stack),
        memory_(capacity_ * sizeof(Row)) {
    if (memory_.As<Row>() == nullptr) return;
    const LockHolder holder(g_sampling_lock);
    dropped_ = g_profile.dropped();
    g_profile.ForStacks([&](const Stack& stack) {
      if (count_ + per_stack <= capacity_) add(stack, *this);
    });
  }

  void Add(const Row& row) {
    bool any = false;
    for (int64_t value : row.values) any |= value != 0;
    if (!any) return;
    memory_.As<Row>()[count_++] = row;
    frames_ += row.depth;
  }

  void Write(ReportWriter& out, const SampleType* types, size_t type_count) {
    PprofWriter writer(out, types, type_count,
                       GetOption(Option::kSampleInterval));
    const uint64_t key = writer.String("lifetime");
    uint64_t lifetimes[kNumLifetimes + 1] = {};
    for (size_t i = 0; i < kNumLifetimes; ++i) {
      lifetimes[i] = writer.String(kLifetimeNames[i]);
    }
    FrameSet frames(frames_);
    for (size_t i = 0; i < count_; ++i) {
      const Row& row = memory_.As<Row>()[i];
      const uint64_t label = lifetimes[row.lifetime];
      writer.Sample(row.frames, row.depth, row.values, label != 0 ? key : 0,
                    label);
      for (size_t f = 0; f < row.depth; ++f) frames.Add(row.frames[f]);
    }
    uintptr_t* sorted;
    const size_t frame_count = frames.Sort(&sorted);
    writer.Locations(sorted, frame_count);
    if (dropped_ == 0) return;
    LineBuffer line;
    line.Decimal(dropped_).Text(" samples found no room in the tables");
    line.Char('\0');
    writer.Comment(line.data());
  }

 private:
  // For stacks that appear between counting and copying.
  static constexpr size_t kNewStacks = 1000;

  static size_t CountStacks() {
    const LockHolder holder(g_sampling_lock);
    return g_profile.stack_count();
  }

  size_t capacity_;
  MappedMemory memory_;
  size_t count_ = 0;
  size_t frames_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace

const SampleHooks kProfileHooks = {&Prepare, &OnTaken, &OnFreed, &OnRenamed};

void WriteProfile(ReportWriter& writer) {
  static constexpr SampleType kTypes[] = {{"alloc_objects", "count"},
                                          {"alloc_space", "bytes"},
                                          {"inuse_objects", "count"},
                                          {"inuse_space", "bytes"}};
  Rows rows(1, [](const Stack& stack, Rows& rows) {
    rows.Add(RowOf(stack, stack.allocated, stack.live));
  });
  rows.Write(writer, kTypes, 4);
}

void WriteGrowth(ReportWriter& writer) {
  static constexpr SampleType kTypes[] = {{"growth_objects", "count"},
                                          {"growth_space", "bytes"}};
  Rows rows(
      1, [](const Stack& stack, Rows& rows) MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
        rows.Add(RowOf(stack, g_profile.Growth(stack), {}));
      });
  rows.Write(writer, kTypes, 2);
}

void WritePeak(ReportWriter& writer) {
  static constexpr SampleType kTypes[] = {{"peak_objects", "count"},
                                          {"peak_space", "bytes"}};
  Rows rows(
      1, [](const Stack& stack, Rows& rows) MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
        rows.Add(RowOf(stack, g_profile.AtPeak(stack), {}));
      });
  rows.Write(writer, kTypes, 2);
}

void WriteLifetimes(ReportWriter& writer) {
  static constexpr SampleType kTypes[] = {{"freed_objects", "count"},
                                          {"freed_space", "bytes"}};
  Rows rows(kNumLifetimes, [](const Stack& stack, Rows& rows) {
    for (size_t i = 0; i < kNumLifetimes; ++i) {
      rows.Add(RowOf(stack, stack.freed[i], {}, i));
    }
  });
  rows.Write(writer, kTypes, 2);
}

void MarkProfile() {
  const LockHolder holder(g_sampling_lock);
  g_profile.Mark();
}

}  // namespace memalloc
