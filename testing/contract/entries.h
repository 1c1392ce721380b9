// Every function through which a program can obtain memory, as one table.
//
// Rows of the contract that hold for all of them (a request that is too large,
// alignment, usable size, errno of the release, ...) are run once per entry, so
// that no entry can be forgotten in a row. An entry also knows the release that
// belongs to it; the entries together use every replaceable form of delete.
// Functions of C23 and old aliases that libc 2.36 lacks are declared weak and
// are entries only where they exist.
//
// The functions here are called through pointers and compiled with
// -fno-builtin-malloc and the like, so that the compiler cannot fold a call
// away or reason about its result.

#ifndef TESTING_CONTRACT_ENTRIES_H_
#define TESTING_CONTRACT_ENTRIES_H_

#include <cstddef>
#include <new>
#include <vector>

extern "C" {
void cfree(void* pointer) __attribute__((weak));
void free_sized(void* pointer, size_t size) __attribute__((weak));
void free_aligned_sized(void* pointer, size_t alignment, size_t size)
    __attribute__((weak));
void* __libc_malloc(size_t size);
void __libc_free(void* pointer);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* pointer, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void* __libc_valloc(size_t size);
void* __libc_pvalloc(size_t size);
int __posix_memalign(void** pointer, size_t alignment, size_t size)
    __attribute__((weak));
}

// clang 14 declares the sized forms only with -fsized-deallocation.
void operator delete(void* pointer, std::size_t size) noexcept;
void operator delete[](void* pointer, std::size_t size) noexcept;
void operator delete(void* pointer, std::size_t size,
                     std::align_val_t alignment) noexcept;
void operator delete[](void* pointer, std::size_t size,
                       std::align_val_t alignment) noexcept;

namespace contract {

// What an allocation came to.
struct Outcome {
  void* pointer = nullptr;
  // errno after the call, which was made with errno 0; for posix_memalign what
  // it returned.
  int error = 0;
  bool threw_bad_alloc = false;
};

struct Entry {
  const char* name;
  // The alignment promised of each result; a power of two, at least 16.
  size_t alignment;
  Outcome (*allocate)(size_t size);
  // `size` is what allocate() was asked for.
  void (*release)(void* pointer, size_t size);
  bool cxx = false;  // a form of operator new
  bool throws = false;
  bool zeroes = false;
  // operator new with an alignment: libstdc++'s version, which runs on libc,
  // rounds the size up to the alignment without looking for overflow.
  bool aligned_new = false;
};

// All entries that exist in this process.
const std::vector<Entry>& Entries();

// The sizes no machine can give: from SIZE_MAX downwards, around PTRDIFF_MAX,
// and less each constant of the allocator (cell, header, page, granule, the
// largest run, arena, ...) and its neighbours.
const std::vector<size_t>& ImpossibleSizes();

// Sizes around each limit between the kinds of blocks, up to `largest`.
std::vector<size_t> TypicalSizes(size_t largest);

// The same, with most left out for entries of large alignment: there every
// block spans megabytes.
std::vector<size_t> TypicalSizes(size_t largest, const Entry& entry);

// Keeps the compiler from knowing anything about `value`.
template <typename T>
T Opaque(T value) {
  asm volatile("" : "+r"(value) : : "memory");
  return value;
}

}  // namespace contract

#endif  // TESTING_CONTRACT_ENTRIES_H_
