// memalloc's options as numbers, for what other allocators read and write as
// such.

#ifndef MEMALLOC_COMPAT_OPTION_VALUES_H_
#define MEMALLOC_COMPAT_OPTION_VALUES_H_

#include <stdint.h>

namespace memalloc_compat {

// Of purge_delay: memory never goes back by itself.
inline constexpr uint64_t kNever = 2147483648;  // milliseconds

// Bytes, milliseconds, or 0 and 1; 0 if there is no memalloc.
uint64_t GetOption(const char* name);
// 0, or an errno value.
int SetOption(const char* name, uint64_t value);

}  // namespace memalloc_compat

#endif  // MEMALLOC_COMPAT_OPTION_VALUES_H_
