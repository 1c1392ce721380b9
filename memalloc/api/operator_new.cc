// The replaceable operator new and delete, all forms (C++17 [new.delete]).
//
// On failure the new-handler is called until it frees memory, throws or is
// null ([new.delete.single]/3-4). The preload object must not need libstdc++,
// which a C program does not have: there what it takes from the C++ library is
// weak, and a program without them never gets here.

#include <errno.h>

#include <new>

#include "memalloc/api/link_unit.h"
#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/hardened_allocator.h"
#include "memalloc/heap/sized_free.h"

#ifdef MEMALLOC_PRELOAD
namespace std {
__attribute__((weak)) new_handler get_new_handler() noexcept;
__attribute__((weak, noreturn)) void __throw_bad_alloc();
}  // namespace std
// What the compiler itself refers to in a function that catches.
__asm__(".weak __gxx_personality_v0");
__asm__(".weak __cxa_begin_catch");
__asm__(".weak __cxa_end_catch");
__asm__(".weak __cxa_call_terminate");
__asm__(".weak _ZSt9terminatev");
__asm__(".weak _Unwind_Resume");
#endif

namespace memalloc {
namespace {

std::new_handler CurrentHandler() {
#ifdef MEMALLOC_PRELOAD
  if (&std::get_new_handler == nullptr) return nullptr;
#endif
  return std::get_new_handler();
}

[[noreturn]] MEMALLOC_COLD void ThrowBadAlloc() {
#ifdef MEMALLOC_PRELOAD
  if (&std::__throw_bad_alloc != nullptr) std::__throw_bad_alloc();
  LineBuffer line;
  line.Text(
      "memalloc: operator new: out of memory, and no C++ library to throw "
      "std::bad_alloc; see docs/errors.md#out-of-memory");
  Die(line.EndLine());
#else
  throw std::bad_alloc();
#endif
}

void* TryOnce(size_t size, size_t alignment) {
  return alignment <= kMinAlignment ? front::AllocateAnySize(size)
                                    : front::AllocateAligned(size, alignment);
}

MEMALLOC_ENTRY MEMALLOC_SLOW void* NewSlow(size_t size, size_t alignment) {
  for (;;) {
    void* result = TryOnce(size, alignment);
    if (MEMALLOC_LIKELY(result != nullptr)) return result;
    const std::new_handler handler = CurrentHandler();
    if (handler == nullptr) {
      errno = ENOMEM;  // as where operator new calls malloc
      ThrowBadAlloc();
    }
    handler();
  }
}

MEMALLOC_ENTRY MEMALLOC_SLOW void* NewNoThrowSlow(size_t size,
                                                  size_t alignment) noexcept {
  for (;;) {
    void* result = TryOnce(size, alignment);
    if (MEMALLOC_LIKELY(result != nullptr)) return result;
    const std::new_handler handler = CurrentHandler();
    if (handler == nullptr) {
      errno = ENOMEM;
      return nullptr;
    }
    try {
      handler();
    } catch (...) {
      return nullptr;
    }
  }
}

MEMALLOC_FAST void* New(size_t size) {
  void* cell = front::TryAllocateFast(size);
  return MEMALLOC_LIKELY(cell != nullptr) ? cell : NewSlow(size, kMinAlignment);
}

MEMALLOC_FAST void* NewNoThrow(size_t size) noexcept {
  void* cell = front::TryAllocateFast(size);
  return MEMALLOC_LIKELY(cell != nullptr) ? cell
                                          : NewNoThrowSlow(size, kMinAlignment);
}

}  // namespace
}  // namespace memalloc

#define MEMALLOC_EXPORT __attribute__((visibility("default"), used))

using std::align_val_t;
using std::nothrow_t;

MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new(size_t size) {
  return memalloc::New(size);
}
MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new[](size_t size) {
  return memalloc::New(size);
}
MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new(size_t size,
                                                  const nothrow_t&) noexcept {
  return memalloc::NewNoThrow(size);
}
MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new[](size_t size,
                                                    const nothrow_t&) noexcept {
  return memalloc::NewNoThrow(size);
}
MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new(size_t size,
                                                  align_val_t alignment) {
  return memalloc::NewSlow(size, static_cast<size_t>(alignment));
}
MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new[](size_t size,
                                                    align_val_t alignment) {
  return memalloc::NewSlow(size, static_cast<size_t>(alignment));
}
MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new(size_t size,
                                                  align_val_t alignment,
                                                  const nothrow_t&) noexcept {
  return memalloc::NewNoThrowSlow(size, static_cast<size_t>(alignment));
}
MEMALLOC_EXPORT MEMALLOC_ENTRY void* operator new[](size_t size,
                                                    align_val_t alignment,
                                                    const nothrow_t&) noexcept {
  return memalloc::NewNoThrowSlow(size, static_cast<size_t>(alignment));
}

MEMALLOC_EXPORT void operator delete(void* pointer) noexcept {
  memalloc::front::Free(pointer);
}
MEMALLOC_EXPORT void operator delete[](void* pointer) noexcept {
  memalloc::front::Free(pointer);
}
MEMALLOC_EXPORT void operator delete(void* pointer, const nothrow_t&) noexcept {
  memalloc::front::Free(pointer);
}
MEMALLOC_EXPORT void operator delete[](void* pointer,
                                       const nothrow_t&) noexcept {
  memalloc::front::Free(pointer);
}
MEMALLOC_EXPORT void operator delete(void* pointer, size_t size) noexcept {
  memalloc::front::FreeSized(pointer, size, "operator delete");
}
MEMALLOC_EXPORT void operator delete[](void* pointer, size_t size) noexcept {
  memalloc::front::FreeSized(pointer, size, "operator delete[]");
}
MEMALLOC_EXPORT void operator delete(void* pointer,
                                     align_val_t alignment) noexcept {
  memalloc::front::FreeAligned(pointer, static_cast<size_t>(alignment),
                               "operator delete");
}
MEMALLOC_EXPORT void operator delete[](void* pointer,
                                       align_val_t alignment) noexcept {
  memalloc::front::FreeAligned(pointer, static_cast<size_t>(alignment),
                               "operator delete[]");
}
MEMALLOC_EXPORT void operator delete(void* pointer, align_val_t alignment,
                                     const nothrow_t&) noexcept {
  memalloc::front::FreeAligned(pointer, static_cast<size_t>(alignment),
                               "operator delete");
}
MEMALLOC_EXPORT void operator delete[](void* pointer, align_val_t alignment,
                                       const nothrow_t&) noexcept {
  memalloc::front::FreeAligned(pointer, static_cast<size_t>(alignment),
                               "operator delete[]");
}
MEMALLOC_EXPORT void operator delete(void* pointer, size_t size,
                                     align_val_t alignment) noexcept {
  memalloc::front::FreeAlignedSized(pointer, static_cast<size_t>(alignment),
                                    size, "operator delete");
}
MEMALLOC_EXPORT void operator delete[](void* pointer, size_t size,
                                       align_val_t alignment) noexcept {
  memalloc::front::FreeAlignedSized(pointer, static_cast<size_t>(alignment),
                                    size, "operator delete[]");
}
