// Faults of memory accesses, as the kernel tells them: SIGSEGV. Layer: os.

#ifndef MEMALLOC_OS_FAULTS_H_
#define MEMALLOC_OS_FAULTS_H_

#include <stdint.h>

namespace memalloc::os {

enum class Access : uint8_t { kUnknown, kRead, kWrite };

struct Fault {
  uintptr_t address;
  uintptr_t pc;  // of the instruction, 0 if not known
  Access access;
};

// Shows `look` each fault from now on, in the handler of the signal, on the
// thread's alternate stack if it has one. Then the fault takes its course: to
// the handler that was there before, or to the signal's default action. Called
// once. Whether the kernel agreed; a program that installs a handler of its own
// later takes the faults away.
bool WatchFaults(void (*look)(const Fault&));

}  // namespace memalloc::os

#endif  // MEMALLOC_OS_FAULTS_H_
