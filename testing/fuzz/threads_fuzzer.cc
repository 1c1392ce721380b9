// libFuzzer's target for threads that run at once, each as its part of the
// input says; for ThreadSanitizer, and for what depends on the order in which
// the threads happen to run. The heap is walked at the end.

#include <fuzzer/FuzzedDataProvider.h>

#include <thread>
#include <vector>

#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/fuzz/fresh_heap.h"
#include "testing/fuzz/player.h"

namespace memalloc::fuzz {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kMaxSteps = 200;

void Play(const uint8_t* data, size_t size, Exchange* exchange) {
  FuzzedDataProvider input(data, size);
  Player player(&input, exchange);
  for (size_t i = 0; i < kMaxSteps && input.remaining_bytes() > 0; ++i) {
    player.Step();
  }
  // What others left goes to whoever ends first.
  player.FreeAll();
}

void Run(const uint8_t* data, size_t size) {
  BeginAnew();
  Exchange exchange;
  std::vector<std::thread> threads;
  const size_t part = size / kThreads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back(Play, data + i * part, part, &exchange);
  }
  for (std::thread& thread : threads) thread.join();
  FuzzedDataProvider nothing(data, 0);
  Player(&nothing, &exchange).FreeAll();
  g_central_heap.Check(t_heap);
  ExpectAllToGoBack();
}

}  // namespace
}  // namespace memalloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  memalloc::fuzz::Run(data, size);
  return 0;
}
