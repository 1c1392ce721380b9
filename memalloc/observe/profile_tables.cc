// Stacks and samples; see profile_tables.h.

#include "memalloc/observe/profile_tables.h"

#include <string.h>

#include "memalloc/base/math.h"
#include "memalloc/heap/resident_pages.h"
#include "memalloc/observe/mapped_memory.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

uint64_t HashOf(const uintptr_t* frames, size_t depth) {
  uint64_t hash = depth;
  for (size_t i = 0; i < depth; ++i) hash = Mix(hash + frames[i]);
  return hash;
}

size_t LifetimeOf(uint64_t milliseconds) {
  size_t i = 0;
  while (i < kNumLifetimes - 1 && milliseconds >= kLifetimeLimits[i]) ++i;
  return i;
}

}  // namespace

ProfileTables g_profile;

bool ProfileTables::MakeTables() {
  if (stacks_ != 0) return true;
  MappedMemory memory(kBytes);
  const auto start = reinterpret_cast<uintptr_t>(memory.As<char>());
  if (start == 0) return false;
  memory.Release();
  os::AdviseSmallPages(start, memory.bytes());
  uintptr_t next = start + kStackBytes;
  stack_buckets_ = reinterpret_cast<uint32_t*>(next);
  next += kStackBucketBytes;
  sample_buckets_ = reinterpret_cast<uint32_t*>(next);
  next += kSampleBucketBytes;
  samples_ = reinterpret_cast<Sample*>(next);
  stacks_ = start;
  return true;
}

uint64_t ProfileTables::resident_bytes() const {
  if (stacks_ == 0) return 0;
  ResidentPages pages(stacks_, stacks_ + kBytes, /*with_pages=*/true);
  return pages.Look(stacks_, stacks_ + kBytes).resident;
}

// The stack's number; 0 if there is no room for it.
uint32_t ProfileTables::FindStack(const uintptr_t* frames, size_t depth) {
  const uint64_t hash = HashOf(frames, depth);
  uint32_t* bucket = &stack_buckets_[hash % kStackBuckets];
  for (uint32_t i = *bucket; i != 0; i = StackAt(i)->next) {
    const Stack* stack = StackAt(i);
    if (stack->hash == hash && stack->depth == depth &&
        memcmp(stack->frames(), frames, depth * sizeof(*frames)) == 0) {
      return i;
    }
  }
  const uint32_t units = Units(depth);
  if (kStackUnits - stacks_end_ < units) return 0;
  const uint32_t number = stacks_end_;
  stacks_end_ += units;
  ++stack_count_;
  Stack* stack = StackAt(number);  // zero, as all new memory
  stack->hash = hash;
  stack->depth = static_cast<uint32_t>(depth);
  memcpy(stack->frames(), frames, depth * sizeof(*frames));
  stack->next = *bucket;
  *bucket = number;
  return number;
}

// The number of an unused record; 0 if there is none.
uint32_t ProfileTables::NewSample() {
  const uint32_t number = free_samples_;
  if (number != 0) {
    free_samples_ = samples_[number].next;
    return number;
  }
  return samples_end_ < kSamples ? samples_end_++ : 0;
}

uint32_t* ProfileTables::SampleBucket(uintptr_t start) const {
  return &sample_buckets_[Mix(start) % kSampleBuckets];
}

void ProfileTables::Link(uint32_t number) {
  uint32_t* bucket = SampleBucket(samples_[number].start);
  samples_[number].next = *bucket;
  *bucket = number;
}

// Takes it out of its chain; 0 if there is none.
uint32_t ProfileTables::Unlink(uintptr_t start) {
  if (stacks_ == 0) return 0;
  uint32_t* link = SampleBucket(start);
  while (*link != 0 && samples_[*link].start != start) {
    link = &samples_[*link].next;
  }
  const uint32_t number = *link;
  if (number != 0) *link = samples_[number].next;
  return number;
}

void ProfileTables::Rename(uintptr_t from, uintptr_t to) {
  const uint32_t number = Unlink(from);
  if (number == 0) return;
  samples_[number].start = to;
  Link(number);
}

void ProfileTables::Add(uintptr_t start, size_t size, double weight,
                        uint64_t now, const uintptr_t* frames, size_t depth) {
  const uint32_t number = MakeTables() ? NewSample() : 0;
  const uint32_t stack_number = number == 0 ? 0 : FindStack(frames, depth);
  if (stack_number == 0) {
    ++dropped_;
    if (number == 0) return;
    samples_[number].next = free_samples_;
    free_samples_ = number;
    return;
  }
  samples_[number] = {start, size, weight, now, stack_number, 0};
  Link(number);
  const Counts counts = samples_[number].AsCounts();
  Stack* stack = StackAt(stack_number);
  stack->at_peak.NoteBefore(stack->live, peak_);
  stack->at_mark.NoteBefore(stack->live, mark_);
  stack->live.Add(counts);
  stack->allocated.Add(counts);
  allocated_bytes_ += counts.bytes;
  live_bytes_ += counts.bytes;
  if (live_bytes_ <= peak_bytes_) return;
  peak_bytes_ = live_bytes_;
  ++peak_;
}

void ProfileTables::Remove(uintptr_t start, uint64_t now) {
  const uint32_t number = Unlink(start);
  if (number == 0) return;
  Sample* sample = &samples_[number];
  const Counts counts = sample->AsCounts();
  Stack* stack = StackAt(sample->stack);
  stack->at_peak.NoteBefore(stack->live, peak_);
  stack->at_mark.NoteBefore(stack->live, mark_);
  stack->live.Subtract(counts);
  stack->freed[LifetimeOf(now - Min(now, sample->since))].Add(counts);
  live_bytes_ -= counts.bytes;
  sample->next = free_samples_;
  free_samples_ = number;
}

}  // namespace memalloc
