// What must hold of the allocations of a program; see model.h.

#include "testing/fuzz/model.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "memalloc/heap/allocator.h"
#include "testing/contract/pattern.h"

namespace memalloc::fuzz {
namespace {

void CheckContents(const void* pointer, size_t bytes, const Allocation& as) {
  if (contract::FindDamage(pointer, bytes, as.size, as.seed) != bytes) {
    Complain("contents are damaged", pointer, as.size);
  }
}

}  // namespace

void Complain(const char* what, const void* pointer, size_t size) {
  fprintf(stderr, "fuzz: %s: %p, %zu bytes\n", what, pointer, size);
  abort();
}

void* Model::Nth(size_t n) const {
  return reinterpret_cast<void*>(
      std::next(allocations_.begin(), static_cast<ptrdiff_t>(n))->first);
}

const Allocation& Model::Get(void* pointer) const {
  return allocations_.at(reinterpret_cast<uintptr_t>(pointer));
}

void Model::Add(void* pointer, size_t size, size_t alignment) {
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) {
    Complain("wrongly aligned", pointer, size);
  }
  const size_t usable = UsableSize(pointer);
  if (usable < size) Complain("usable size below the size", pointer, size);
  if (!Owns(pointer)) Complain("is not the allocator's own", pointer, size);
  const Allocation made = {size, usable,
                           contract::BlockSeed(pointer, size, ++made_)};
  AddForeign(pointer, made);
  contract::FillPattern(pointer, size, made.seed);
}

void Model::AddZeroed(void* pointer, size_t size) {
  if (contract::FindNonZero(pointer, size) != size) {
    Complain("is not zero", pointer, size);
  }
  Add(pointer, size, alignof(max_align_t));
}

void Model::AddResized(void* pointer, size_t size, const Allocation& before) {
  CheckContents(pointer, std::min(size, before.size), before);
  Add(pointer, size, alignof(max_align_t));
}

void Model::AddForeign(void* pointer, const Allocation& allocation) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const auto above = allocations_.lower_bound(address);
  if (above != allocations_.end() &&
      above->first < address + allocation.usable) {
    Complain("reaches into the next allocation", pointer, allocation.usable);
  }
  if (above != allocations_.begin()) {
    const auto below = std::prev(above);
    if (below->first + below->second.usable > address) {
      Complain("lies in another allocation", pointer, allocation.usable);
    }
  }
  allocations_[address] = allocation;
  bytes_ += allocation.size;
}

Allocation Model::Remove(void* pointer) {
  const auto found = allocations_.find(reinterpret_cast<uintptr_t>(pointer));
  const Allocation allocation = found->second;
  CheckContents(pointer, allocation.size, allocation);
  if (UsableSize(pointer) != allocation.usable) {
    Complain("has another usable size", pointer, allocation.size);
  }
  bytes_ -= allocation.size;
  allocations_.erase(found);
  return allocation;
}

void Model::CheckAll() const {
  for (const auto& [address, allocation] : allocations_) {
    CheckContents(reinterpret_cast<void*>(address), allocation.size,
                  allocation);
  }
}

}  // namespace memalloc::fuzz
