// The text of the leak report; see leaks.h.

#include "memalloc/observe/leaks.h"

#include <string.h>

#include <algorithm>
#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/options.h"
#include "memalloc/observe/frame_names.h"
#include "memalloc/observe/frame_set.h"
#include "memalloc/observe/leak_finder.h"
#include "memalloc/observe/leak_suppressions.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/path_options.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

std::atomic<bool> g_has_found_leaks{false};

bool IsTold(LeakKind kind) {
  return kind == LeakKind::kDirect || kind == LeakKind::kIndirect ||
         (kind == LeakKind::kReachable &&
          GetOption(Option::kLeaksReachable) != 0);
}

const char* Headline(LeakKind kind) {
  switch (kind) {
    case LeakKind::kDirect:
      return "Direct leak of ";
    case LeakKind::kIndirect:
      return "Indirect leak of ";
    default:
      return "Still reachable: ";
  }
}

void WriteNumber(ReportWriter& out, double value) {
  out.Decimal(static_cast<uint64_t>(Rounded(value)));
}

void WriteCounts(ReportWriter& out, const Counts& counts, const char* between,
                 const char* end) {
  WriteNumber(out, counts.bytes);
  out.Text(" byte(s)").Text(between);
  WriteNumber(out, counts.objects);
  out.Text(end);
}

void WriteHead(ReportWriter& out) {
  const uint64_t interval = GetOption(Option::kSampleInterval);
  out.Text("==").Decimal(static_cast<uint64_t>(os::ProcessId()));
  out.Text("== memalloc: leaks of ").Text(ProgramsName());
  if (interval == 1) {
    out.Text("; every allocation is recorded");
  } else if (interval != 0) {
    out.Text("; estimates from samples, one in ").Decimal(interval);
    out.Text(" bytes");
  } else {
    out.Text("; nothing is recorded, as sample_interval is 0");
  }
  out.Text("\n\n");
}

// Of #3 0x55d0c0a1 in Parse (/usr/bin/server+0x20a1).
void WriteFrame(ReportWriter& out, size_t number, const FramePlace& place) {
  out.Text("    #").Decimal(number).Text(" 0x").Hex(place.address);
  if (place.function.size > 0) {
    out.Text(" in ").Bytes(place.function.data, place.function.size);
  }
  if (place.file.size > 0) {
    out.Text(" (").Bytes(place.file.data, place.file.size).Text("+0x");
    out.Hex(place.offset).Char(')');
  }
  out.Char('\n');
}

// ---- names and suppressions ----

// Calls `visit` with the samples of each stack.
template <typename Visit>
void ForStacks(const LeakFinder& finder, Visit visit) {
  LiveSample* first = finder.begin();
  while (first != finder.end()) {
    LiveSample* end = first;
    while (end != finder.end() && end->stack == first->stack) ++end;
    visit(first, end);
    first = end;
  }
}

bool IsAnyTold(const LiveSample* first, const LiveSample* end) {
  return std::any_of(
      first, end, [](const LiveSample& sample) { return IsTold(sample.kind); });
}

// Calls `visit` with each frame of what is told.
template <typename Visit>
void ForFrames(const LeakFinder& finder, Visit visit) {
  ForStacks(finder, [&](const LiveSample* first, const LiveSample* end) {
    if (!IsAnyTold(first, end)) return;
    const Stack& stack = *first->stack;
    for (size_t i = 0; i < stack.depth; ++i) visit(stack.frames()[i]);
  });
}

LeakPattern* PatternOf(const Stack& stack, const FrameNames& names,
                       LeakSuppressions* suppressions) {
  for (size_t i = 0; i < stack.depth; ++i) {
    const FramePlace place = names.Find(stack.frames()[i]);
    LeakPattern* pattern = suppressions->Find(place.function);
    if (pattern == nullptr) pattern = suppressions->Find(place.file);
    if (pattern != nullptr) return pattern;
  }
  return nullptr;
}

void Suppress(const LeakFinder& finder, const FrameNames& names,
              LeakSuppressions* suppressions) {
  if (suppressions->begin() == suppressions->end()) return;
  ForStacks(finder, [&](LiveSample* first, const LiveSample* end) {
    const auto is_lost = [](const LiveSample& sample) {
      return sample.kind == LeakKind::kDirect;
    };
    if (std::none_of(first, const_cast<LiveSample*>(end), is_lost)) return;
    LeakPattern* pattern = PatternOf(*first->stack, names, suppressions);
    if (pattern == nullptr) return;
    for (LiveSample* sample = first; sample != end; ++sample) {
      if (!is_lost(*sample)) continue;
      sample->kind = LeakKind::kSuppressed;
      pattern->counts.Add(sample->counts);
    }
  });
}

void WriteSuppressions(ReportWriter& out, const Path& path,
                       const LeakSuppressions& suppressions) {
  if (suppressions.is_missing()) {
    out.Text("No suppressions: ").Text(path.text);
    out.Text(" is not there, or empty.\n\n");
  }
  if (suppressions.bad_line() != 0) {
    out.Text("Suppressions: line ").Decimal(suppressions.bad_line());
    out.Text(" of ").Text(path.text).Text(" is not of the form leak:NAME.\n\n");
  }
  bool is_any = false;
  for (const LeakPattern& pattern : suppressions) {
    if (pattern.counts.objects == 0) continue;
    if (!is_any) out.Text("Suppressions used:\n");
    is_any = true;
    out.Text("  ");
    WriteCounts(out, pattern.counts, " in ", " allocation(s): leak:");
    out.Bytes(pattern.text.data, pattern.text.size).Char('\n');
  }
  if (is_any) out.Char('\n');
}

