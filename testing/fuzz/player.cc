// Plays what a program may do to the allocator; see player.h.

#include "testing/fuzz/player.h"

#include <algorithm>
#include <limits>

#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sized_free.h"
#include "memalloc/layout/constants.h"
#include "testing/unit/fake_os.h"

namespace memalloc::fuzz {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

// What one input may have: enough for each kind of block, little enough for
// hundreds of inputs a second.
constexpr uint64_t kMaxBytes = 24 * kMiB;
constexpr size_t kMaxAllocations = 3000;
constexpr size_t kMaxMany = 300;
constexpr size_t kMaxManyBytes = kMiB;

enum class Operation {
  kAllocate,
  kAllocateZeroed,
  kAllocateAligned,
  kAllocateMany,
  kResize,
  kUseAll,
  kFree,
  kFreeAlso,  // twice as often as others
  kFreeMany,
  kPassOn,
  kTrim,
  kPassTime,
  kChangeOption,
  kMakeCallsFail,
  kEndShortage,
  kForeignBreak,
  kMaxValue = kForeignBreak,
};

struct OptionValue {
  Option option;
  uint64_t value;
};
constexpr OptionValue kOptionValues[] = {
    {Option::kPurgeDelay, 0},
    {Option::kPurgeDelay, 10},
    {Option::kPurgeDelay, 1000},
    {Option::kPurgeDelay, uint64_t{1} << 31},
    {Option::kTrimThreshold, 0},
    {Option::kTrimThreshold, 4 * kMiB},
    {Option::kTopPad, 0},
    {Option::kTopPad, kMiB},
    {Option::kTopPad, 5 * kMiB},
    {Option::kHugeThreshold, 0},
    {Option::kHugeThreshold, kMiB},
    {Option::kHugeThreshold, 8 * kMiB},
    {Option::kHugeCache, 0},
    {Option::kHugeCache, 64 * kMiB},
    {Option::kHugePages, 0},
    {Option::kHugePages, 1},
    {Option::kHugePages, 2},
    {Option::kSoftLimit, 0},
    {Option::kSoftLimit, 2 * kMiB},
    {Option::kSoftLimit, 10 * kMiB},
    {Option::kHardLimit, 0},
    {Option::kHardLimit, 3 * kMiB},
    {Option::kHardLimit, 20 * kMiB},
};

// Where something changes from one size to the next.
constexpr size_t kEdges[] = {
    kMinAlignment, 256,
    kMaxTableSize, 4 * kKiB,
    kMaxSmallSize, 2 * kMaxSmallSize,
    kMiB,          kMaxLargeSize,
    kArenaSize,    kArenaSize - kGranuleSize,
};

}  // namespace

Exchange::Item Exchange::Swap(size_t place, Item item) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::swap(items_[place], item);
  return item;
}

void Player::Step() {
  switch (input_->ConsumeEnum<Operation>()) {
    case Operation::kAllocate:
      return AllocateOne(DrawSize());
    case Operation::kAllocateZeroed:
      return AllocateOneZeroed(DrawSize());
    case Operation::kAllocateAligned: {
      const size_t size = DrawSize();
      return AllocateOneAligned(
          size, size_t{1} << input_->ConsumeIntegralInRange(0, 26));
    }
    case Operation::kAllocateMany:
      return AllocateMany();
    case Operation::kResize:
      return ResizeOne();
    case Operation::kUseAll:
      return UseAllOfOne();
    case Operation::kFree:
    case Operation::kFreeAlso:
      return FreeOne(DrawPointer());
    case Operation::kFreeMany:
      return FreeMany();
    case Operation::kPassOn:
      return PassOn();
    case Operation::kTrim:
      g_central_heap.Trim(input_->ConsumeBool() ? 0 : kMiB);
      return;
    case Operation::kPassTime:
      fake_os::PassTime(input_->ConsumeIntegralInRange<uint64_t>(0, 2000));
      return PassSlowPath();
    case Operation::kChangeOption:
      return ChangeOption();
    case Operation::kMakeCallsFail:
      return MakeCallsFail();
    case Operation::kEndShortage:
      is_break_limited_ = false;
      return fake_os::EndShortage();
    case Operation::kForeignBreak:
      if (is_break_limited_ || exchange_ != nullptr) return;
      fake_os::ForeignSbrk(
          input_->ConsumeIntegralInRange<size_t>(1, 100 * kKiB));
      return;
  }
}

size_t Player::DrawSize() {
  switch (input_->ConsumeIntegralInRange(0, 9)) {
    case 0:
    case 1:
    case 2:
      return input_->ConsumeIntegralInRange<size_t>(0, kKiB);
    case 3:
    case 4:
      return input_->ConsumeIntegralInRange<size_t>(0, kMaxSmallSize);
    case 5:
      return input_->ConsumeIntegralInRange<size_t>(0, kMiB);
    case 6:
      return input_->ConsumeIntegralInRange<size_t>(0, kMaxLargeSize);
    case 7:
      return input_->ConsumeIntegralInRange<size_t>(0, 12 * kMiB);
    case 8:
      // As many bits as it likes; mostly more than there is.
      return input_->ConsumeIntegral<size_t>() >>
             input_->ConsumeIntegralInRange(0, 63);
    default:
      return input_->PickValueInArray(kEdges) +
             input_->ConsumeIntegralInRange<size_t>(0, 34) - 17;
  }
}

// Null if there is none.
void* Player::DrawPointer() {
  if (model_.count() == 0) return nullptr;
  return model_.Nth(
      input_->ConsumeIntegralInRange<size_t>(0, model_.count() - 1));
}

