// The names of mallctl: how their table is made, and who looks things up in it.

#ifndef MEMALLOC_COMPAT_MALLCTL_H_
#define MEMALLOC_COMPAT_MALLCTL_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc_compat {

// Bytes of a value in the program's memory.
enum class Width : uint8_t {
  kNone = 0,      // a call without a value
  kBool = 1,      // bool
  kUnsigned = 4,  // unsigned, uint32_t
  kWord = 8,      // size_t, ssize_t, uint64_t, const char*
};

struct Control {
  // '@' stands for the number of an arena, '#' for that of a size class.
  const char* name;
  Width width;
  // Null: it cannot be read. Numbers and addresses alike are words.
  uint64_t (*read)(size_t size_class);
  // Null: it cannot be written. 0 or an errno value. What cannot be read may be
  // written without a value, which is 0 then.
  int (*write)(uint64_t value);
  // What is read is what was there before a write, otherwise.
  bool is_written_first = false;
};

extern const Control kControls[];
extern const size_t kNumControls;

}  // namespace memalloc_compat

#endif  // MEMALLOC_COMPAT_MALLCTL_H_
