// Calls every name that memalloc defines in libc's and the C++ library's place,
// and says whether each result is memalloc's.
//
// Linked in every way of the link matrix. Because the program refers to all of
// the names, one that memalloc lacks is either undefined or brings libc's
// malloc.o into a static link, and both fail the link. Each function is called
// through a volatile pointer: the compiler can neither drop a call whose
// memory is not used nor replace it, even with link-time optimisation.
//
// Prints "ok: N blocks are memalloc's" and exits with 0, or a line for each
// failure and exits with 1. One thread, but for what libc_users.cc does. Run by
// link_matrix_test.py and bazel_ways_test.py.
#include <malloc.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "memalloc/memalloc.h"
#include "testing/link/libc_users.h"

// Names that glibc 2.36 does not declare.
extern "C" {
void free_sized(void* pointer, std::size_t size);
void free_aligned_sized(void* pointer, std::size_t alignment, std::size_t size);
void cfree(void* pointer);
void* __libc_malloc(std::size_t size);
void __libc_free(void* pointer);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* pointer, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void* __libc_valloc(std::size_t size);
void* __libc_pvalloc(std::size_t size);
int __posix_memalign(void** result, std::size_t alignment, std::size_t size);
}

namespace {

using std::align_val_t;
using std::nothrow;
using std::nothrow_t;
using std::size_t;

constexpr size_t kSize = 40;
constexpr size_t kAlignment = 64;
constexpr align_val_t kAligned{kAlignment};

int blocks = 0;
int failures = 0;

void Expect(bool holds, const char* name, const char* what) {
  if (holds) return;
  ++failures;
  std::printf("%s: %s\n", name, what);
}

void Seen(const char* name, const void* block) {
  ++blocks;
  Expect(memalloc_owns(block) == 1, name, "the block is not memalloc's");
}

// Checks and uses a new block of kSize bytes.
void* New(const char* name, void* block, size_t alignment = 16) {
  Seen(name, block);
  Expect(reinterpret_cast<std::uintptr_t>(block) % alignment == 0, name,
         "the block is not aligned");
  std::memset(block, 0x5a, kSize);
  return block;
}

template <typename Function>
Function* Hidden(Function* function) {
  Function* volatile hidden = function;
  return hidden;
}

void CallMallocFamily() {
  const auto release = Hidden(free);
  release(New("malloc", Hidden(malloc)(kSize)));
  release(New("calloc", Hidden(calloc)(4, kSize / 4)));
  void* const block = New("malloc", Hidden(malloc)(8 * kSize));
  release(New("realloc", Hidden(realloc)(block, 100 * kSize)));
  release(New("reallocarray", Hidden(reallocarray)(nullptr, 2, kSize)));
  Hidden(cfree)(New("malloc", Hidden(malloc)(kSize)));
  Hidden(free_sized)(New("malloc", Hidden(malloc)(kSize)), kSize);
}

void CallAligned() {
  const auto release = Hidden(free);
  release(New("aligned_alloc", Hidden(aligned_alloc)(kAlignment, kSize),
              kAlignment));
  release(New("memalign", Hidden(memalign)(kAlignment, kSize), kAlignment));
  release(New("valloc", Hidden(valloc)(kSize), 4096));
  release(New("pvalloc", Hidden(pvalloc)(kSize), 4096));
  void* block = nullptr;
  Expect(Hidden(posix_memalign)(&block, kAlignment, kSize) == 0,
         "posix_memalign", "failed");
  release(New("posix_memalign", block, kAlignment));
  block = Hidden(aligned_alloc)(kAlignment, kSize);
  Hidden(free_aligned_sized)(New("aligned_alloc", block, kAlignment),
                             kAlignment, kSize);
}

void CallAliases() {
  const auto release = Hidden(__libc_free);
  release(New("__libc_malloc", Hidden(__libc_malloc)(kSize)));
  release(New("__libc_calloc", Hidden(__libc_calloc)(1, kSize)));
  release(New("__libc_realloc", Hidden(__libc_realloc)(nullptr, kSize)));
  release(New("__libc_memalign", Hidden(__libc_memalign)(kAlignment, kSize),
              kAlignment));
  release(New("__libc_valloc", Hidden(__libc_valloc)(kSize), 4096));
  release(New("__libc_pvalloc", Hidden(__libc_pvalloc)(kSize), 4096));
  void* block = nullptr;
  Expect(Hidden(__posix_memalign)(&block, kAlignment, kSize) == 0,
         "__posix_memalign", "failed");
  release(New("__posix_memalign", block, kAlignment));
}

// The old mallinfo is deprecated, and defined all the same.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
auto OldMallinfo() { return Hidden(mallinfo); }
#pragma GCC diagnostic pop

void CallInformation() {
  void* const block = Hidden(malloc)(kSize);
  Expect(Hidden(malloc_usable_size)(block) >= kSize, "malloc_usable_size",
         "is below the request");
  Expect(Hidden(mallinfo2)().uordblks > 0, "mallinfo2", "sees no live bytes");
  Expect(OldMallinfo()().uordblks != 0, "mallinfo", "sees no live bytes");
  Hidden(mallopt)(M_MMAP_MAX, 0);
  Hidden(malloc_stats)();
  char* text = nullptr;
  size_t size = 0;
  FILE* const stream = open_memstream(&text, &size);
  Expect(Hidden(malloc_info)(0, stream) == 0, "malloc_info", "failed");
  std::fclose(stream);
  Expect(std::strncmp(text, "<malloc ", 8) == 0, "malloc_info",
         "does not write XML");
  std::free(text);
  std::free(block);
  Hidden(malloc_trim)(0);
}

// Every form of new, paired with the forms of delete that may release it.
void CallOperators() {
  const auto make = Hidden<void*(size_t)>(::operator new);
  const auto make_array = Hidden<void*(size_t)>(::operator new[]);
  const auto try_make =
      Hidden<void*(size_t, const nothrow_t&) noexcept>(::operator new);
  const auto try_array =
      Hidden<void*(size_t, const nothrow_t&) noexcept>(::operator new[]);
  using Drop = void(void*) noexcept;
  using DropSized = void(void*, size_t) noexcept;
  using DropNothrow = void(void*, const nothrow_t&) noexcept;
  Hidden<Drop>(::operator delete)(New("new", make(kSize)));
  Hidden<Drop>(::operator delete[])(New("new[]", make_array(kSize)));
  Hidden<DropSized>(::operator delete)(New("new", make(kSize)), kSize);
  Hidden<DropSized>(::operator delete[])(New("new[]", make_array(kSize)),
                                         kSize);
  Hidden<DropNothrow>(::operator delete)(
      New("nothrow new", try_make(kSize, nothrow)), nothrow);
  Hidden<DropNothrow>(::operator delete[])(
      New("nothrow new[]", try_array(kSize, nothrow)), nothrow);
}

void CallAlignedOperators() {
  const auto make = Hidden<void*(size_t, align_val_t)>(::operator new);
  const auto make_array = Hidden<void*(size_t, align_val_t)>(::operator new[]);
  using TryMake = void*(size_t, align_val_t, const nothrow_t&) noexcept;
  const auto try_make = Hidden<TryMake>(::operator new);
  const auto try_array = Hidden<TryMake>(::operator new[]);
  using Drop = void(void*, align_val_t) noexcept;
  using DropSized = void(void*, size_t, align_val_t) noexcept;
  using DropNothrow = void(void*, align_val_t, const nothrow_t&) noexcept;
  Hidden<Drop>(::operator delete)(
      New("aligned new", make(kSize, kAligned), kAlignment), kAligned);
  Hidden<Drop>(::operator delete[])(
      New("aligned new[]", make_array(kSize, kAligned), kAlignment), kAligned);
  Hidden<DropSized>(::operator delete)(
      New("aligned new", make(kSize, kAligned), kAlignment), kSize, kAligned);
  Hidden<DropSized>(::operator delete[])(
      New("aligned new[]", make_array(kSize, kAligned), kAlignment), kSize,
      kAligned);
  Hidden<DropNothrow>(::operator delete)(
      New("aligned nothrow new", try_make(kSize, kAligned, nothrow),
          kAlignment),
      kAligned, nothrow);
  Hidden<DropNothrow>(::operator delete[])(
      New("aligned nothrow new[]", try_array(kSize, kAligned, nothrow),
          kAlignment),
      kAligned, nothrow);
}

}  // namespace

int main() {
  if (memalloc_owns == nullptr) {
    std::puts("memalloc is not in this program");
    return 1;
  }
  CallMallocFamily();
  CallAligned();
  CallAliases();
  CallInformation();
  CallOperators();
  CallAlignedOperators();
  Expect(link_test::UseLibc(Seen) == 0, "libc", "does not work");
  memalloc_check_heap();
  if (failures == 0) std::printf("ok: %d blocks are memalloc's\n", blocks);
  return failures == 0 ? 0 : 1;
}
