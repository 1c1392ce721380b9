// An address of code as text: the name of the function, and where the code
// stands in its file, for addr2line. Layer: observe.

#ifndef MEMALLOC_OBSERVE_CODE_PLACE_H_
#define MEMALLOC_OBSERVE_CODE_PLACE_H_

#include <stdint.h>

#include "memalloc/base/line_buffer.h"

namespace memalloc {

// Appends "0x55d0c0a1 Parse+0x21 (/usr/bin/server+0x20a1)", of which the last
// parts may be missing. Names are those that the file exports. Allocates
// nothing, but takes a lock of the dynamic linker.
void AppendCodePlace(uintptr_t address, LineBuffer& line);

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_CODE_PLACE_H_
