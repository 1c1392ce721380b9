// The lines of the heap map; see heap_map.h.

#include "memalloc/observe/heap_map.h"

#include <errno.h>

#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/heap_walk.h"
#include "memalloc/layout/constants.h"
#include "memalloc/layout/size_class.h"
#include "memalloc/observe/json_line.h"
#include "memalloc/observe/mapped_memory.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

const char* NameOf(HeapState state) {
  switch (state) {
    case HeapState::kInUse:
      return "in use";
    case HeapState::kParked:
      return "parked";
    case HeapState::kIdle:
      return "idle";
  }
  return "?";
}

const char* NameOf(ArenaKind kind) {
  return kind == ArenaKind::kBreak ? "break" : "mapped";
}

// Where a small block is. An orphan that a thread claimed may still be listed.
const char* PlaceOf(const BlockHeader& block, const ThreadHeap* owner) {
  if (owner == nullptr) return block.IsOrphan() ? "orphan" : "detached";
  switch (block.place) {
    case BlockPlace::kCurrent:
      return "current";
    case BlockPlace::kWaiting:
      return "waiting";
    case BlockPlace::kPartial:
      return "partial";
    case BlockPlace::kIdle:
      return "idle";
    case BlockPlace::kStirred:
      return "stirred";
    case BlockPlace::kSettled:
      return "settled";
    case BlockPlace::kKept:
      break;
  }
  return "?";
}

class HeapMap final : public HeapVisitor {
 public:
  explicit HeapMap(ReportWriter& out) : out_(out), page_size_(os::PageSize()) {}

