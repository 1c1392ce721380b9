// The lines of the heap map; see heap_map.h.

#include "memalloc/observe/heap_map.h"

#include <errno.h>

#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/heap_walk.h"
#include "memalloc/heap/resident_pages.h"
#include "memalloc/layout/constants.h"
#include "memalloc/layout/size_class.h"
#include "memalloc/observe/json.h"
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
  explicit HeapMap(ReportWriter& out)
      : out_(out), page_size_(os::PageSize()), pages_(/*with_pages=*/true) {}

  void Begin() {
    JsonLine line(out_);
    line.Number("memalloc_heap_map", 1)
        .Number("pid", static_cast<uint64_t>(os::ProcessId()))
        .Word("program", ProgramsName())
        .Number("page", page_size_)
        .Number("granule", kGranuleSize)
        .Number("arena_bytes", kArenaSize)
        .Flag("hardened", kIsHardened)
        .Begin('[', "classes");
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      line.Number(nullptr, CellSize(static_cast<SizeClass>(c)));
    }
    line.End(']');
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
    arena_ = arena.Start();
    pages_.Begin(arena_, arena.End());
    JsonLine line(out_);
    line.Address("arena", arena_)
        .Word("kind", NameOf(arena.kind))
        .Number("granules", arena.limit)
        .Flag("huge_pages", arena.huge_pages);
    PrintResident(line, arena_, kGranuleSize);
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
    const uintptr_t end = mapping.huge.start + mapping.huge.mapped;
    JsonLine line(out_);
    line.Address("huge", mapping.huge.start)
        .Address("mapping", start)
        .Number("bytes", mapping.huge.bytes)
        .Number("mapped", mapping.huge.mapped)
        .Flag("cached", is_cached);
    pages_.Begin(start, end);
    PrintResident(line, start, end - start);
  }

 private:
  // Of the arena or the mapping that the visitor was told of last.
  void PrintResident(JsonLine& line, uintptr_t start, size_t bytes) {
    const Extent extent = pages_.Look(start, start + bytes);
    if (pages_.is_known()) {
      line.Number("resident", extent.resident / page_size_);
    } else {
      line.Null("resident");
    }
  }

  void PrintRange(JsonLine& line, size_t granule, size_t granules,
                  const char* what) {
    ++blocks_;
    line.Number("at", granule).Number("n", granules).Word("is", what);
    PrintResident(line, arena_ + granule * kGranuleSize,
                  granules * kGranuleSize);
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
  ResidentPages pages_;
  uintptr_t arena_ = 0;  // the one that OnBlock is told of
  uint64_t arenas_ = 0;
  uint64_t blocks_ = 0;
  uint64_t huge_ = 0;
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