// What cannot be had at all is asked for all the same.
bool Player::HasRoomFor(size_t size) const {
  return model_.count() < kMaxAllocations &&
         (size > kMaxRequest || model_.bytes() + size <= kMaxBytes);
}

// An allocation of `size` bytes failed.
void Player::ExpectReason(size_t size) const {
  if (exchange_ != nullptr || fake_os::HasFailed() || size > kMaxBytes ||
      GetOption(Option::kHardLimit) != 0) {
    return;
  }
  Complain("failed without a reason", nullptr, size);
}

void Player::AllocateOne(size_t size) {
  if (!HasRoomFor(size)) return;
  void* pointer = Allocate(size);
  if (pointer == nullptr) return ExpectReason(size);
  model_.Add(pointer, size, alignof(max_align_t));
}

void Player::AllocateOneZeroed(size_t size) {
  if (!HasRoomFor(size)) return;
  void* pointer = AllocateZeroed(size);
  if (pointer == nullptr) return ExpectReason(size);
  model_.AddZeroed(pointer, size);
}

void Player::AllocateOneAligned(size_t size, size_t alignment) {
  if (!HasRoomFor(size)) return;
  void* pointer = AllocateAligned(size, alignment);
  if (pointer == nullptr) return ExpectReason(size);
  model_.Add(pointer, size, std::max(alignment, alignof(max_align_t)));
}

void Player::AllocateMany() {
  const size_t size = DrawSize();
  size_t count = input_->ConsumeIntegralInRange<size_t>(1, kMaxMany);
  count = std::min(count, kMaxManyBytes / std::max<size_t>(size, 1) + 1);
  for (; count > 0; --count) AllocateOne(size);
}

void Player::ResizeOne() {
  void* pointer = DrawPointer();
  const size_t size = std::max<size_t>(DrawSize(), 1);
  if (pointer == nullptr || !HasRoomFor(size)) return;
  const Allocation before = model_.Remove(pointer);
  void* moved = Reallocate(pointer, size);
  if (moved != nullptr) return model_.AddResized(moved, size, before);
  ExpectReason(size);
  if (size <= before.usable) Complain("shrinking failed", pointer, size);
  model_.AddForeign(pointer, before);
}

// The program may use what malloc_usable_size says.
void Player::UseAllOfOne() {
  void* pointer = DrawPointer();
  if (pointer == nullptr) return;
  const Allocation before = model_.Remove(pointer);
  model_.AddResized(pointer, before.usable, before);
}

// With its size, as delete does, or without; the address says which.
void Player::FreeOne(void* pointer) {
  if (pointer == nullptr) return Free(pointer);
  const size_t size = model_.Remove(pointer).size;
  if ((reinterpret_cast<uintptr_t>(pointer) / kMinAlignment) % 2 == 0) {
    return Free(pointer);
  }
  FreeSized(pointer, size, "free_sized");
}

// Every so many-th allocation, from some place on.
void Player::FreeMany() {
  if (model_.count() == 0) return;
  size_t place = input_->ConsumeIntegralInRange<size_t>(0, model_.count() - 1);
  const size_t step = input_->ConsumeIntegralInRange<size_t>(0, 9);
  size_t count = input_->ConsumeIntegralInRange<size_t>(1, kMaxMany);
  for (; count > 0 && place < model_.count(); --count, place += step) {
    FreeOne(model_.Nth(place));
  }
}

void Player::PassOn() {
  if (exchange_ == nullptr) return;
  Exchange::Item item;
  item.pointer = DrawPointer();
  if (item.pointer != nullptr) item.allocation = model_.Remove(item.pointer);
  item = exchange_->Swap(
      input_->ConsumeIntegralInRange<size_t>(0, Exchange::kPlaces - 1), item);
  if (item.pointer == nullptr) return;
  model_.AddForeign(item.pointer, item.allocation);
}

void Player::ChangeOption() {
  const OptionValue change = input_->PickValueInArray(kOptionValues);
  SetOption(change.option, change.value);
}

void Player::MakeCallsFail() {
  const size_t nth = input_->ConsumeIntegralInRange<size_t>(1, 20);
  const size_t times = input_->ConsumeBool()
                           ? fake_os::kForEver
                           : input_->ConsumeIntegralInRange<size_t>(1, 4);
  const auto bytes = size_t{input_->ConsumeIntegral<uint16_t>()} * kKiB;
  const int what = input_->ConsumeIntegralInRange(0, fake_os::kNumCalls + 3);
  if (what < fake_os::kNumCalls) {
    return fake_os::Fail(static_cast<fake_os::Call>(what), nth, times);
  }
  switch (what - fake_os::kNumCalls) {
    case 0:
      return fake_os::FailAny(nth, times);
    case 1:
      is_break_limited_ = true;
      return fake_os::LimitBreak(bytes);
    case 2:
      return fake_os::LimitMemory(bytes);
    default:
      // Somebody else maps memory where a refusal left a hole.
      fake_os::TakeLostPages();
  }
}

void Player::FreeAll() {
  while (model_.count() > 0) FreeOne(model_.Nth(0));
  if (exchange_ == nullptr) return;
  for (size_t i = 0; i < Exchange::kPlaces; ++i) {
    const Exchange::Item item = exchange_->Swap(i, {});
    if (item.pointer == nullptr) continue;
    model_.AddForeign(item.pointer, item.allocation);
    FreeOne(item.pointer);
  }
}

}  // namespace memalloc::fuzz
