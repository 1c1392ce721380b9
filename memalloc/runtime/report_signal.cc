// The signal at which reports are written.
//
// Its handler may have interrupted malloc, so it only notes that it came; the
// background thread, which the option starts, does the work.

#include <atomic>

#include "memalloc/base/options.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

std::atomic<int> g_signal{0};  // that is handled
std::atomic<bool> g_came{false};

void OnSignal(int /*signal*/) { RequestReports(); }

}  // namespace

bool HandleReportSignal() {
  const auto wanted = static_cast<int>(GetOption(Option::kReportSignal));
  const int before = g_signal.exchange(wanted, std::memory_order_relaxed);
  if (before != 0 && before != wanted) os::ReturnSignal(before, &OnSignal);
  return wanted == 0 || os::HandleSignal(wanted, &OnSignal);
}

void RequestReports() {
  g_came.store(true, std::memory_order_relaxed);
  WakeBackgroundThread();
}

bool TakeReportRequest() {
  return g_came.exchange(false, std::memory_order_relaxed);
}

}  // namespace memalloc
