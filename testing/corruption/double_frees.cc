// What was freed is freed again, resized or asked about.

#include <malloc.h>

#include <cstdlib>

#include "testing/corruption/corruption.h"

namespace corruption {
namespace {

void FreeTwice(size_t size) {
  void* pointer = Announce(malloc(size));
  free(pointer);
  free(Hide(pointer));
}

// In a free list below others.
void AfterOtherFrees() {
  const std::vector<void*> cells = AllocateMany(64, 50);
  FreeAll(cells);
  free(Announce(cells[20]));
}

// All free cells of the block wait in the thread's bin, where malloc takes
// them.
void InTheBin() {
  const std::vector<void*> cells = AllocateMany(48, 3000);
  FreeAll(cells);
  AllocateMany(48, 1);
  free(Announce(cells[2990]));
}

void ByAnotherThread() {
  void* pointer = Announce(malloc(64));
  free(pointer);
  OnThread([pointer] { free(Hide(pointer)); });
}

// Another thread freed it: on its way to this one.
void AfterAnotherThread() {
  void* pointer = Announce(malloc(64));
  OnThreadThatStays([pointer] { free(pointer); });
  free(Hide(pointer));
}

void TwiceByAnotherThread() {
  const std::vector<void*> cells = AllocateMany(64, 10);
  OnThread([&] {
    free(malloc(64));
    FreeAll(cells);
    free(Announce(cells[5]));
  });
}

// Kept by the thread that freed it last, for its own next malloc.
void InAMagazine() {
  void* pointer = Announce(malloc(5000));
  OnThread([pointer] {
    free(malloc(5000));
    free(pointer);
    free(Hide(pointer));
  });
}

void DeletedTwice() {
  int* pointer = new int[10];
  auto* same = static_cast<int*>(Announce(pointer));
  delete[] pointer;
  delete[] same;
}

void TheOldPointerOfRealloc() {
  void* pointer = Announce(malloc(100));
  if (realloc(pointer, 1000) == nullptr) abort();
  free(Hide(pointer));
}

void ReallocOf(size_t size) {
  void* pointer = Announce(malloc(size));
  free(pointer);
  free(realloc(Hide(pointer), size));
}

void UsableSizeOf(size_t size) {
  void* pointer = Announce(malloc(size));
  free(pointer);
  if (malloc_usable_size(Hide(pointer)) == 1) abort();
}

}  // namespace

const std::vector<Case> kDoubleFrees = {
    {"double_free", [] { FreeTwice(64); }},
    {"double_free_of_nothing", [] { FreeTwice(0); }},
    {"double_free_of_a_medium_cell", [] { FreeTwice(30 * kKiB); }},
    {"double_free_of_a_large_block", [] { FreeTwice(kMiB); }},
    {"double_free_of_a_huge_block", [] { FreeTwice(20 * kMiB); }},
    {"double_free_of_an_unmapped_block", [] { FreeTwice(500 * kMiB); }},
    {"double_free_after_other_frees", AfterOtherFrees},
    {"double_free_in_the_bin", InTheBin},
    {"double_free_by_another_thread", ByAnotherThread},
    {"double_free_after_another_thread", AfterAnotherThread},
    {"double_free_twice_by_another_thread", TwiceByAnotherThread},
    {"double_free_in_a_magazine", InAMagazine},
    {"double_delete", DeletedTwice},
    {"free_after_realloc", TheOldPointerOfRealloc},
    {"realloc_after_free", [] { ReallocOf(64); }},
    {"realloc_after_free_large", [] { ReallocOf(kMiB); }},
    {"realloc_after_free_huge", [] { ReallocOf(20 * kMiB); }},
    {"usable_size_after_free", [] { UsableSizeOf(64); }},
    {"usable_size_after_free_large", [] { UsableSizeOf(kMiB); }},
};

}  // namespace corruption
