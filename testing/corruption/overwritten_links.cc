// Writes to memory that was freed, or beyond the end of what was not.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "testing/corruption/corruption.h"

namespace corruption {
namespace {

// Eight letters, as a string leaves them.
void Write(void* pointer) { memset(pointer, 'A', sizeof(uint64_t)); }

// The cell that malloc hands out next, over the end of the last one. A thread's
// first cells come in order.
void InTheBin() {
  OnThread([] {
    void* pointer = Announce(Behind(malloc(208), 208));
    Write(pointer);
    AllocateMany(208, 10);
  });
}

void InTheFreeList() {
  const std::vector<void*> cells = AllocateMany(64, 50);
  FreeAll(cells);
  Write(Announce(cells[30]));
  AllocateMany(64, 3000);
}

// A null pointer, or another cell's address, is no link either.
void WrittenWith(uint64_t value) {
  const std::vector<void*> cells = AllocateMany(64, 50);
  FreeAll(cells);
  memcpy(Announce(cells[30]), &value, sizeof(value));
  AllocateMany(64, 3000);
}

// Freed by another thread, in the batch that this one receives. The batch hangs
// on its first cell.
void InABatch(size_t word) {
  const std::vector<void*> cells = AllocateMany(64, 20);
  OnThread([&] {
    free(malloc(64));
    FreeAll(cells);
  });
  Write(Behind(Announce(cells[0]), word * sizeof(uint64_t)));
  AllocateMany(5000, 100);
}

void InAMagazine() {
  void* pointer = Announce(malloc(5000));
  OnThread([pointer] {
    free(malloc(5000));
    free(pointer);
    Write(pointer);
    AllocateMany(5000, 1);
  });
}

}  // namespace

const std::vector<Case> kOverwrittenLinks = {
    {"overwritten_in_the_bin", InTheBin},
    {"overwritten_in_the_free_list", InTheFreeList},
    {"overwritten_with_null", [] { WrittenWith(0); }},
    {"overwritten_with_a_pointer",
     [] { WrittenWith(reinterpret_cast<uintptr_t>(malloc(64))); }},
    {"overwritten_in_a_batch", [] { InABatch(0); }},
    {"overwritten_behind_a_batch", [] { InABatch(1); }},
    {"overwritten_in_a_magazine", InAMagazine},
};

}  // namespace corruption
