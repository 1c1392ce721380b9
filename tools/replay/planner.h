// Makes a plan of a trace.

#ifndef TOOLS_REPLAY_PLANNER_H_
#define TOOLS_REPLAY_PLANNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/replay/plan.h"
#include "tools/replay/trace_reader.h"

namespace memalloc::replay {

struct Plan {
  // By thread, in its order.
  std::vector<std::vector<Step>> steps;
  uint64_t places = 0;
  // What is alive at each sample, as the program asked for it.
  std::vector<uint64_t> live_bytes;
  uint64_t peak_live_bytes = 0;
  uint64_t end_live_bytes = 0;
  uint64_t calls[kNumCalls] = {};
  // Calls that cannot be replayed: of pointers that no recorded call returned.
  uint64_t unknown_pointers = 0;
  uint64_t failed = 0;
  // Allocations whose end was not recorded, as their address came again.
  uint64_t lost_ends = 0;
};

Plan MakePlan(const Trace& trace, uint64_t samples);

bool WritePlan(const Plan& plan, const std::string& path);

}  // namespace memalloc::replay

#endif  // TOOLS_REPLAY_PLANNER_H_
