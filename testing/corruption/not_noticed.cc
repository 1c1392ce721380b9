// What docs/errors.md says is not noticed, where it is certain.

#include <malloc.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "testing/corruption/corruption.h"

namespace corruption {
namespace {

void InteriorOfAnOwnCell() {
  const std::vector<void*> cells = AllocateMany(64, 3);
  free(Behind(cells[0], 16));
  free(cells[1]);
}

// The cell has a new owner, who loses it.
void DoubleFreeAfterReuse() {
  OnThread([] {
    const std::vector<void*> cells = AllocateMany(20000, 2);
    free(cells[0]);
    void* pointer;
    do {
      pointer = Hide(malloc(20000));
    } while (pointer != cells[0]);
    free(cells[0]);
  });
}

// In a block of this thread, behind all cells that it handed out.
void NotHandedOutYet() {
  OnThread([] { free(Behind(malloc(48), 1000 * 48)); });
}

void WriteBehindTheLink() {
  const std::vector<void*> cells = AllocateMany(64, 50);
  FreeAll(cells);
  memset(Behind(cells[30], 8), 'A', 56);
  AllocateMany(64, 3000);
}

void ReadAfterFree() {
  auto* cell = static_cast<volatile char*>(Hide(malloc(64)));
  free(const_cast<char*>(cell));
  for (int i = 0; i < 64; ++i) (void)cell[i];
}

void WriteBeyondTheEnd() {
  const std::vector<void*> cells = AllocateMany(64, 2);
  memset(cells[0], 'A', 65);
  FreeAll(cells);
}

void SizeOfTheUpperHalf() { operator delete (malloc(64), size_t{33}); }

void SizeOfALargeBlock() { operator delete (malloc(kMiB), size_t{17}); }

void SizeOfAClassWithRoomyCells() {
  free(memalign(1024, 8));
  operator delete (malloc(1024), size_t{8});
}

void SizeOfHalfTheAddressSpace() { operator delete(malloc(64), SIZE_MAX); }

// Ends in a plain SIGSEGV.
void UpperBitsOverwritten() {
  const auto address = reinterpret_cast<uintptr_t>(malloc(64));
  free(Hide(reinterpret_cast<void*>(address | uintptr_t{0x4141} << 48)));
}

}  // namespace

const std::vector<Case> kNotNoticed = {
    {"unnoticed_interior_of_an_own_cell", InteriorOfAnOwnCell},
    {"unnoticed_double_free_after_reuse", DoubleFreeAfterReuse},
    {"unnoticed_free_before_malloc", NotHandedOutYet},
    {"unnoticed_write_behind_the_link", WriteBehindTheLink},
    {"unnoticed_read_after_free", ReadAfterFree},
    {"unnoticed_write_beyond_the_end", WriteBeyondTheEnd},
    {"unnoticed_size_of_the_upper_half", SizeOfTheUpperHalf},
    {"unnoticed_size_of_a_large_block", SizeOfALargeBlock},
    {"unnoticed_size_of_a_roomy_class", SizeOfAClassWithRoomyCells},
    {"unnoticed_size_of_half_the_space", SizeOfHalfTheAddressSpace},
    {"unnoticed_upper_bits", UpperBitsOverwritten},
};

}  // namespace corruption
