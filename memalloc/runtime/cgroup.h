// Limits from the process's control group (cgroup v2). Layer: runtime.

#ifndef MEMALLOC_RUNTIME_CGROUP_H_
#define MEMALLOC_RUNTIME_CGROUP_H_

namespace memalloc {

// Lowers the soft limit to the group's memory.high, and the hard limit to its
// memory.max less a sixteenth, which is left for what is not heap. Groups
// further up count too. If nothing can be read, a line on stderr says so.
void TakeCgroupLimits();

}  // namespace memalloc

#endif  // MEMALLOC_RUNTIME_CGROUP_H_
