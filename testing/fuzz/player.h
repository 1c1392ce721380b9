// Plays what a program may do to the allocator, as an input says.
//
// A step is one operation: allocations of every kind and size, frees one at a
// time and by the hundred, the clock, options, trimming, and what the kernel
// refuses from some call on. The outcome of each is told to the model.

#ifndef TESTING_FUZZ_PLAYER_H_
#define TESTING_FUZZ_PLAYER_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "testing/fuzz/model.h"

namespace memalloc::fuzz {

// Where players leave allocations for each other.
class Exchange {
 public:
  struct Item {
    void* pointer = nullptr;
    Allocation allocation;
  };
  // Leaves `item` and takes what is there; either may be nothing.
  Item Swap(size_t place, Item item);

  static constexpr size_t kPlaces = 16;

 private:
  std::mutex mutex_;
  std::array<Item, kPlaces> items_;
};

class Player {
 public:
  // `exchange` is null for the only player: then an allocation may fail only
  // if there is a reason for it.
  Player(FuzzedDataProvider* input, Exchange* exchange)
      : input_(input), exchange_(exchange) {}

  // Plays the next step; what is left of the input must not be nothing.
  void Step();

  // Frees all that the model has and all that others left.
  void FreeAll();

  const Model& model() const { return model_; }

 private:
  size_t DrawSize();
  void* DrawPointer();
  bool HasRoomFor(size_t size) const;

  void AllocateOne(size_t size);
  void AllocateOneZeroed(size_t size);
  void AllocateOneAligned(size_t size, size_t alignment);
  void AllocateMany();
  void ResizeOne();
  void UseAllOfOne();
  void FreeOne(void* pointer);
  void FreeMany();
  void PassOn();
  void ChangeOption();
  void MakeCallsFail();
  void ExpectReason(size_t size) const;

  FuzzedDataProvider* const input_;
  Exchange* const exchange_;
  Model model_;
  bool is_break_limited_ = false;
};

}  // namespace memalloc::fuzz

#endif  // TESTING_FUZZ_PLAYER_H_
