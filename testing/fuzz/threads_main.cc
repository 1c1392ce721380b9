// Threads that run at once, each as an input of the fuzzer's corpus or a random
// one says: for ThreadSanitizer, and for what depends on the order in which
// threads happen to run. libFuzzer itself counts what it covers without
// synchronisation, so that this is a program of its own.
//
//   threads_main SECONDS SEED INPUT...
//
// Prints how many rounds there were. In each, all threads play, and the heap is
// walked, and all of it goes back.

#include <fuzzer/FuzzedDataProvider.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>
#include <vector>

#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/fuzz/fresh_heap.h"
#include "testing/fuzz/player.h"

namespace memalloc::fuzz {
namespace {

using Input = std::vector<uint8_t>;
using Clock = std::chrono::steady_clock;

constexpr size_t kThreads = 4;
constexpr size_t kMaxSteps = 200;
constexpr size_t kRandomBytes = 1000;

Input Read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(file), {});
}

// One of `inputs`, or a random one.
Input Draw(const std::vector<Input>& inputs, std::mt19937_64* random) {
  if (!inputs.empty() && (*random)() % 2 == 0) {
    return inputs[(*random)() % inputs.size()];
  }
  Input input(kRandomBytes);
  for (uint8_t& byte : input) byte = static_cast<uint8_t>((*random)());
  return input;
}

void Play(const Input& input, Exchange* exchange) {
  FuzzedDataProvider provider(input.data(), input.size());
  Player player(&provider, exchange);
  for (size_t i = 0; i < kMaxSteps && provider.remaining_bytes() > 0; ++i) {
    player.Step();
  }
  // What others left goes to whoever ends first.
  player.FreeAll();
}

void PlayRound(const std::vector<Input>& inputs) {
  BeginAnew();
  Exchange exchange;
  std::vector<std::thread> threads;
  for (const Input& input : inputs) {
    threads.emplace_back([&] { Play(input, &exchange); });
  }
  for (std::thread& thread : threads) thread.join();
  Play({}, &exchange);
  g_central_heap.Check(t_heap);
  ExpectAllToGoBack();
}

}  // namespace
}  // namespace memalloc::fuzz

int main(int argc, char** argv) {
  using namespace memalloc::fuzz;
  if (argc < 3) {
    fprintf(stderr, "usage: %s SECONDS SEED INPUT...\n", argv[0]);
    return 2;
  }
  const auto end = Clock::now() + std::chrono::seconds(atoi(argv[1]));
  std::mt19937_64 random(strtoull(argv[2], nullptr, 10));
  std::vector<Input> inputs;
  for (int i = 3; i < argc; ++i) inputs.push_back(Read(argv[i]));
  size_t rounds = 0;
  do {
    std::vector<Input> round;
    for (size_t i = 0; i < kThreads; ++i)
      round.push_back(Draw(inputs, &random));
    PlayRound(round);
    ++rounds;
  } while (Clock::now() < end);
  printf("%zu rounds of %zu threads\n", rounds, kThreads);
}
