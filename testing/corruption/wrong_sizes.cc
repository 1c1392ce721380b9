// Frees that tell a wrong size or alignment.

#include <cstdint>
#include <cstdlib>
#include <new>

#include "testing/corruption/corruption.h"

namespace corruption {
namespace {

struct Base {  // no virtual destructor
  char name[16];
};
struct Derived : Base {
  char more[48];
};

void DeleteOfABaseClass() {
  Base* object = new Derived;
  delete static_cast<Base*>(Announce(object));
}

void DeleteOfADerivedClass() {
  auto* object = new Base;
  delete static_cast<Derived*>(Announce(object));
}

void DeleteOfAnArray() {
  auto* array = new Base[10];
  delete static_cast<Base*>(Announce(array));
}

template <size_t size>
void DeleteOf(size_t told) {
  operator delete(Announce(operator new(size)), told);
}

void DeleteArrayOf(size_t size, size_t told) {
  operator delete[](Announce(operator new[](size)), told);
}

void FreeSizedOf(size_t size, size_t told) {
  free_sized(Announce(malloc(size)), told);
}

void AlignedSizeOf(size_t size, size_t told) {
  free_aligned_sized(Announce(aligned_alloc(64, size)), 64, told);
}

void DeleteOfAnotherAlignment(bool has_size) {
  const std::align_val_t alignment{64};
  // Of two neighbours one at least is no multiple of 64.
  const std::vector<void*> cells = AllocateMany(48, 2);
  const bool is_aligned = reinterpret_cast<uintptr_t>(cells[0]) % 64 == 0;
  void* pointer = Announce(cells[is_aligned ? 1 : 0]);
  if (has_size) {
    operator delete (pointer, size_t{48}, alignment);
  } else {
    operator delete(pointer, alignment);
  }
}

}  // namespace

const std::vector<Case> kWrongSizes = {
    {"delete_of_a_base_class", DeleteOfABaseClass},
    {"delete_of_a_derived_class", DeleteOfADerivedClass},
    {"delete_of_an_array", DeleteOfAnArray},
    {"delete_of_a_large_block", [] { DeleteOf<kMiB>(2 * kMiB); }},
    {"delete_of_a_huge_block", [] { DeleteOf<20 * kMiB>(21 * kMiB); }},
    {"delete_array_of_too_much", [] { DeleteArrayOf(100, 200); }},
    {"free_sized_too_much", [] { FreeSizedOf(1000, 1025); }},
    {"free_sized_too_little", [] { FreeSizedOf(1000, 500); }},
    {"free_sized_of_nothing", [] { FreeSizedOf(100, 0); }},
    {"free_aligned_sized_too_much", [] { AlignedSizeOf(256, 257); }},
    {"free_aligned_sized_too_little", [] { AlignedSizeOf(256, 60); }},
    {"delete_of_another_alignment",
     [] { DeleteOfAnotherAlignment(/*has_size=*/false); }},
    {"sized_delete_of_another_alignment",
     [] { DeleteOfAnotherAlignment(/*has_size=*/true); }},
};

}  // namespace corruption
