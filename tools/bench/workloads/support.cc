// The parts of support.h that are not worth inlining.
#include "tools/bench/workloads/support.h"

#include <unistd.h>

#include <cstdio>
#include <thread>
#include <vector>

namespace memalloc_bench {

void Fail(const char* what) {
  std::fprintf(stderr, "workloads: check failed: %s\n", what);
  std::fflush(stderr);
  // The heap may be broken: no destructors, no atexit.
  _exit(3);
}

void RunThreads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace memalloc_bench
