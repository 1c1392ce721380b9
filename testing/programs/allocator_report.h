// Lets a test program say which allocator serves it, on standard error, so
// that its standard output stays comparable between allocators.
//
// The programs of this folder are linked several times, on libc's malloc and
// on memalloc, and must be the same source each time. The functions of
// memalloc.h are weak, so their absence is the answer "libc". Two blocks are
// asked about: one from malloc, called here, and one that the embedded library
// allocated for itself; an archive whose malloc calls were bound elsewhere
// shows as "mixed".
//
// No state, no locking. Used by sqlite_program.cc and lua_program.cc.
#ifndef TESTING_PROGRAMS_ALLOCATOR_REPORT_H_
#define TESTING_PROGRAMS_ALLOCATOR_REPORT_H_

namespace programs {

// Prints one line: "allocator: memalloc, heap consistent", "allocator: libc"
// or "allocator: mixed (...)". `library_block` points into live memory that
// the embedded library allocated. An inconsistent heap aborts here.
void ReportAllocator(const void* library_block);

}  // namespace programs

#endif  // TESTING_PROGRAMS_ALLOCATOR_REPORT_H_
