// The allocators on which --compare runs the program: libc's, memalloc, and
// what the flags name or the system has installed.
//
// A preload that cannot work would make the loader complain and go on with
// libc's malloc, whose figures would then stand under another name. So every
// object is looked at before anything runs. Used by main.cc and compare.cc.

#ifndef TOOLS_RUN_COMPARE_ALLOCATORS_H_
#define TOOLS_RUN_COMPARE_ALLOCATORS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/run/compare_flag.h"
#include "tools/run/preload_library.h"

namespace memalloc::run {

struct Allocator {
  std::string name;
  // The object to preload; empty for libc's malloc.
  std::string preload;
};

// Libc's malloc, `memalloc`, and the others of `flag`; with `hardened` also the
// memalloc_hardened.so of the memalloc_run at `executable`.
absl::StatusOr<std::vector<Allocator>> FindAllocators(
    const CompareFlag& flag, bool hardened, const std::string& executable,
    const PreloadLibrary& memalloc);

// Takes the objects that define malloc out of LD_PRELOAD, so that they do not
// serve where another allocator is meant; returns them.
std::vector<std::string> DropPreloadedAllocators();

}  // namespace memalloc::run

#endif  // TOOLS_RUN_COMPARE_ALLOCATORS_H_
