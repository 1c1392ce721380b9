// The scan; see reachability.h.

#include "memalloc/observe/reachability.h"

#include <string.h>

#include <algorithm>

#include "memalloc/base/math.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

bool HasPath(const Mapping& mapping, const char* path) {
  return mapping.path_size == strlen(path) &&
         memcmp(mapping.path, path, mapping.path_size) == 0;
}
bool BeginsWith(const Mapping& mapping, const char* start) {
  const size_t size = strlen(start);
  return mapping.path_size >= size && memcmp(mapping.path, start, size) == 0;
}

// A read of a device may do anything.
bool IsDevice(const Mapping& mapping) {
  return BeginsWith(mapping, "/dev/") && !BeginsWith(mapping, "/dev/shm/") &&
         !BeginsWith(mapping, "/dev/hugepages/") &&
         !BeginsWith(mapping, "/dev/zero");
}

}  // namespace

Reachability::Reachability(uintptr_t stack)
    : stack_(stack),
      page_size_(os::PageSize()),
      graph_(MeasureHeap()),
      workspace_(sizeof(Workspace)),
      pending_(graph_.room() * sizeof(Node)) {}

bool Reachability::MarkFromRoots() {
  Mappings mappings;
  if (!memory_.IsWhole() || workspace_.As<char>() == nullptr ||
      pending_.As<char>() == nullptr || !mappings.IsWhole()) {
    return false;
  }
  // What is made from now on is not among the mappings.
  MappedMemory::ForAll(
      [this](uintptr_t start, uintptr_t end) { AddOwn(start, end); });
  if (!graph_.Take()) return false;
  Mapping mapping;
  while (memory_.IsWhole() && mappings.Next(&mapping)) {
    ScanMapping(mapping);
    Drain();
  }
  // If the stack itself was allocated.
  MarkFrom(stack_);
  return memory_.IsWhole();
}

bool Reachability::IsMarked(uintptr_t allocation) const {
  Node node;
  return !graph_.Find(allocation, &node) || graph_.IsMarked(node);
}

bool Reachability::MarkFrom(uintptr_t allocation) {
  Node node;
  if (!graph_.Find(allocation, &node) || graph_.IsMarked(node)) return false;
  Follow(node);
  Drain();
  return true;
}

// ---- roots ----

// Memory that cannot be written to counts too: it may have been closed after
// something was written there, as what the linker sets up.
void Reachability::ScanMapping(const Mapping& mapping) {
  const bool may_lead = mapping.is_readable &&
                        (mapping.is_writable || mapping.is_private) &&
                        !BeginsWith(mapping, "[v") && !IsDevice(mapping);
  if (!may_lead) return;
  const Wanted wanted = !mapping.is_private        ? Wanted::kResident
                        : BeginsWith(mapping, "/") ? Wanted::kOwn
                                                   : Wanted::kWritten;
  uintptr_t frames = mapping.end;
  uintptr_t frames_end = mapping.end;
  if (stack_ >= mapping.start && stack_ < mapping.end) {
    frames_end = stack_;
    // A program may have other stacks in the same mapping.
    const size_t below = stack_ - mapping.start;
    frames =
        stack_ - (HasPath(mapping, "[stack]") ? below : Min(below, kOwnFrames));
  }
  ScanRoot(mapping.start, frames, wanted);
  ScanRoot(frames_end, mapping.end, wanted);
}

// Without what is the allocator's.
void Reachability::ScanRoot(uintptr_t start, uintptr_t end, Wanted wanted) {
  const MemoryRange* own = graph_.own_ranges();
  const MemoryRange* last = own + graph_.own_range_count();
  own = std::lower_bound(
      own, last, start,
      [](const MemoryRange& range, uintptr_t at) { return range.end <= at; });
  for (; start < end && own != last && own->start < end; ++own) {
    if (start < own->start) ScanPages(start, own->start, wanted);
    start = Max(start, own->end);
  }
  if (start < end) ScanPages(start, end, wanted);
}

// ---- memory ----