// ---- groups ----

// The samples of one stack and one kind.
struct Group {
  const Stack* stack;
  LeakKind kind;
  Counts counts;
};

bool ComesBefore(const Group& a, const Group& b) {
  if (a.kind != b.kind) return a.kind < b.kind;
  if (a.counts.bytes != b.counts.bytes) return a.counts.bytes > b.counts.bytes;
  return a.stack < b.stack;
}

// Fills in `groups`, in the order in which they are told, and the counts of
// each kind; how many.
size_t MakeGroups(const LeakFinder& finder, Group* groups, Counts* totals) {
  size_t count = 0;
  ForStacks(finder, [&](const LiveSample* first, const LiveSample* end) {
    Counts counts[kNumLeakKinds];
    for (const LiveSample* sample = first; sample != end; ++sample) {
      counts[static_cast<size_t>(sample->kind)].Add(sample->counts);
    }
    for (size_t i = 0; i < kNumLeakKinds; ++i) {
      totals[i].Add(counts[i]);
      const auto kind = static_cast<LeakKind>(i);
      if (counts[i].objects == 0 || !IsTold(kind)) continue;
      groups[count++] = {first->stack, kind, counts[i]};
    }
  });
  std::sort(groups, groups + count, &ComesBefore);
  return count;
}

void WriteGroup(ReportWriter& out, const Group& group,
                const FrameNames& names) {
  out.Text(Headline(group.kind));
  WriteCounts(out, group.counts, " in ", " object(s) allocated from:\n");
  const Stack& stack = *group.stack;
  for (size_t i = 0; i < stack.depth; ++i) {
    WriteFrame(out, i, names.Find(stack.frames()[i]));
  }
  if (stack.depth == 0) out.Text("    <unknown>\n");
  out.Char('\n');
}

void WriteTotals(ReportWriter& out, const Counts* totals) {
  const auto total = [totals](LeakKind kind) {
    return totals[static_cast<size_t>(kind)];
  };
  out.Text("Still reachable: ");
  WriteCounts(out, total(LeakKind::kReachable), " in ", " allocation(s).\n");
  uint64_t dropped;
  {
    const LockHolder holder(g_sampling_lock);
    dropped = g_profile.dropped();
  }
  if (dropped != 0) {
    out.Decimal(dropped).Text(" allocation(s) found no room in the tables.\n");
  }
  Counts lost = total(LeakKind::kDirect);
  lost.Add(total(LeakKind::kIndirect));
  out.Text("SUMMARY: memalloc: ");
  WriteCounts(out, lost, " leaked in ", " allocation(s).\n");
  g_has_found_leaks.store(lost.objects != 0, std::memory_order_relaxed);
}

// What the callers had in registers is on the stack above this frame.
__attribute__((noinline)) void WriteFromHere(ReportWriter& out) {
  // Until there is another verdict.
  g_has_found_leaks.store(false, std::memory_order_relaxed);
  WriteHead(out);
  const auto stack = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const auto own = reinterpret_cast<uintptr_t>(&out);
  LeakFinder finder(stack, own, own + sizeof(out));
  if (!finder.Scan()) {
    out.Text("The heap could not be scanned: memory or files are short.\n");
    return;
  }
  size_t most_frames = 0;
  ForFrames(finder, [&](uintptr_t) { ++most_frames; });
  FrameSet set(most_frames);
  ForFrames(finder, [&](uintptr_t frame) { set.Add(frame); });
  uintptr_t* frames;
  const size_t frame_count = set.Sort(&frames);
  const FrameNames names(frames, frame_count);
  const Path path = ExpandPath(GetPath(PathOption::kLeakSuppressions).text);
  LeakSuppressions suppressions(path.text);
  Suppress(finder, names, &suppressions);
  finder.Classify();
  const auto samples = static_cast<size_t>(finder.end() - finder.begin());
  const MappedMemory memory((samples + kNumLeakKinds) * sizeof(Group));
  auto* groups = memory.As<Group>();
  if (groups == nullptr) {
    out.Text("The leaks could not be sorted: memory is short.\n");
    return;
  }
  Counts totals[kNumLeakKinds];
  const size_t count = MakeGroups(finder, groups, totals);
  for (size_t i = 0; i < count; ++i) WriteGroup(out, groups[i], names);
  WriteSuppressions(out, path, suppressions);
  WriteTotals(out, totals);
}

// For the next report, of another thread maybe, addresses that this one left on
// the stack would be roots.
__attribute__((noinline)) void ClearFrames() {
  char frames[Reachability::kOwnFrames];
  memset(frames, 0, sizeof(frames));
  asm volatile("" ::"r"(frames) : "memory");
}

}  // namespace

__attribute__((noinline)) void WriteLeaks(ReportWriter& writer) {
  __builtin_unwind_init();  // puts all registers on the stack
  WriteFromHere(writer);
  ClearFrames();
}

bool HasFoundLeaks() {
  return g_has_found_leaks.load(std::memory_order_relaxed);
}

}  // namespace memalloc
