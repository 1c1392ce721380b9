// What the cases of misuse share. A case prints what its message must name and
// then misuses the allocator; corruption_test.py says what has to come of it.

#ifndef TESTING_CORRUPTION_CORRUPTION_H_
#define TESTING_CORRUPTION_CORRUPTION_H_

#include <cstddef>
#include <functional>
#include <vector>

// Of C23; null where the C library and the allocator lack them.
extern "C" {
__attribute__((weak)) void free_sized(void* pointer, size_t size);
__attribute__((weak)) void free_aligned_sized(void* pointer, size_t alignment,
                                              size_t size);
}

namespace corruption {

struct Case {
  const char* name;
  void (*run)();
};

// The cases of each file.
extern const std::vector<Case> kDoubleFrees;
extern const std::vector<Case> kForeignPointers;
extern const std::vector<Case> kInteriorPointers;
extern const std::vector<Case> kOverwrittenLinks;
extern const std::vector<Case> kWrongSizes;
extern const std::vector<Case> kNotNoticed;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

// The same pointer; the compiler does not know that, and warns of nothing.
void* Hide(const void* pointer);

// Prints the pointer and hides it.
void* Announce(const void* pointer);

// `bytes` bytes behind the pointer, hidden.
void* Behind(const void* pointer, size_t bytes);

std::vector<void*> AllocateMany(size_t size, size_t count);
void FreeAll(const std::vector<void*>& blocks);

// Runs `body` on a thread of its own, which ends then, or waits for the process
// to end: a thread that ends sends on what it holds.
void OnThread(const std::function<void()>& body);
void OnThreadThatStays(const std::function<void()>& body);

// Memory of libc's own malloc, which this program does not use.
void* AllocateFromLibc(size_t size);

}  // namespace corruption

#endif  // TESTING_CORRUPTION_CORRUPTION_H_
