// Aligned reservations: beside the last one if that place is free, else out of
// a larger reservation whose ends are given back.

#include "memalloc/heap/reserve.h"

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/layout/constants.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Where the last reservation began. Only a hint: races cost a system call.
std::atomic<uintptr_t> g_last_reservation{0};

}  // namespace

MEMALLOC_USUAL uintptr_t ReserveAligned(size_t bytes, size_t alignment,
                                        size_t offset) {
  if (bytes > kMaxRequest / 2 || alignment > kMaxRequest / 2) return 0;
  const uintptr_t last = g_last_reservation.load(std::memory_order_relaxed);
  if (last > bytes + alignment) {
    const uintptr_t hint = RoundDown(last - bytes + offset, alignment) - offset;
    const uintptr_t got = os::Reserve(bytes, hint);
    if (got == 0) return 0;
    if ((got + offset) % alignment == 0) {
      g_last_reservation.store(got, std::memory_order_relaxed);
      return got;
    }
    os::Unmap(got, bytes);
  }
  const size_t room = bytes + alignment;
  const uintptr_t start = os::Reserve(room, 0);
  if (start == 0) return 0;
  const uintptr_t got = RoundUp(start + offset, alignment) - offset;
  if (got > start) os::Unmap(start, got - start);
  const uintptr_t end = got + bytes;
  if (end < start + room) os::Unmap(end, start + room - end);
  g_last_reservation.store(got, std::memory_order_relaxed);
  return got;
}

void ReturnReservation(uintptr_t start, size_t bytes) {
  os::Unmap(start, bytes);
  // The next one goes where this one was, lest they march down. Those that
  // realloc moves still do: each 64 GiB cost a page of the address map, until
  // the kernel refuses the hint.
  g_last_reservation.compare_exchange_strong(start, start + bytes,
                                             std::memory_order_relaxed);
}

void ReturnAfterFailure(uintptr_t start, size_t bytes, uintptr_t failed,
                        size_t failed_bytes) {
  if (os::IsWhole(failed, failed_bytes)) return ReturnReservation(start, bytes);
  const uintptr_t behind = failed + failed_bytes;
  const uintptr_t end = start + bytes;
  if (failed > start) os::Unmap(start, failed - start);
  if (end > behind) os::Unmap(behind, end - behind);
}

}  // namespace memalloc
