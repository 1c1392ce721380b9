// The names that mallctl knows: docs/moving.md lists them.
//
// What can be said truly of memalloc is answered; a name that would need an
// untruth, such as the counters of "thread.allocatedp", is not here, so that
// programs that ask first go another way.

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <atomic>

#include "memalloc/compat/mallctl.h"
#include "memalloc/compat/option_values.h"
#include "memalloc/compat/snapshot.h"
#include "memalloc/memalloc.h"

namespace memalloc_compat {
namespace {

// What MallocExtension and jemalloc take when asked to sample.
constexpr uint64_t kUsualInterval = uint64_t{512} << 10;
// Of the option sample_interval.
constexpr uint64_t kMostLogarithm = 46;
constexpr char kPrefix[] = "memalloc";

uint64_t Word(const char* text) { return reinterpret_cast<uintptr_t>(text); }

template <uint64_t kValue>
uint64_t Always(size_t) {
  return kValue;
}

uint64_t No(size_t) { return 0; }
uint64_t Yes(size_t) { return 1; }

int Ignore(uint64_t) { return 0; }

// ---- figures ----

std::atomic<uint64_t> g_epoch{1};

uint64_t ReadEpoch(size_t) { return g_epoch.load(std::memory_order_relaxed); }

int WriteEpoch(uint64_t) {
  Snapshot::Refresh();
  g_epoch.fetch_add(1, std::memory_order_relaxed);
  return 0;
}

uint64_t PageSize(size_t) { return static_cast<uint64_t>(getpagesize()); }

uint64_t Pages(uint64_t bytes) {
  return (bytes + PageSize(0) - 1) / PageSize(0);
}

// A figure of the snapshot.
template <uint64_t (Snapshot::*kFigure)() const>
uint64_t Read(size_t) {
  const Snapshot snapshot;
  return (snapshot.*kFigure)();
}

// Of the size class.
template <uint64_t (Snapshot::*kFigure)(size_t) const>
uint64_t ReadOfClass(size_t size_class) {
  const Snapshot snapshot;
  return (snapshot.*kFigure)(size_class);
}

template <uint64_t memalloc_class_statistics::*kField>
uint64_t ReadField(size_t size_class) {
  const Snapshot snapshot;
  return snapshot.Of(size_class).*kField;
}

uint64_t BlockSize(size_t size_class) {
  const Snapshot snapshot;
  const uint64_t used =
      snapshot.CellsPerBlock(size_class) * snapshot.Of(size_class).cell_size;
  constexpr uint64_t kGranule = uint64_t{64} << 10;
  return (used + kGranule - 1) / kGranule * kGranule;
}

uint64_t SmallAllocated(size_t) {
  const Snapshot snapshot;
  return snapshot->live_cells.bytes + snapshot->guarded.bytes;
}

uint64_t LargeAllocated(size_t) {
  const Snapshot snapshot;
  return snapshot->live_large.bytes + snapshot->live_huge.bytes;
}

uint64_t LargeAllocations(size_t) {
  const Snapshot snapshot;
  return snapshot->large_allocations + snapshot->huge_allocations;
}

uint64_t LargeFrees(size_t) {
  const Snapshot snapshot;
  return snapshot->large_frees + snapshot->huge_frees;
}

uint64_t SmallAllocations(size_t) {
  const Snapshot snapshot;
  return snapshot->allocations - snapshot->large_allocations -
         snapshot->huge_allocations;
}

uint64_t SmallFrees(size_t) {
  const Snapshot snapshot;
  return snapshot->frees - snapshot->large_frees - snapshot->huge_frees;
}

uint64_t ActivePages(size_t) { return Pages(Read<&Snapshot::Active>(0)); }

uint64_t DirtyPages(size_t) { return Pages(Read<&Snapshot::FreePages>(0)); }

uint64_t Threads(size_t) {
  const Snapshot snapshot;
  return snapshot->threads;
}

uint64_t PurgedPages(size_t) {
  const Snapshot snapshot;
  return snapshot->purged_bytes / PageSize(0);
}

uint64_t PurgeCalls(size_t) {
  const Snapshot snapshot;
  return snapshot->purge_calls;
}

// ---- memory goes back ----

int Purge(uint64_t) {
  malloc_trim(0);
  Snapshot::Forget();
  return 0;
}

// Milliseconds; -1 is never.
uint64_t ReadDecay(size_t) {
  const uint64_t delay = GetOption("purge_delay");
  return delay == kNever ? static_cast<uint64_t>(-1) : delay;
}

int WriteDecay(uint64_t value) {
  const auto delay = static_cast<int64_t>(value);
  if (delay < -1) return EFAULT;
  const bool is_never = delay == -1 || value > kNever;
  return SetOption("purge_delay", is_never ? kNever : value) == 0 ? 0 : EFAULT;
}

uint64_t HasBackgroundThread(size_t) { return GetOption("background_thread"); }

int SetBackgroundThread(uint64_t value) {
  return SetOption("background_thread", value != 0) == 0 ? 0 : EFAULT;
}

int SetMaxBackgroundThreads(uint64_t value) { return value != 0 ? 0 : EINVAL; }

// All threads belong to the one arena.
int SetThreadsArena(uint64_t value) { return value == 0 ? 0 : EFAULT; }

// ---- profiles ----

// The interval that is taken when sampling is switched on.
std::atomic<uint64_t> g_interval{kUsualInterval};

uint64_t IsSampling(size_t) { return GetOption("sample_interval") != 0; }

int SetSampling(uint64_t value) {
  const uint64_t current = GetOption("sample_interval");
  if ((value != 0) == (current != 0)) return 0;
  if (value != 0) return SetOption("sample_interval", g_interval.load());
  g_interval.store(current);
  return SetOption("sample_interval", 0);
}

uint64_t SampleLogarithm(size_t) {
  uint64_t interval = GetOption("sample_interval");
  if (interval == 0) interval = g_interval.load();
  return 63 - static_cast<uint64_t>(__builtin_clzll(interval));
}

// The name of the n-th profile, as jemalloc makes it.
void NameProfile(char* path, size_t size) {
  static std::atomic<unsigned> g_profiles{0};
  const unsigned number = g_profiles.fetch_add(1, std::memory_order_relaxed);
  snprintf(path, size, "%s.%d.%u.m%u.heap", kPrefix, getpid(), number, number);
}

// A '%' has a meaning in paths of reports.
bool CopyPath(const char* from, char* path, size_t size) {
  size_t length = 0;
  for (; *from != '\0'; ++from) {
    if (length + 2 >= size) return false;
    if (*from == '%') path[length++] = '%';
    path[length++] = *from;
  }
  path[length] = '\0';
  return true;
}

int DumpProfile(uint64_t value) {
  char path[PATH_MAX];
  if (value == 0) {
    NameProfile(path, sizeof(path));
  } else if (!CopyPath(reinterpret_cast<const char*>(value), path,
                       sizeof(path))) {
    return EFAULT;
  }
  return memalloc_write_report("profile", path) == 0 ? 0 : EFAULT;
}

// A logarithm of the interval may come along; it does not switch sampling on.
int ResetProfile(uint64_t value) {
  if (value > kMostLogarithm) return EFAULT;
  const uint64_t interval = uint64_t{1} << value;
  if (value != 0 && IsSampling(0) == 0) {
    g_interval.store(interval);
  } else if (value != 0 && SetOption("sample_interval", interval) != 0) {
    return EFAULT;
  }
  memalloc_mark_profile();
  return 0;
}

// ---- words ----

uint64_t Version(size_t) { return Word(memalloc_version()); }

uint64_t HugePages(size_t) {
  char text[16];
  memalloc_get_option("huge_pages", text, sizeof(text));
  if (strcmp(text, "never") == 0) return Word("never");
  return Word(strcmp(text, "always") == 0 ? "always" : "default");
}

uint64_t HugeThreshold(size_t) { return GetOption("huge_threshold"); }

uint64_t Empty(size_t) { return Word(""); }
uint64_t Disabled(size_t) { return Word("disabled"); }
uint64_t False(size_t) { return Word("false"); }
uint64_t Primary(size_t) { return Word("primary"); }
uint64_t Freed(size_t) { return Word("free"); }
uint64_t Prefix(size_t) { return Word(kPrefix); }

using Row = memalloc_class_statistics;
constexpr Width kNone = Width::kNone;
constexpr Width kBool = Width::kBool;
constexpr Width kUnsigned = Width::kUnsigned;
constexpr Width kWord = Width::kWord;

}  // namespace

extern const Control kControls[] = {
    {"version", kWord, &Version, nullptr},
    {"epoch", kWord, &ReadEpoch, &WriteEpoch, /*is_written_first=*/true},
    {"background_thread", kBool, &HasBackgroundThread, &SetBackgroundThread},
    {"max_background_threads", kWord, &Yes, &SetMaxBackgroundThreads},

    {"config.cache_oblivious", kBool, &No, nullptr},
    {"config.debug", kBool, &No, nullptr},
    {"config.fill", kBool, &No, nullptr},
    {"config.lazy_lock", kBool, &No, nullptr},
    {"config.malloc_conf", kWord, &Empty, nullptr},
    {"config.opt_safety_checks", kBool, &Yes, nullptr},
    {"config.prof", kBool, &Yes, nullptr},
    {"config.prof_libgcc", kBool, &Yes, nullptr},
    {"config.prof_libunwind", kBool, &No, nullptr},
    {"config.stats", kBool, &Yes, nullptr},
    {"config.utrace", kBool, &No, nullptr},
    {"config.xmalloc", kBool, &No, nullptr},

    {"opt.abort", kBool, &No, nullptr},
    {"opt.abort_conf", kBool, &No, nullptr},
    {"opt.background_thread", kBool, &HasBackgroundThread, nullptr},
    {"opt.dirty_decay_ms", kWord, &ReadDecay, nullptr},
    {"opt.dss", kWord, &Primary, nullptr},
    {"opt.junk", kWord, &False, nullptr},
    {"opt.lg_prof_sample", kWord, &SampleLogarithm, nullptr},
    {"opt.max_background_threads", kWord, &Yes, nullptr},
    {"opt.metadata_thp", kWord, &Disabled, nullptr},
    {"opt.muzzy_decay_ms", kWord, &No, nullptr},
    {"opt.narenas", kUnsigned, &Yes, nullptr},
    {"opt.oversize_threshold", kWord, &HugeThreshold, nullptr},
    {"opt.percpu_arena", kWord, &Disabled, nullptr},
    {"opt.prof", kBool, &Yes, nullptr},
    {"opt.prof_active", kBool, &IsSampling, nullptr},
    {"opt.prof_accum", kBool, &Yes, nullptr},
    {"opt.prof_final", kBool, &No, nullptr},
    {"opt.prof_leak", kBool, &No, nullptr},
    {"opt.prof_prefix", kWord, &Prefix, nullptr},
    {"opt.retain", kBool, &Yes, nullptr},
    {"opt.stats_print", kBool, &No, nullptr},
    {"opt.tcache", kBool, &Yes, nullptr},
    {"opt.thp", kWord, &HugePages, nullptr},
    {"opt.utrace", kBool, &No, nullptr},
    {"opt.xmalloc", kBool, &No, nullptr},
    {"opt.zero", kBool, &No, nullptr},
    {"opt.zero_realloc", kWord, &Freed, nullptr},

    {"thread.arena", kUnsigned, &No, &SetThreadsArena},
    {"thread.idle", kNone, nullptr, &Ignore},
    {"thread.tcache.enabled", kBool, &Yes, &Ignore},
    {"thread.tcache.flush", kNone, nullptr, &Ignore},

    {"arena.@.decay", kNone, nullptr, &Purge},
    {"arena.@.purge", kNone, nullptr, &Purge},
    {"arena.@.initialized", kBool, &Yes, nullptr},
    {"arena.@.dirty_decay_ms", kWord, &ReadDecay, &WriteDecay},
    {"arena.@.muzzy_decay_ms", kWord, &No, &Ignore},

    {"arenas.bin.#.nregs", kUnsigned, &ReadOfClass<&Snapshot::CellsPerBlock>,
     nullptr},
    {"arenas.bin.#.size", kWord, &ReadField<&Row::cell_size>, nullptr},
    {"arenas.bin.#.slab_size", kWord, &BlockSize, nullptr},
    {"arenas.dirty_decay_ms", kWord, &ReadDecay, &WriteDecay},
    {"arenas.muzzy_decay_ms", kWord, &No, &Ignore},
    {"arenas.narenas", kUnsigned, &Yes, nullptr},
    {"arenas.nbins", kUnsigned, &Always<MEMALLOC_SIZE_CLASSES>, nullptr},
    {"arenas.nlextents", kUnsigned, &No, nullptr},
    {"arenas.page", kWord, &PageSize, nullptr},
    {"arenas.quantum", kWord, &Always<16>, nullptr},

    {"prof.active", kBool, &IsSampling, &SetSampling},
    {"prof.dump", kWord, nullptr, &DumpProfile},
    {"prof.lg_sample", kWord, &SampleLogarithm, nullptr},
    {"prof.reset", kWord, nullptr, &ResetProfile},

    {"stats.active", kWord, &Read<&Snapshot::Active>, nullptr},
    {"stats.allocated", kWord, &Read<&Snapshot::Allocated>, nullptr},
    {"stats.background_thread.num_threads", kWord, &HasBackgroundThread,
     nullptr},
    {"stats.mapped", kWord, &Read<&Snapshot::Mapped>, nullptr},
    {"stats.metadata", kWord, &Read<&Snapshot::Metadata>, nullptr},
    {"stats.metadata_thp", kWord, &No, nullptr},
    {"stats.resident", kWord, &Read<&Snapshot::Resident>, nullptr},
    {"stats.retained", kWord, &Read<&Snapshot::Retained>, nullptr},

    {"stats.arenas.@.bins.#.curregs", kWord, &ReadField<&Row::live>, nullptr},
    {"stats.arenas.@.bins.#.curslabs", kWord,
     &ReadOfClass<&Snapshot::FilledBlocks>, nullptr},
    {"stats.arenas.@.bins.#.ndalloc", kWord, &ReadField<&Row::frees>, nullptr},
    {"stats.arenas.@.bins.#.nmalloc", kWord, &ReadField<&Row::allocations>,
     nullptr},
    {"stats.arenas.@.bins.#.nrequests", kWord, &ReadField<&Row::allocations>,
     nullptr},
    {"stats.arenas.@.dirty_decay_ms", kWord, &ReadDecay, nullptr},
    {"stats.arenas.@.dirty_nmadvise", kWord, &PurgeCalls, nullptr},
    {"stats.arenas.@.dirty_purged", kWord, &PurgedPages, nullptr},
    {"stats.arenas.@.large.allocated", kWord, &LargeAllocated, nullptr},
    {"stats.arenas.@.large.ndalloc", kWord, &LargeFrees, nullptr},
    {"stats.arenas.@.large.nmalloc", kWord, &LargeAllocations, nullptr},
    {"stats.arenas.@.large.nrequests", kWord, &LargeAllocations, nullptr},
    {"stats.arenas.@.mapped", kWord, &Read<&Snapshot::Mapped>, nullptr},
    {"stats.arenas.@.muzzy_decay_ms", kWord, &No, nullptr},
    {"stats.arenas.@.muzzy_purged", kWord, &No, nullptr},
    {"stats.arenas.@.nthreads", kUnsigned, &Threads, nullptr},
    {"stats.arenas.@.pactive", kWord, &ActivePages, nullptr},
    {"stats.arenas.@.pdirty", kWord, &DirtyPages, nullptr},
    {"stats.arenas.@.pmuzzy", kWord, &No, nullptr},
    {"stats.arenas.@.resident", kWord, &Read<&Snapshot::Resident>, nullptr},
    {"stats.arenas.@.retained", kWord, &Read<&Snapshot::Retained>, nullptr},
    {"stats.arenas.@.small.allocated", kWord, &SmallAllocated, nullptr},
    {"stats.arenas.@.small.ndalloc", kWord, &SmallFrees, nullptr},
    {"stats.arenas.@.small.nmalloc", kWord, &SmallAllocations, nullptr},
    {"stats.arenas.@.small.nrequests", kWord, &SmallAllocations, nullptr},
    {"stats.arenas.@.tcache_bytes", kWord, &Read<&Snapshot::AtHand>, nullptr},
};
extern const size_t kNumControls = sizeof(kControls) / sizeof(kControls[0]);

}  // namespace memalloc_compat
