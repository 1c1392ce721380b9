// The interface of early_late_library.cc, a shared library that allocates in
// its constructors and destructors. It knows nothing of memalloc and is not
// linked with it: that is the situation of every library of a real program,
// whose constructors run before the executable's.

#ifndef TESTING_PROCESS_EARLY_LATE_LIBRARY_H_
#define TESTING_PROCESS_EARLY_LATE_LIBRARY_H_

#include <cstddef>

extern "C" {

// The blocks that the library's constructors allocated: the pointer of block
// `index`, null past the last.
void* early_late_block(std::size_t index);

// The number of blocks whose contents are not what the constructors wrote.
std::size_t early_late_damaged(void);

// Makes the library's last destructor free `pointer` and its own blocks,
// allocate once more, and say "library destructor\n" on standard output.
void early_late_free_at_exit(void* pointer);

// The exit status of the process forked by a constructor; -1 if none was.
int early_late_forked_status(void);
}

#endif  // TESTING_PROCESS_EARLY_LATE_LIBRARY_H_
