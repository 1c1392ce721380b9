// How much memory this process has, as the kernel counts it.
//
// Bounds on memory are part of several tests: memory that is not reused shows
// as resident pages, and limits on the address space are set relative to what
// is in use. The functions read /proc/self by plain system calls into a buffer
// on the stack: they allocate nothing and so disturb nothing they measure, and
// they can be called before main, after exit and under any limit.

#ifndef TESTING_CONTRACT_PROCESS_MEMORY_H_
#define TESTING_CONTRACT_PROCESS_MEMORY_H_

#include <cstddef>

namespace contract {

// Bytes in physical memory now.
size_t ResidentBytes();

// Bytes of address space now; what RLIMIT_AS counts.
size_t AddressSpaceBytes();

// Bytes of private writable memory now; what RLIMIT_DATA counts, and the stack.
size_t DataBytes();

// The most bytes that were resident at once so far.
size_t PeakResidentBytes();

}  // namespace contract

#endif  // TESTING_CONTRACT_PROCESS_MEMORY_H_
