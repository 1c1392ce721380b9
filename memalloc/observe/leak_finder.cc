// From live samples to lost ones; see leak_finder.h.

#include "memalloc/observe/leak_finder.h"

#include <algorithm>
#include <atomic>

#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

// While threads run: so many scans, and so long between them.
constexpr int kScans = 3;
constexpr uint64_t kPause = 20;  // milliseconds

void Pause() {
  const std::atomic<uint32_t> nobody{0};
  os::WaitWhile(nobody, 0, kPause);
}

}  // namespace

LeakFinder::LeakFinder(uintptr_t stack, uintptr_t own, uintptr_t own_end)
    : stack_(stack),
      own_(own),
      own_end_(own_end),
      room_(CountSamples()),
      samples_(room_ * sizeof(LiveSample)) {}

size_t LeakFinder::CountSamples() {
  constexpr size_t kMore = 10000;  // until they are taken
  const LockHolder holder(g_sampling_lock);
  return g_profile.sample_count() + kMore;
}

bool LeakFinder::Scan() {
  if (begin() == nullptr) return false;
  TakeSamples();
  if (MayHaveThreads()) {
    for (int i = 1; i < kScans; ++i) {
      // The first time too: samples of the same moment as the last of ours
      // would be taken for these (DropFreed).
      Pause();
      if (!ScanOnce()) return false;
    }
    Pause();
  }
  if (!ScanOnce()) return false;
  DropFreed();
  std::sort(begin(), end(), [](const LiveSample& a, const LiveSample& b) {
    return a.stack != b.stack ? a.stack < b.stack : a.start < b.start;
  });
  return true;
}

void LeakFinder::TakeSamples() {
  const LockHolder holder(g_sampling_lock);
  g_profile.ForSamples([this](const Sample& sample, const Stack& stack) {
    if (count_ == room_) return;
    begin()[count_++] = {sample.start, sample.since, &stack, sample.AsCounts(),
                         LeakKind::kDirect};
  });
}

// Each time for a heap that is measured anew, as it may grow.
bool LeakFinder::ScanOnce() {
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    if (TryToScan()) return true;
  }
  return false;
}

bool LeakFinder::TryToScan() {
  last_.emplace(stack_);
  last_->AddOwn(own_, own_end_);
  uintptr_t tables;
  size_t bytes;
  {
    const LockHolder holder(g_sampling_lock);
    tables = g_profile.start();
    bytes = g_profile.bytes();
  }
  last_->AddOwn(tables, tables + bytes);
  if (!last_->MarkFromRoots()) return false;
  for (LiveSample& sample : *this) {
    if (last_->IsMarked(sample.start)) {
      sample.kind = LeakKind::kReachable;
    }
  }
  return true;
}

// One that begins at the same place now is another one if it is younger.
void LeakFinder::DropFreed() {
  const LockHolder holder(g_sampling_lock);
  for (LiveSample& live : *this) {
    const Sample* sample = g_profile.Find(live.start);
    if (sample == nullptr || sample->since != live.since) {
      live.kind = LeakKind::kGone;
    }
  }
}

void LeakFinder::Classify() {
  Suppress();
  FindIndirect();
}

void LeakFinder::Suppress() {
  for (const LiveSample& sample : *this) {
    if (sample.kind == LeakKind::kSuppressed) {
      last_->MarkFrom(sample.start);
    }
  }
  for (LiveSample& sample : *this) {
    if (sample.kind == LeakKind::kDirect && last_->IsMarked(sample.start)) {
      sample.kind = LeakKind::kSuppressed;
    }
  }
}

// Each lost sample that none before it leads to is direct, unless one behind it
// leads to it. So they are looked at twice, the second time those that are left
// in the other order. Of a cycle one is direct.
void LeakFinder::FindIndirect() {
  last_->SaveMarks();
  for (LiveSample& sample : *this) {
    if (sample.kind == LeakKind::kDirect && !last_->MarkFrom(sample.start)) {
      sample.kind = LeakKind::kIndirect;
    }
  }
  last_->RestoreMarks();
  for (LiveSample* sample = end(); sample != begin();) {
    --sample;
    if (sample->kind == LeakKind::kDirect && !last_->MarkFrom(sample->start)) {
      sample->kind = LeakKind::kIndirect;
    }
  }
}

}  // namespace memalloc
