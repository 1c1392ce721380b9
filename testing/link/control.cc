// The link matrix's control: uses libc as all_names.cc does, and nothing of
// memalloc.
//
// When all_names.cc does not link in some way, this program says whether that
// way exists at all with this toolchain. Linked statically on libc it also
// shows what a link that contains libc's malloc.o looks like. One thread, but
// for what libc_users.cc does. Run by link_matrix_test.py.
#include "testing/link/libc_users.h"

int main() {
  return link_test::UseLibc([](const char*, const void*) {});
}
