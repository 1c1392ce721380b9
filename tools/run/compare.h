// --compare: runs the program on several allocators in turn, and prints what it
// took on each.
//
// The runs of a round stand side by side, so that what slows the machine down
// for a while slows all allocators down. Used by main.cc.

#ifndef TOOLS_RUN_COMPARE_H_
#define TOOLS_RUN_COMPARE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/run/compare_allocators.h"

namespace memalloc::run {

// Runs the program `rounds` times on each allocator, and writes the report to
// stderr. A run is ended after `timeout_seconds` unless that is 0. Returns the
// wait status with which memalloc_run is to end.
absl::StatusOr<int> Compare(const std::string& path, char** program_argv,
                            const std::vector<Allocator>& allocators,
                            uint32_t rounds, uint32_t timeout_seconds);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_COMPARE_H_
