// The control group's limits; see cgroup.h.
//
// /proc/self/cgroup names the group in the line "0::/path"; its files stand
// below /sys/fs/cgroup, where a container sees its own group as the top. The
// limits of all groups above apply as well, so the least of each counts.

#include "memalloc/runtime/cgroup.h"

#include <stdint.h>
#include <string.h>

#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/option_text.h"

namespace memalloc {
namespace {

constexpr char kMount[] = "/sys/fs/cgroup";
constexpr size_t kMaxPath = 512;
constexpr uint64_t kNoLimit = UINT64_MAX;

// Finds the group's path, which begins with a slash; false if there is none.
bool ReadGroup(char (&path)[kMaxPath]) {
  char text[2 * kMaxPath];
  if (os::ReadFile("/proc/self/cgroup", text, sizeof(text)) == 0) return false;
  const char* line = text;
  while (strncmp(line, "0::/", 4) != 0) {
    line = strchr(line, '\n');
    if (line == nullptr) return false;
    ++line;
  }
  line += 3;
  const char* end = strchr(line, '\n');
  if (end == nullptr || end - line >= static_cast<ptrdiff_t>(kMaxPath)) {
    return false;
  }
  memcpy(path, line, static_cast<size_t>(end - line));
  path[end - line] = '\0';
  return true;
}

// Lowers `limit` to what the file of the group says; whether it says anything.
bool ReadLimit(const char* group, const char* file, uint64_t* limit) {
  char path[sizeof(kMount) + kMaxPath + 16];
  strcpy(stpcpy(stpcpy(path, kMount), group), file);
  char text[32];
  const size_t length = os::ReadFile(path, text, sizeof(text));
  if (length == 0) return false;
  const size_t digits = length - (text[length - 1] == '\n' ? 1 : 0);
  uint64_t value;
  const OptionInfo& info = kOptionInfo[static_cast<size_t>(Option::kHardLimit)];
  // "max" is none, as is what no machine has.
  if (ParseValue(info, {text, digits}, &value)) *limit = Min(*limit, value);
  return true;
}

void Lower(Option option, uint64_t limit) {
  if (limit == kNoLimit) return;
  const uint64_t now = GetOption(option);
  // 0 would be no limit.
  if (now == 0 || limit < now) SetOption(option, Max<uint64_t>(limit, 1));
}

}  // namespace

void TakeCgroupLimits() {
  char group[kMaxPath];
  uint64_t high = kNoLimit;
  uint64_t max = kNoLimit;
  bool any = false;
  if (ReadGroup(group)) {
    char* end = group + strlen(group);
    for (;;) {
      *end = '\0';
      any |= ReadLimit(group, "/memory.high", &high);
      any |= ReadLimit(group, "/memory.max", &max);
      if (end == group) break;
      do {
        --end;
      } while (*end != '/');
    }
  }
  if (!any) {
    LineBuffer line;
    line.Text(
            "memalloc: cgroup_limit: the control group's memory.max cannot be "
            "read; it is ignored, see docs/errors.md#no-cgroup-limit")
        .EndLine();
    os::WriteToStderr(line.data(), line.size());
    return;
  }
  Lower(Option::kSoftLimit, high);
  Lower(Option::kHardLimit, max == kNoLimit ? max : max - max / 16);
}

}  // namespace memalloc
