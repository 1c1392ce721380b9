// mallctl and its kin (jemalloc/jemalloc.h): from a name or MIB to a row of the
// table, and values between it and the program.
//
// A MIB has a word for each part of the name: the row's number first, and each
// number of the name in its place; the other words are 0.

#include "memalloc/compat/mallctl.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "memalloc/compat/jemalloc/jemalloc.h"
#include "memalloc/compat/memalloc_report.h"
#include "memalloc/memalloc.h"

#define MEMALLOC_EXPORT extern "C" __attribute__((visibility("default")))

namespace memalloc_compat {
namespace {

// As jemalloc's.
constexpr size_t kMaxDepth = 7;

// The end of the part of a name that begins here.
const char* EndOfPart(const char* part) { return part + strcspn(part, "."); }

bool ParseNumber(const char* part, const char* end, size_t* number) {
  if (part == end) return false;
  *number = 0;
  for (; part != end; ++part) {
    if (*part < '0' || *part > '9' || *number > SIZE_MAX / 10 - 1) return false;
    *number = *number * 10 + static_cast<size_t>(*part - '0');
  }
  return true;
}

// There is one arena, 0. Number 1, which is their count, is an old name for all
// of them.
bool IsArena(size_t number) {
  return number <= 1 || number == MALLCTL_ARENAS_ALL;
}

// Whether the name is the control's; its numbers are put in their places then.
bool Matches(const Control& control, const char* name, size_t* mib,
             size_t* depth) {
  const char* wanted = control.name;
  for (size_t i = 0; i < kMaxDepth; ++i) {
    const char* wanted_end = EndOfPart(wanted);
    const char* end = EndOfPart(name);
    mib[i] = 0;
    if (*wanted == '@' || *wanted == '#') {
      if (!ParseNumber(name, end, &mib[i])) return false;
    } else if (wanted_end - wanted != end - name ||
               memcmp(wanted, name, static_cast<size_t>(end - name)) != 0) {
      return false;
    }
    if (*wanted_end != *end) return false;
    if (*end == '\0') {
      *depth = i + 1;
      return true;
    }
    wanted = wanted_end + 1;
    name = end + 1;
  }
  return false;
}

// The control of a MIB; null if there is none, or not with such numbers.
const Control* ControlOf(const size_t* mib, size_t depth, size_t* size_class) {
  if (depth == 0 || mib[0] >= kNumControls) return nullptr;
  const Control* control = &kControls[mib[0]];
  const char* part = control->name;
  *size_class = 0;
  for (size_t i = 0;; ++i) {
    if (i == depth) return nullptr;
    if (*part == '@' && !IsArena(mib[i])) return nullptr;
    if (*part == '#') {
      if (mib[i] >= MEMALLOC_SIZE_CLASSES) return nullptr;
      *size_class = mib[i];
    }
    part = EndOfPart(part);
    if (*part == '\0') return i + 1 == depth ? control : nullptr;
    ++part;
  }
}

// Fills in the MIB of a name; 0 or ENOENT.
int Find(const char* name, size_t* mib, size_t* depth) {
  if (memalloc_version == nullptr) return ENOENT;
  size_t size_class;
  for (size_t row = 0; row < kNumControls; ++row) {
    if (!Matches(kControls[row], name, mib, depth)) continue;
    mib[0] = row;
    return ControlOf(mib, *depth, &size_class) != nullptr ? 0 : ENOENT;
  }
  return ENOENT;
}

// 0, or EINVAL if the program has another size in mind.
int Give(uint64_t value, size_t width, void* oldp, size_t* oldlenp) {
  const size_t room = *oldlenp;
  // The lowest bytes come first, on every machine that memalloc runs on.
  memcpy(oldp, &value, room < width ? room : width);
  *oldlenp = room < width ? room : width;
  return room == width ? 0 : EINVAL;
}

int Exchange(const Control& control, size_t size_class, void* oldp,
             size_t* oldlenp, const void* newp, size_t newlen) {
  const auto width = static_cast<size_t>(control.width);
  const bool has_new = newp != nullptr || newlen != 0;
  if (control.read == nullptr && (oldp != nullptr || oldlenp != nullptr)) {
    return EPERM;
  }
  if (has_new && (control.write == nullptr || width == 0)) return EPERM;
  if (newp != nullptr && newlen != width) return EINVAL;
  uint64_t value = 0;
  if (newp != nullptr) memcpy(&value, newp, width);
  const bool writes = newp != nullptr || control.read == nullptr;
  if (writes && control.is_written_first) {
    const int error = control.write(value);
    if (error != 0) return error;
  }
  if (oldp != nullptr && oldlenp != nullptr) {
    const int error = Give(control.read(size_class), width, oldp, oldlenp);
    if (error != 0) return error;
  }
  return writes && !control.is_written_first ? control.write(value) : 0;
}

struct TextReader {
  void (*write)(void* opaque, const char* text);
  void* opaque;
};

}  // namespace
}  // namespace memalloc_compat

MEMALLOC_EXPORT int mallctlnametomib(const char* name, size_t* mibp,
                                     size_t* miblenp) {
  size_t mib[memalloc_compat::kMaxDepth];
  size_t depth;
  const int error = memalloc_compat::Find(name, mib, &depth);
  if (error != 0) return error;
  if (*miblenp < depth) return EINVAL;
  memcpy(mibp, mib, depth * sizeof(mib[0]));
  *miblenp = depth;
  return 0;
}

MEMALLOC_EXPORT int mallctlbymib(const size_t* mib, size_t miblen, void* oldp,
                                 size_t* oldlenp, void* newp, size_t newlen) {
  if (memalloc_version == nullptr) return ENOENT;
  size_t size_class;
  const memalloc_compat::Control* control =
      memalloc_compat::ControlOf(mib, miblen, &size_class);
  if (control == nullptr) return ENOENT;
  const int saved_errno = errno;
  const int error = memalloc_compat::Exchange(*control, size_class, oldp,
                                              oldlenp, newp, newlen);
  errno = saved_errno;
  return error;
}

MEMALLOC_EXPORT int mallctl(const char* name, void* oldp, size_t* oldlenp,
                            void* newp, size_t newlen) {
  size_t mib[memalloc_compat::kMaxDepth];
  size_t depth;
  const int error = memalloc_compat::Find(name, mib, &depth);
  if (error != 0) return error;
  return mallctlbymib(mib, depth, oldp, oldlenp, newp, newlen);
}

MEMALLOC_EXPORT void malloc_stats_print(void (*write_cb)(void*, const char*),
                                        void* opaque, const char* opts) {
  const bool is_json = opts != nullptr && strchr(opts, 'J') != nullptr;
  const char* kind = is_json ? "stats_json" : "stats";
  if (write_cb == nullptr) {
    if (memalloc_write_report != nullptr) memalloc_write_report(kind, "stderr");
    return;
  }
  memalloc_compat::TextReader reader = {write_cb, opaque};
  const int error = memalloc_read_report(
      kind,
      [](void* argument, const char* data, size_t) {
        const auto* to = static_cast<memalloc_compat::TextReader*>(argument);
        to->write(to->opaque, data);
      },
      &reader);
  if (error != 0) write_cb(opaque, strerror(error));
}
