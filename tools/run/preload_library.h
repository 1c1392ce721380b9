// Finds memalloc.so or memalloc_hardened.so, and says what a program must be
// like to load it.
//
// The object is looked for relative to memalloc_run's own executable: in its
// runfiles, then at the same place in the build's output or in a copied tree,
// then beside it. Neither the working directory nor the environment has a say,
// so a program cannot be given another allocator by accident.
// Used by main.cc and compare_allocators.cc; preload_check.cc compares programs
// with PreloadLibrary.

#ifndef TOOLS_RUN_PRELOAD_LIBRARY_H_
#define TOOLS_RUN_PRELOAD_LIBRARY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/run/elf_inspect.h"

namespace memalloc::run {

struct PreloadLibrary {
  // Absolute, without symbolic links.
  std::string path;
  ElfAbi abi;
  // The dynamic loader of the C library that memalloc.so is linked with: the
  // one of memalloc_run, which the same toolchain built.
  std::string loader;
};

// The path of memalloc_run itself, without symbolic links.
absl::StatusOr<std::string> OwnExecutable();

// Finds the library for the memalloc_run at `executable`: memalloc.so, or
// memalloc_hardened.so.
absl::StatusOr<PreloadLibrary> FindPreloadLibrary(const std::string& executable,
                                                  bool hardened);

// OK when the file at the absolute `path` is a shared library for `abi` that
// LD_PRELOAD can name. A failure's text follows "<path>: ".
absl::Status CheckPreloadable(const std::string& path, const ElfAbi& abi);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_PRELOAD_LIBRARY_H_
