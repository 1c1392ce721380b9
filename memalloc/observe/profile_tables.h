// What is known of samples: the stacks that allocate, with what each has
// allocated, and the samples that live. Layer: observe.
//
// The tables are one mapping, made at the first sample, whose pages are made
// when they are needed. They never grow: a sample for which there is no room is
// counted and not kept. g_sampling_lock guards all of it; a stack's frames
// never change once it is in the table.
//
// All counts are estimates: a sample counts as the allocations that it stands
// for.

#ifndef MEMALLOC_OBSERVE_PROFILE_TABLES_H_
#define MEMALLOC_OBSERVE_PROFILE_TABLES_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/heap/sampling.h"

namespace memalloc {

struct Counts {
  double objects = 0;
  double bytes = 0;

  void Add(const Counts& other) {
    objects += other.objects;
    bytes += other.bytes;
  }
  void Subtract(const Counts& other) {
    objects -= other.objects;
    bytes -= other.bytes;
  }
};

// What a count was at a moment that is common to all stacks. Nothing is copied
// then: whoever changes the count first afterwards notes what it was.
class CountsAtMoment {
 public:
  // Before `now`, a count, changes.
  void NoteBefore(const Counts& now, uint32_t moment) {
    if (moment_ == moment) return;
    moment_ = moment;
    counts_ = now;
  }
  Counts At(uint32_t moment, const Counts& now) const {
    return moment_ == moment ? counts_ : now;
  }

 private:
  Counts counts_;
  uint32_t moment_ = 0;
};

// Samples that were freed, by how long they lived.
inline constexpr uint64_t kLifetimeLimits[] = {10, 100, 1000, 10000, 100000};
inline constexpr size_t kNumLifetimes = 6;  // the last one is longer than all

struct Stack {
  uint64_t hash;
  uint32_t next;  // in the chain of its bucket
  uint32_t depth;
  Counts live;
  Counts allocated;
  CountsAtMoment at_peak;
  CountsAtMoment at_mark;
  Counts freed[kNumLifetimes];

  const uintptr_t* frames() const {
    return reinterpret_cast<const uintptr_t*>(this + 1);
  }
  uintptr_t* frames() { return reinterpret_cast<uintptr_t*>(this + 1); }
};

class ProfileTables {
 public:
  constexpr ProfileTables() = default;

  // A sample of `size` bytes that stands for `weight` allocations.
  void Add(uintptr_t start, size_t size, double weight, uint64_t now,
           const uintptr_t* frames, size_t depth)
      MEMALLOC_REQUIRES(g_sampling_lock);
  // It was freed; nothing happens if it was not kept.
  void Remove(uintptr_t start, uint64_t now) MEMALLOC_REQUIRES(g_sampling_lock);

  // It has another key; nothing happens if it was not kept.
  void Rename(uintptr_t from, uintptr_t to) MEMALLOC_REQUIRES(g_sampling_lock);

  // From now on growth is counted from here.
  void Mark() MEMALLOC_REQUIRES(g_sampling_lock) { ++mark_; }

  Counts AtPeak(const Stack& stack) const MEMALLOC_REQUIRES(g_sampling_lock) {
    return stack.at_peak.At(peak_, stack.live);
  }
  Counts Growth(const Stack& stack) const MEMALLOC_REQUIRES(g_sampling_lock) {
    Counts growth = stack.live;
    if (mark_ != 0) growth.Subtract(stack.at_mark.At(mark_, stack.live));
    return growth;
  }

  // Calls `visit` with each stack.
  template <typename Visit>
  void ForStacks(Visit visit) const MEMALLOC_REQUIRES(g_sampling_lock) {
    for (uint32_t i = 1; i < stacks_end_;) {
      const Stack* stack = StackAt(i);
      visit(*stack);
      i += Units(stack->depth);
    }
  }

  size_t stack_count() const MEMALLOC_REQUIRES(g_sampling_lock) {
    return stack_count_;
  }
  // Allocated in all, as estimated.
  double allocated_bytes() const MEMALLOC_REQUIRES(g_sampling_lock) {
    return allocated_bytes_;
  }
  // Of the tables' memory, most of which is never touched.
  uint64_t resident_bytes() const MEMALLOC_REQUIRES(g_sampling_lock);
  // Samples for which there was no room.
  uint64_t dropped() const MEMALLOC_REQUIRES(g_sampling_lock) {
    return dropped_;
  }

 private:
  struct Sample {
    uintptr_t start;
    size_t size;
    double weight;
    uint64_t since;  // milliseconds
    uint32_t stack;
    uint32_t next;  // in the chain of its bucket, or of the free ones

    Counts AsCounts() const {
      return {weight, weight * static_cast<double>(size)};
    }
  };

  // Numbers begin at 1; those of stacks count units, as stacks differ in size.
  static constexpr size_t kStackUnit = 8;
  static constexpr size_t kStackUnits = (size_t{16} << 20) / kStackUnit;
  static constexpr size_t kStackBuckets = size_t{1} << 14;
  static constexpr size_t kSamples = size_t{1} << 18;
  static constexpr size_t kSampleBuckets = size_t{1} << 16;

  static uint32_t Units(size_t depth) {
    return static_cast<uint32_t>((sizeof(Stack) + depth * sizeof(uintptr_t)) /
                                 kStackUnit);
  }
  Stack* StackAt(uint32_t number) const {
    return reinterpret_cast<Stack*>(stacks_ + number * kStackUnit);
  }

  // The tables stand behind each other.
  static constexpr size_t kStackBytes = kStackUnits * kStackUnit;
  static constexpr size_t kStackBucketBytes = kStackBuckets * sizeof(uint32_t);
  static constexpr size_t kSampleBucketBytes =
      kSampleBuckets * sizeof(uint32_t);
  static constexpr size_t kBytes = kStackBytes + kStackBucketBytes +
                                   kSampleBucketBytes +
                                   kSamples * sizeof(Sample);

  bool MakeTables() MEMALLOC_REQUIRES(g_sampling_lock);
  uint32_t FindStack(const uintptr_t* frames, size_t depth)
      MEMALLOC_REQUIRES(g_sampling_lock);
  uint32_t NewSample() MEMALLOC_REQUIRES(g_sampling_lock);
  uint32_t* SampleBucket(uintptr_t start) const
      MEMALLOC_REQUIRES(g_sampling_lock);
  uint32_t Unlink(uintptr_t start) MEMALLOC_REQUIRES(g_sampling_lock);
  void Link(uint32_t number) MEMALLOC_REQUIRES(g_sampling_lock);

  uint32_t* stack_buckets_ MEMALLOC_GUARDED_BY(g_sampling_lock) = nullptr;
  uint32_t* sample_buckets_ MEMALLOC_GUARDED_BY(g_sampling_lock) = nullptr;
  Sample* samples_ MEMALLOC_GUARDED_BY(g_sampling_lock) = nullptr;
  uintptr_t stacks_ = 0;  // set once, before there is a stack
  uint32_t stacks_end_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 1;
  uint32_t stack_count_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
  uint32_t samples_end_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 1;
  uint32_t free_samples_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
  uint64_t dropped_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
  // Moments; a peak is one until it is surpassed.
  uint32_t peak_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
  uint32_t mark_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
  double allocated_bytes_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
  double live_bytes_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
  double peak_bytes_ MEMALLOC_GUARDED_BY(g_sampling_lock) = 0;
};

extern MEMALLOC_HIDDEN ProfileTables g_profile
    MEMALLOC_GUARDED_BY(g_sampling_lock);

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_PROFILE_TABLES_H_
