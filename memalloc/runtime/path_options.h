// The options that are paths: where the process leaves its reports. Layer:
// runtime.
//
// They come from the same places as the options of base/options.h. A path is
// absolute, as programs change their folder; some may be "stderr" instead.

#ifndef MEMALLOC_RUNTIME_PATH_OPTIONS_H_
#define MEMALLOC_RUNTIME_PATH_OPTIONS_H_

#include <stddef.h>

#include "memalloc/base/line_buffer.h"
#include "memalloc/base/options.h"
#include "memalloc/runtime/option_text.h"

namespace memalloc {

// A path that means standard error.
inline constexpr char kStderr[] = "stderr";

struct Path {
  static constexpr size_t kMaxLength = 255;
  char text[kMaxLength + 1];  // "" for none
};

// False, with the option as it was, if the text is no path for it. "" unsets
// it.
bool SetPath(PathOption option, Span text);

// The option as it was set.
Path GetPath(PathOption option);

// The same with the process's id for each %p and % for %%; cut at the longest.
Path ExpandPath(const char* path);

// What a path of the option looks like, for a message.
void AppendWantedPath(PathOption option, LineBuffer& line);

// For the fork handlers: before all of it in the parent, after it in both.
void PrepareForkOfPaths();
void AfterForkOfPaths(bool in_child);

}  // namespace memalloc

#endif  // MEMALLOC_RUNTIME_PATH_OPTIONS_H_
