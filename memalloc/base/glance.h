// A look at what another thread may be writing just then, on purpose. Layer:
// base.
//
// What is found may be of different moments, and is to be believed no further
// than it was checked. ThreadSanitizer does not see it.

#ifndef MEMALLOC_BASE_GLANCE_H_
#define MEMALLOC_BASE_GLANCE_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

namespace memalloc {

// Not inlined, so that the attribute is heeded.
__attribute__((no_sanitize("thread"), noinline)) inline uintptr_t GlanceAtWord(
    const volatile uintptr_t* word) {
  return *word;
}

// A copy of what stands there: words, each of them as it was once.
template <typename T>
T Glance(const T& at) {
  static_assert(std::is_trivially_copyable<T>::value);
  constexpr size_t kBytes = sizeof(T);  // NOLINT(bugprone-sizeof-expression)
  constexpr size_t kWords = kBytes / sizeof(uintptr_t);
  static_assert(kWords * sizeof(uintptr_t) == kBytes);
  uintptr_t words[kWords];
  const auto* from = reinterpret_cast<const volatile uintptr_t*>(&at);
  for (size_t i = 0; i < kWords; ++i) words[i] = GlanceAtWord(from + i);
  T copy;
  memcpy(&copy, words, kBytes);
  return copy;
}

}  // namespace memalloc

#endif  // MEMALLOC_BASE_GLANCE_H_
