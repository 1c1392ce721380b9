// mallopt(3), from <malloc.h>: glibc's parameters on our options.
//
// It accepts the values that glibc 2.36 accepts, as programs take 0 for a
// failure; a parameter that is none gives 0 as the manual says. What has no
// counterpart here is accepted without effect; docs/tuning.md lists it all.

#include <malloc.h>
#include <stdint.h>

#include "memalloc/api/link_unit.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/thread_heap.h"

#define MEMALLOC_EXPORT extern "C" __attribute__((visibility("default"), used))

namespace memalloc {
namespace {

// glibc has these as size_t: of -1 it makes the largest.
int SetBytes(Option option, int value) {
  const uint64_t max = kOptionInfo[static_cast<size_t>(option)].max;
  InitialiseOnce();  // lest the environment overrule the call later
  SetOption(option, value < 0 ? max : Min(static_cast<uint64_t>(value), max));
  return 1;
}

}  // namespace
}  // namespace memalloc

MEMALLOC_EXPORT int mallopt(int parameter, int value) noexcept {
  using memalloc::Max;
  using memalloc::Option;
  constexpr int kMaxFast = 160;
  constexpr int kLeastMmap = 1 << 20;
  switch (parameter) {
    case M_TRIM_THRESHOLD:
      return memalloc::SetBytes(Option::kTrimThreshold, value);
    case M_TOP_PAD:
      return memalloc::SetBytes(Option::kTopPad, value);
    case M_MMAP_THRESHOLD:
      // Programs ask for 128 KiB, as that is glibc's own; here each mapping of
      // a block costs more, and blocks in arenas go back as well.
      return memalloc::SetBytes(Option::kHugeThreshold,
                                value < 0 ? value : Max(value, kLeastMmap));
    case M_MXFAST:
      return value >= 0 && value <= kMaxFast ? 1 : 0;
    case M_NLBLKS:
    case M_GRAIN:
    case M_KEEP:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
      return 1;
    default:
      return 0;
  }
}
