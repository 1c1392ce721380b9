// See code_place.h.

#include "memalloc/observe/code_place.h"

#include <dlfcn.h>

namespace memalloc {
namespace {

void AppendOffset(uintptr_t offset, LineBuffer& line) {
  line.Char('+').Pointer(reinterpret_cast<const void*>(offset));
}

}  // namespace

void AppendCodePlace(uintptr_t address, LineBuffer& line) {
  line.Pointer(reinterpret_cast<const void*>(address));
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(address), &info) == 0) return;
  if (info.dli_sname != nullptr) {
    line.Char(' ').Text(info.dli_sname);
    AppendOffset(address - reinterpret_cast<uintptr_t>(info.dli_saddr), line);
  }
  line.Text(" (").Text(info.dli_fname);
  AppendOffset(address - reinterpret_cast<uintptr_t>(info.dli_fbase), line);
  line.Char(')');
}

}  // namespace memalloc
