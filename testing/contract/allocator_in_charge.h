// Which allocator answers in this process, and whether it should.
//
// Every test of the public interface runs against memalloc and against libc.
// A test binary that was meant for memalloc but silently runs on libc would
// pass and prove nothing, so each target links one of two tiny libraries,
// :expect_memalloc or :expect_libc, and the tests compare that with what
// memalloc_owns() says about a real block.
//
// Under a sanitizer //memalloc steps aside by design; the targets are marked as
// incompatible with it.

#ifndef TESTING_CONTRACT_ALLOCATOR_IN_CHARGE_H_
#define TESTING_CONTRACT_ALLOCATOR_IN_CHARGE_H_

namespace contract {

// True in targets that link memalloc; defined by :expect_memalloc and
// :expect_libc.
extern const bool kExpectMemalloc;

// True when `pointer` points into memory of memalloc, be it linked statically
// or preloaded; false also when memalloc is not in the process at all.
bool OwnedByMemalloc(const void* pointer);

// True when malloc() is memalloc's.
bool MemallocInCharge();

// Walks memalloc's heap, which aborts if it is inconsistent; nothing on libc.
// No other thread may be inside the allocator.
void CheckHeap();

}  // namespace contract

#endif  // TESTING_CONTRACT_ALLOCATOR_IN_CHARGE_H_
