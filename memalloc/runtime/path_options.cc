// The table of options that are paths; see path_options.h.
//
// Programs write over their environment, so the texts are copied.

#include "memalloc/runtime/path_options.h"

#include <string.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/lock.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

Lock g_lock;
Path g_paths[kNumPathOptions] MEMALLOC_GUARDED_BY(g_lock) = {};

// What is written piece by piece into a Path, and cut at its end.
class PathWriter {
 public:
  explicit PathWriter(Path* path) : path_(path) { *path = {}; }
  void Char(char c) {
    if (length_ < Path::kMaxLength) path_->text[length_++] = c;
  }
  void Decimal(uint64_t value) {
    LineBuffer digits;
    digits.Decimal(value);
    for (size_t i = 0; i < digits.size(); ++i) Char(digits.data()[i]);
  }

 private:
  Path* path_;
  size_t length_ = 0;
};

}  // namespace

bool SetPath(PathOption option, Span text) {
  const auto index = static_cast<size_t>(option);
  const bool is_stderr =
      kPathInfo[index].may_be_stderr && IsName(text, kStderr, Case::kLower);
  const bool is_path =
      text.size <= Path::kMaxLength && (text.size == 0 || text.data[0] == '/');
  if (!is_stderr && !is_path) return false;
  const LockHolder holder(g_lock);
  g_paths[index] = {};
  memcpy(g_paths[index].text, text.data, text.size);
  return true;
}

MEMALLOC_USUAL Path GetPath(PathOption option) {
  const LockHolder holder(g_lock);
  return g_paths[static_cast<size_t>(option)];
}

Path ExpandPath(const char* path) {
  Path expanded;
  PathWriter writer(&expanded);
  for (; *path != '\0'; ++path) {
    if (path[0] == '%' && path[1] == 'p') {
      writer.Decimal(static_cast<uint64_t>(os::ProcessId()));
      ++path;
    } else {
      if (path[0] == '%' && path[1] == '%') ++path;
      writer.Char(*path);
    }
  }
  return expanded;
}

void AppendWantedPath(PathOption option, LineBuffer& line) {
  line.Text("an absolute path of at most ").Decimal(Path::kMaxLength);
  line.Text(" bytes");
  if (kPathInfo[static_cast<size_t>(option)].may_be_stderr) {
    line.Text(", or ").Text(kStderr);
  }
}

void PrepareForkOfPaths() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
  g_lock.Acquire();
}

void AfterForkOfPaths(bool in_child) MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
  if (!in_child) return g_lock.Release();
  g_lock.ReinitialiseInChild();
}

}  // namespace memalloc
