// A plan: a trace made ready to be replayed. Its addresses have become places,
// and what a call has to wait for is worked out.
//
// The file is a Header, the Threads, and the Steps of all threads one after the
// other. It is for the same machine and build only, so it has no version.

#ifndef TOOLS_REPLAY_PLAN_H_
#define TOOLS_REPLAY_PLAN_H_

#include <cstdint>

namespace memalloc::replay {

enum class Action : uint8_t {
  kMalloc,
  kCalloc,
  kAligned,
  kRealloc,
  kFree,
  kSizedFree,
  kStartThread,  // `place` is its number
  kSample,       // `place` is that of the sample
};
constexpr int kNumCalls = 6;  // the first so many actions

struct Step {
  uint64_t number;  // of the call in the trace: the order of all steps
  uint64_t size;    // of an allocation, also where it is freed
  uint32_t place;   // of the allocation
  uint32_t turn;    // how many calls had the place before this one
  Action action;
  uint8_t alignment_shift;  // of an allocation that asked for one, else 0
  uint8_t must_wait;        // the call before on the place is another thread's
  uint8_t unused[5];
};
static_assert(sizeof(Step) == 32);

struct Thread {
  uint64_t first_step;
  uint64_t steps;
};

struct Header {
  uint64_t threads;
  uint64_t steps;
  uint64_t places;
  uint64_t samples;
};

}  // namespace memalloc::replay

#endif  // TOOLS_REPLAY_PLAN_H_
