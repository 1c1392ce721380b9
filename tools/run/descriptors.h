// Lets go of the files that memalloc_run inherited and does not use.
//
// A pipe or socket ends for its reader when the last process closes it. The
// processes that stay beside the program with --stats would keep it open, and
// a program that closes its output, or a daemon's launcher, would hang its
// caller. Used by supervise.cc and group_witness.cc, after fork().

#ifndef TOOLS_RUN_DESCRIPTORS_H_
#define TOOLS_RUN_DESCRIPTORS_H_

#include <vector>

namespace memalloc::run {

// Closes every file descriptor that is not in `kept`; 0, 1 and 2 become
// /dev/null instead, so that no file opened later gets these numbers.
void CloseFilesExcept(const std::vector<int>& kept);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_DESCRIPTORS_H_
