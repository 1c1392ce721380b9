// Clocks and resident memory of this process, for main.cc.
//
// Reading them does not allocate, so that taking a figure does not change the
// next one. The peak is the kernel's high-water mark of this address space
// (VmHWM): getrusage's would include the process that forked us.
#ifndef TOOLS_BENCH_WORKLOADS_MEASURE_H_
#define TOOLS_BENCH_WORKLOADS_MEASURE_H_

#include <cstdint>

namespace memalloc_bench {

double WallSeconds();
double CpuSeconds();  // Of all threads, user and system.

struct Resident {
  int64_t now_kib = 0;
  int64_t peak_kib = 0;
};

Resident ReadResident();

struct Faults {
  int64_t minor = 0;
  int64_t switches = 0;  // Voluntary and involuntary context switches.
};

Faults ReadFaults();

}  // namespace memalloc_bench

#endif  // TOOLS_BENCH_WORKLOADS_MEASURE_H_
