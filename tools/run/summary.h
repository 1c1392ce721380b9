// The text that --stats prints when the program has ended.
//
// The figures of the heap come from the line that memalloc wrote in the
// program's process. A program that dies by a signal or leaves by _exit()
// writes none; then the summary says so, and has the peak RSS from the kernel's
// accounting only. Every amount of memory is given twice, rounded for people
// and exact for scripts. Formatting only: no file is read here.
// Used by outputs.cc; compare_report.cc words things alike.

#ifndef TOOLS_RUN_SUMMARY_H_
#define TOOLS_RUN_SUMMARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/run/stats_file.h"
#include "tools/run/supervise.h"

namespace memalloc::run {

// "12.3 MiB", "512 B".
std::string HumanBytes(uint64_t bytes);

// "exited with status 0", of what wait(2) gives.
std::string HowItEnded(int wait_status);

// The summary of the program called `program`; `processes` are all that wrote
// statistics.
std::string Summary(absl::string_view program, const Ending& ending,
                    const std::vector<ProcessStats>& processes);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_SUMMARY_H_
