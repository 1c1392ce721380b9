// What --compare prints: time, memory and endings of all allocators.
//
// A figure is the median of an allocator's runs, beside it the least and the
// most, its ratio to libc's, and a bar as long as it. Allocators on which the
// program crashed or took too long have a line that says so in place of
// figures. Formatting only. Used by compare.cc.

#ifndef TOOLS_RUN_COMPARE_REPORT_H_
#define TOOLS_RUN_COMPARE_REPORT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/run/compare_run.h"

namespace memalloc::run {

// The runs on one allocator; at least one.
struct Compared {
  std::string name;
  std::vector<MeasuredRun> runs;
};

// Whether the program was ended from outside, or by a signal; it has no
// figures then.
bool WasCutShort(const MeasuredRun& run);

// Whether all runs ended by themselves, and with the same exit status.
bool AllEndedAlike(const std::vector<Compared>& compared);

// The text for the program called `program`. Libc's malloc comes first.
std::string CompareReport(absl::string_view program,
                          const std::vector<Compared>& compared);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_COMPARE_REPORT_H_
