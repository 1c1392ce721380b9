// Finds memalloc's own functions, which are weak: linked into the program they
// are there directly. Preloaded, the linker may have resolved the weak
// reference to null already, so the dynamic linker is asked as well. Nothing is
// cached: the callers are tests that run from constructors to destructors, and
// a cache would need an initialisation order.

#include "testing/contract/allocator_in_charge.h"

#include <dlfcn.h>

#include <cstdlib>

#include "memalloc/memalloc.h"

namespace contract {
namespace {

template <typename Function>
Function Find(Function linked, const char* name) {
  if (linked != nullptr) return linked;
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

bool OwnedByMemalloc(const void* pointer) {
  auto* owns = Find(&memalloc_owns, "memalloc_owns");
  return owns != nullptr && owns(pointer) == 1;
}

bool MemallocInCharge() {
  void* block = std::malloc(1);
  const bool ours = OwnedByMemalloc(block);
  std::free(block);
  return ours;
}

void CheckHeap() {
  auto* check_heap = Find(&memalloc_check_heap, "memalloc_check_heap");
  if (check_heap != nullptr) check_heap();
}

}  // namespace contract
