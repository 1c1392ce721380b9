// The other calls: calloc and aligned allocation.
//
// `calloc`: zeroed objects of all sizes, dirtied before they are freed;
// clearing only what is not known to be zero is what can be saved.
// `aligned`: alignments of 16 B to 4 KiB as SIMD code, cache-line padding and
// direct I/O ask for, through posix_memalign, aligned_alloc and aligned new.
#include <cstring>
#include <new>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

struct Zeroed {
  unsigned char* data = nullptr;
  size_t size = 0;
};

void ReplaceZeroed(Zeroed* slot, size_t size) {
  // What is freed is dirty, so that zeroes are not there by chance.
  if (slot->data != nullptr) {
    std::memset(slot->data, 0xA5, slot->size < 256 ? slot->size : 256);
    slot->data[slot->size - 1] = 0xA5;
    std::free(slot->data);
  }
  unsigned char* data = static_cast<unsigned char*>(std::calloc(1, size));
  Require(data != nullptr, "out of memory");
  Require(data[0] == 0 && data[size / 2] == 0 && data[size - 1] == 0,
          "calloc gave memory that is not zero");
  slot->data = data;
  slot->size = size;
}

Outcome Calloc(const Params& params) {
  const uint64_t live = params.LiveOr(5000);
  const uint64_t rounds = params.Scaled(5'000'000);
  Random random(params.seed);
  std::vector<Zeroed> slots(live);
  for (uint64_t i = 0; i < rounds; ++i) {
    ReplaceZeroed(&slots[random.Below(live)], TailSize(&random));
  }
  for (const Zeroed& slot : slots) std::free(slot.data);
  return {2 * rounds, {}};
}

// Fresh large tables, as hash tables and matrices begin: 64 KiB to 4 MiB of
// which a tenth of the pages is used.
Outcome CallocLarge(const Params& params) {
  const uint64_t rounds = params.Scaled(2000);
  Random random(params.seed);
  std::vector<unsigned char*> slots(params.LiveOr(32), nullptr);
  for (uint64_t i = 0; i < rounds; ++i) {
    const size_t size = random.Between(64 << 10, 4 << 20);
    unsigned char*& slot = slots[random.Below(slots.size())];
    std::free(slot);
    slot = static_cast<unsigned char*>(std::calloc(size, 1));
    Require(slot != nullptr, "out of memory");
    for (size_t at = 0; at < size; at += 10 * kPageBytes) {
      Require(slot[at] == 0, "calloc gave memory that is not zero");
      slot[at] = 1;
    }
  }
  for (unsigned char* slot : slots) std::free(slot);
  return {2 * rounds, {}};
}

enum class Way { kPosix, kC11, kNew };

struct Aligned {
  void* data = nullptr;
  size_t alignment = 0;
  Way way = Way::kPosix;
};

void Free(const Aligned& slot) {
  if (slot.way == Way::kNew) {
    ::operator delete (slot.data, std::align_val_t{slot.alignment});
  } else {
    std::free(slot.data);
  }
}

Aligned Allocate(Way way, size_t alignment, size_t size) {
  Aligned slot{nullptr, alignment, way};
  switch (way) {
    case Way::kPosix:
      Require(posix_memalign(&slot.data, alignment, size) == 0,
              "posix_memalign failed");
      break;
    case Way::kC11:
      slot.data =
          std::aligned_alloc(alignment, (size + alignment - 1) & -alignment);
      break;
    case Way::kNew:
      slot.data = ::operator new (size, std::align_val_t{alignment});
      break;
  }
  Require(reinterpret_cast<uintptr_t>(slot.data) % alignment == 0,
          "not aligned");
  Mark(slot.data, size);
  return slot;
}

Outcome AlignedCalls(const Params& params) {
  const uint64_t live = params.LiveOr(5000);
  const uint64_t rounds = params.Scaled(3'000'000);
  Random random(params.seed);
  std::vector<Aligned> slots(live);
  for (uint64_t i = 0; i < rounds; ++i) {
    Aligned& slot = slots[random.Below(live)];
    Free(slot);
    const uint64_t bits = random.Next();
    // Low alignments more often: 16 half of the time, 4096 rarely.
    const size_t alignment = size_t{16}
                             << __builtin_ctzll((bits >> 40) | (1u << 8));
    slot = Allocate(static_cast<Way>((bits >> 8) % 3), alignment,
                    SmallSize(&random));
  }
  for (const Aligned& slot : slots) Free(slot);
  return {2 * rounds, {}};
}

}  // namespace

void AddCalls(Workloads* all) {
  all->push_back({"calloc", "zeroed objects of 16 B to 1 MiB", Calloc});
  all->push_back(
      {"calloc-large", "zeroed tables of which a tenth is used", CallocLarge});
  all->push_back({"aligned", "alignments of 16 B to 4 KiB, three kinds of call",
                  AlignedCalls});
}

}  // namespace memalloc_bench