  void Begin() {
    JsonLine line(out_);
    line.Number("memalloc_heap_map", 1)
        .Number("pid", static_cast<uint64_t>(os::ProcessId()));
    line.Name("program");
    PrintName(ProgramsName());
    line.Number("page", page_size_)
        .Number("granule", kGranuleSize)
        .Number("arena_bytes", kArenaSize)
        .Flag("hardened", kIsHardened);
    line.Name("classes");
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      out_.Char(c == 0 ? '[' : ',');
      out_.Decimal(CellSize(static_cast<SizeClass>(c)));
    }
    out_.Char(']');
  }

  // A map without this line was cut short.
  void End() {
    JsonLine line(out_);
    line.Flag("end", true)
        .Number("arenas", arenas_)
        .Number("blocks", blocks_)
        .Number("huge", huge_);
  }

  void OnThreadHeap(const ThreadHeapView& view) override {
    JsonLine line(out_);
    line.Address("heap", reinterpret_cast<uintptr_t>(view.heap))
        .Word("state", NameOf(view.state))
        .Address("thread", view.thread);
  }

  void OnArena(const ArenaHeader& arena) override {
    ++arenas_;
    are_pages_known_ =
        os::FindResident(arena.Start(), arena.limit * kGranuleSize, pages_);
    JsonLine line(out_);
    line.Address("arena", arena.Start())
        .Word("kind", NameOf(arena.kind))
        .Number("granules", arena.limit)
        .Flag("huge_pages", arena.huge_pages);
    PrintResident(line, 0, 1);
  }

  void OnBlock(const ArenaHeader& arena, const BlockHeader& block) override {
    const size_t granule = GranuleOf(&block);
    switch (block.status) {
      case BlockStatus::kSmall:
        PrintSmall(block, granule);
        break;
      case BlockStatus::kLarge: {
        JsonLine line(out_);
        PrintRange(line, granule, block.granules,
                   block.IsLargeInUse() ? "large" : "kept");
        line.Number("bytes", block.cell_size);
        break;
      }
      case BlockStatus::kFree:
        PrintFree(arena, granule, block.granules);
        break;
      case BlockStatus::kPurging:
        PrintPlain(granule, block.granules, "purging");
        break;
      case BlockStatus::kMetadata:
        PrintPlain(granule, block.granules, "metadata");
        break;
      default:
        PrintPlain(granule, block.granules, "foreign");
    }
  }

  void OnHuge(const ArenaHeader& mapping, bool is_cached) override {
    ++huge_;
    const uintptr_t start = mapping.Start();
    const size_t bytes = mapping.huge.start + mapping.huge.mapped - start;
    JsonLine line(out_);
    line.Address("huge", mapping.huge.start)
        .Address("mapping", start)
        .Number("bytes", mapping.huge.bytes)
        .Number("mapped", mapping.huge.mapped)
        .Flag("cached", is_cached);
    size_t resident = 0;
    are_pages_known_ = true;
    for (size_t done = 0; done < bytes; done += kArenaSize) {
      const size_t part = Min(bytes - done, kArenaSize);
      are_pages_known_ = os::FindResident(start + done, part, pages_);
      if (!are_pages_known_) break;
      resident += CountPages(0, part / page_size_);
    }
    PrintPages(line, resident);
  }

 private:
  static constexpr size_t kMinPageSize = 4096;

  void PrintName(const char* name) {
    out_.Char('"');
    for (; *name != '\0'; ++name) {
      const bool is_plain =
          *name >= ' ' && *name <= '~' && *name != '"' && *name != '\\';
      out_.Char(is_plain ? *name : '_');
    }
    out_.Char('"');
  }

  size_t CountPages(size_t first, size_t count) const {
    size_t resident = 0;
    for (size_t i = first; i < first + count; ++i) resident += pages_[i] & 1;
    return resident;
  }

  void PrintPages(JsonLine& line, size_t resident) {
    if (are_pages_known_) {
      line.Number("resident", resident);
    } else {
      line.Null("resident");
    }
  }

  // Of granules of the arena that OnArena was told of last.
  void PrintResident(JsonLine& line, size_t granule, size_t granules) {
    const size_t in_granule = kGranuleSize / page_size_;
    PrintPages(line, CountPages(granule * in_granule, granules * in_granule));
  }

  void PrintRange(JsonLine& line, size_t granule, size_t granules,
                  const char* what) {
    ++blocks_;
    line.Number("at", granule).Number("n", granules).Word("is", what);
    PrintResident(line, granule, granules);
  }

  void PrintPlain(size_t granule, size_t granules, const char* what) {
    JsonLine line(out_);
    PrintRange(line, granule, granules, what);
  }

  // A line for each part of a run that is dirty, or not.
  void PrintFree(const ArenaHeader& arena, size_t granule, size_t granules) {
    const size_t end = granule + granules;
    while (granule < end) {
      const bool is_dirty = arena.dirty.Has(granule);
      size_t part = 1;
      while (granule + part < end &&
             arena.dirty.Has(granule + part) == is_dirty) {
        ++part;
      }
      PrintPlain(granule, part, is_dirty ? "dirty" : "clean");
      granule += part;
    }
  }

  void PrintSmall(const BlockHeader& block, size_t granule) {
    const ThreadHeap* owner = block.owner.load(std::memory_order_relaxed);
    const uint32_t carved = block.carved;
    JsonLine line(out_);
    PrintRange(line, granule, block.granules, "small");
    line.Number("cell", block.cell_size)
        .Word("place", PlaceOf(block, owner))
        .Number("used", Min<uint32_t>(block.UsedCells(), carved))
        .Number("carved", carved)
        .Number("capacity", block.capacity)
        .Number("purged", Min<uint32_t>(block.purged_cells, carved));
    if (owner != nullptr) {
      line.Address("owner", reinterpret_cast<uintptr_t>(owner));
    }
  }

  ReportWriter& out_;
  const size_t page_size_;
  bool are_pages_known_ = false;
  uint64_t arenas_ = 0;
  uint64_t blocks_ = 0;
  uint64_t huge_ = 0;
  unsigned char pages_[kArenaSize / kMinPageSize];
};

// Of all lines together.
size_t ExpectedBytes() {
  constexpr size_t kHead = 4096;
  constexpr size_t kLine = 160;
  const CentralCounts counts = g_central_heap.Counts();
  return kHead + kLine * (counts.arenas * kGranulesPerArena + counts.blocks +
                          counts.thread_heaps);
}

}  // namespace

void WriteHeapMap(ReportWriter& out) {
  size_t bytes = ExpectedBytes();
  int error = ENOSPC;
  // The heap may have grown meanwhile.
  for (; error == ENOSPC; bytes *= 2) {
    const MappedMemory memory(bytes);
    ReportWriter lines(memory);
    HeapMap map(lines);
    map.Begin();
    g_central_heap.Walk(&map);
    map.End();
    error = lines.Finish();
    if (error == 0) out.Bytes(memory.As<char>(), lines.size_in_memory());
  }
  if (error != 0) out.Fail(error);
}

}  // namespace memalloc
