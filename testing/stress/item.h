// An allocation under stress: how it was made, what was written to it, and how
// it must be given back.
//
// Items are plain values that threads pass to each other. The pattern in the
// block depends on its address, its size and a number of its own, so that an
// overlap of two blocks, a block given out twice, and a write after free all
// show when the item is checked. Whatever is wrong ends the process at once
// with a line on stderr: the heap is then as the failure left it, for a
// debugger to look at.

#ifndef TESTING_STRESS_ITEM_H_
#define TESTING_STRESS_ITEM_H_

#include <cstddef>
#include <cstdint>

namespace stress {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;

struct Item {
  void* block = nullptr;
  size_t size = 0;
  uint64_t seed = 0;
  uint32_t alignment = 16;
  uint32_t method = 0;  // which pair of calls made it and releases it
};

// Which sizes occur.
enum class Sizes {
  kSmall,  // up to 1 KiB
  kMixed,  // mostly small, every kind up to 12 MiB
  kLarge,  // 32 KiB to 10 MiB
};

// Makes an item of a size, alignment and method that `random` determines.
// Memory from calloc is checked to be zero.
Item MakeItem(Sizes sizes, uint64_t random);

// The item for a block that malloc gave; fills it.
Item AdoptBlock(void* block, size_t size, uint64_t random);

// Checks the contents; all of what FillPattern wrote.
void CheckItem(const Item& item);

// Reallocates the item to another size that `random` determines, and checks
// what had to be kept.
void ResizeItem(Sizes sizes, uint64_t random, Item* item);

// Checks and releases the item, which becomes empty. Empty items are ignored.
void ReleaseItem(Item* item);

// A stream of numbers that is the same for the same seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t Next();
  // Uniform below `limit`.
  uint64_t Below(uint64_t limit) { return (Next() >> 11) % limit; }

 private:
  uint64_t state_;
};

// Ends the process with `what`.
[[noreturn]] void Fail(const char* what, const Item& item);

}  // namespace stress

#endif  // TESTING_STRESS_ITEM_H_
