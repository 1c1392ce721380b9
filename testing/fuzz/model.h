// What must hold of the allocations of a program: a map from each one's address
// to what is known of it.
//
// The model is told of each operation's outcome and ends the process with a
// line on stderr if that cannot be: wrongly aligned, over another allocation,
// smaller than wanted, not zero where it must be, contents lost. Threads may
// share a model if they take turns; each has one of its own otherwise, and an
// overlap with another's allocation shows in its contents.

#ifndef TESTING_FUZZ_MODEL_H_
#define TESTING_FUZZ_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>

namespace memalloc::fuzz {

// Prints the line and ends the process.
[[noreturn]] void Complain(const char* what, const void* pointer, size_t size);

struct Allocation {
  size_t size = 0;    // what may be used: as wanted, or as UsableSize said
  size_t usable = 0;  // as UsableSize said
  uint64_t seed = 0;  // of the contents
};

class Model {
 public:
  size_t count() const { return allocations_.size(); }
  // Of all allocations together.
  uint64_t bytes() const { return bytes_; }
  // The n-th in the order of addresses.
  void* Nth(size_t n) const;
  const Allocation& Get(void* pointer) const;

  // An allocation of `size` bytes was made. Checks it and fills it.
  void Add(void* pointer, size_t size, size_t alignment);
  // The same, which must be zero.
  void AddZeroed(void* pointer, size_t size);

  // Checks the contents and forgets the allocation, which is about to be freed,
  // resized, or another's.
  Allocation Remove(void* pointer);
  // It was resized: what it had before is there, as far as there is room.
  void AddResized(void* pointer, size_t size, const Allocation& before);
  // It is this model's now, as it is.
  void AddForeign(void* pointer, const Allocation& allocation);

  // Checks all contents.
  void CheckAll() const;

 private:
  std::map<uintptr_t, Allocation> allocations_;
  uint64_t bytes_ = 0;
  uint64_t made_ = 0;
};

}  // namespace memalloc::fuzz

#endif  // TESTING_FUZZ_MODEL_H_