// Only pages that may hold an address. If they are not known, all of them.
void Reachability::ScanPages(uintptr_t start, uintptr_t end, Wanted wanted) {
  while (start < end) {
    const uintptr_t first = RoundDown(start, page_size_);
    const size_t pages =
        Min((end - first + page_size_ - 1) / page_size_, size_t{kPagesAtOnce});
    const uintptr_t group_end = Min(end, first + pages * page_size_);
    if (!FindWanted(first, pages, wanted)) memset(work().is_wanted, 1, pages);
    const auto is_wanted = [this](size_t page) {
      return (work().is_wanted[page] & 1) != 0;
    };
    for (size_t i = 0; i < pages; ++i) {
      if (!is_wanted(i)) continue;
      const uintptr_t from = Max(start, first + i * page_size_);
      while (i < pages && is_wanted(i)) ++i;
      ScanRange(from, Min(end, first + i * page_size_));
    }
    start = group_end;
  }
}

// The page map has what this process used of memory that is shared, and a child
// of fork has used nothing.
bool Reachability::FindWanted(uintptr_t start, size_t pages, Wanted wanted) {
  unsigned char* is_wanted = work().is_wanted;
  if (wanted == Wanted::kResident) {
    return os::FindResident(start, pages * page_size_, is_wanted);
  }
  if (!memory_.LookAtPages(start, pages, work().pages)) return false;
  for (size_t i = 0; i < pages; ++i) {
    const os::PageState state = work().pages[i];
    is_wanted[i] = state == os::PageState::kOwn ||
                   (state == os::PageState::kShared && wanted != Wanted::kOwn);
  }
  return true;
}

void Reachability::ScanRange(uintptr_t start, uintptr_t end) {
  const auto copy = [this](uintptr_t from, uintptr_t to) {
    const os::Piece piece = {
        from, Min<size_t>(to - from, os::ProcessMemory::kMaxBytes)};
    return RoundDown(memory_.Copy(&piece, 1, work().copy), sizeof(uintptr_t));
  };
  while (start < end) {
    const uintptr_t next_page = RoundDown(start, page_size_) + page_size_;
    size_t copied = copy(start, end);
    if (copied == 0) copied = copy(start, Min(end, next_page));
    ScanWords(work().copy, copied);
    start = copied == 0 ? next_page : start + copied;
  }
}

void Reachability::ScanWords(const char* words, size_t bytes) {
  for (size_t i = 0; i + sizeof(uintptr_t) <= bytes; i += sizeof(uintptr_t)) {
    uintptr_t word;
    memcpy(&word, words + i, sizeof(word));
    Node node;
    if (graph_.Find(word, &node)) Follow(node);
  }
}

// ---- allocations ----

void Reachability::Follow(Node node) {
  if (graph_.Mark(node)) pending_.As<Node>()[pending_count_++] = node;
}

// Scans what was marked until nothing is left. Small ones are copied together.
void Reachability::Drain() {
  constexpr size_t kMaxTogether = os::ProcessMemory::kMaxBytes / 4;
  Batch& batch = work().batch;
  while (pending_count_ > 0 || batch.count > 0) {
    const bool is_full =
        batch.count == os::ProcessMemory::kMaxPieces ||
        os::ProcessMemory::kMaxBytes - batch.bytes < kMaxTogether;
    if (is_full || pending_count_ == 0) {
      ScanBatch();
      continue;
    }
    const Node node = pending_.As<Node>()[--pending_count_];
    const MemoryRange range = graph_.RangeOf(node);
    const size_t bytes = range.end - range.start;
    if (bytes > kMaxTogether) {
      ScanPages(range.start, range.end, Wanted::kWritten);
      continue;
    }
    batch.pieces[batch.count] = {range.start, bytes};
    batch.nodes[batch.count] = node;
    ++batch.count;
    batch.bytes += bytes;
  }
}

void Reachability::ScanBatch() {
  Batch& batch = work().batch;
  const size_t copied = memory_.Copy(batch.pieces, batch.count, work().copy);
  size_t i = 0;
  size_t done = 0;
  for (; i < batch.count && done + batch.pieces[i].bytes <= copied; ++i) {
    ScanNode(batch.nodes[i], batch.pieces[i].bytes, work().copy + done);
    done += batch.pieces[i].bytes;
  }
  for (; i < batch.count; ++i) {
    const os::Piece& piece = batch.pieces[i];
    if (memory_.Copy(&piece, 1, work().copy) == piece.bytes) {
      ScanNode(batch.nodes[i], piece.bytes, work().copy);
    } else {
      ScanRange(piece.start, piece.start + piece.bytes);
    }
  }
  batch.count = 0;
  batch.bytes = 0;
}

// What is free may still hold what it held.
void Reachability::ScanNode(Node node, size_t bytes, const char* copy) {
  if (!graph_.IsFree(node, copy, bytes)) ScanWords(copy, bytes);
}

}  // namespace memalloc
