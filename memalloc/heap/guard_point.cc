// See guard_point.h.

#include "memalloc/heap/guard_point.h"

#include "memalloc/base/math.h"
#include "memalloc/os/os.h"

namespace memalloc {

MEMALLOC_TLS GuardPoint t_guard_point;

size_t GuardPoint::Left() {
  const uint64_t rate = GetOption(Option::kGuardSampleRate);
  if (rate == 0) return SIZE_MAX;
  if (rate_ != rate) {
    rate_ = rate;
    Draw();
  }
  return left_;
}

void GuardPoint::Pass(size_t count) {
  // Another rate may have been drawn for, or none.
  left_ -= Min<uint64_t>(left_, count);
  if (left_ == 0 && rate_ != 0) Draw();
}

// From 1 to twice the rate, less one; each as likely as any other.
void GuardPoint::Draw() {
  if (random_ == 0) {
    random_ = os::RandomWord() + reinterpret_cast<uintptr_t>(this);
  }
  random_ = Mix(random_ + 1);
  left_ = 1 + random_ % (2 * rate_ - 1);
}

}  // namespace memalloc
