// What many threads do to the allocator at once. Each workload is a different
// way for memory to travel between threads; each checks the contents of every
// block whenever it changes hands, and leaves nothing behind.
//
// The operations of each thread follow from the seed alone; how the threads
// interleave does not, of course. When a workload returns, all its threads have
// ended. Used by stress_test.cc, with fixed seeds, and by soak.cc, with new
// ones for as long as it is asked to run.

#ifndef TESTING_STRESS_WORKLOADS_H_
#define TESTING_STRESS_WORKLOADS_H_

#include <cstdint>

#include "testing/stress/item.h"

namespace stress {

struct MailboxOptions {
  int threads = 4;
  uint64_t seed = 1;
  // Of all threads together.
  uint64_t operations = 1000000;
  Sizes sizes = Sizes::kMixed;
  // Operations until a thread ends and is replaced; what it has lives on in
  // the mailboxes.
  uint64_t lifetime = 20000;
};

// Threads allocate, resize, free, put blocks into each other's mailboxes and
// take them out, end and are replaced.
void RunMailboxes(const MailboxOptions& options);

struct PipelineOptions {
  int producers = 1;  // which never free
  int consumers = 1;  // which only free
  uint64_t seed = 1;
  uint64_t blocks = 1000000;
  Sizes sizes = Sizes::kSmall;
  // Blocks in the pipeline at most.
  uint64_t capacity = 4096;
};

// Returns the greatest number of bytes in the pipeline at any time.
uint64_t RunPipeline(const PipelineOptions& options);

// Threads free alternate cells of the same blocks at the same moment, then
// allocate the same again, `rounds` times; sizes up to `largest`.
void RunInterleavedFrees(int threads, uint64_t seed, int rounds,
                         size_t largest);

// One thread allocates `bytes` in blocks of `size` and then sleeps; another
// frees all of them and allocates as much, `rounds` times.
void RunSleepingProducer(uint64_t bytes, size_t size, int rounds);

// A thread forks so many times while `threads` others run mailboxes; the
// children work on.
void RunForkStorm(int threads, uint64_t seed, int forks);

}  // namespace stress

#endif  // TESTING_STRESS_WORKLOADS_H_
