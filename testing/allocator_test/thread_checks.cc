// The checks with random work: alone, on many threads that exchange blocks,
// and on many threads that live only briefly.
//
// Blocks come from every entry (blocks.h) and are verified when they are
// released, which in CheckExchange mostly happens on another thread than the
// one that made them. Threads keep their own Findings, merged after join; what
// they share is one table of atomic pointers.
//
// Built as blocks.cc is. Called by allocator_test.cc through checks.h.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "testing/allocator_test/blocks.h"
#include "testing/allocator_test/checks.h"

namespace allocator_test {
namespace {

Block RandomBlock(Random& random) {
  const auto source = static_cast<Source>(random.Below(kSources));
  const std::size_t size = random.Size();
  return MakeBlock(source, size, random.Next());
}

void ExpectIntact(Findings& findings, const Block& block) {
  findings.Expect(ReleaseBlock(block), "a block's contents changed",
                  block.size);
}

// `operations` steps on `live` places: each releases what it finds and puts a
// new block there.
void Churn(Findings& findings, Random& random, std::size_t live,
           int operations) {
  std::vector<Block> blocks(live);
  for (int i = 0; i < operations; ++i) {
    Block& place = blocks[random.Below(live)];
    if (place.data != nullptr) ExpectIntact(findings, place);
    place = RandomBlock(random);
    findings.Expect(place.data != nullptr, "an allocation failed", place.size);
  }
  for (const Block& block : blocks) {
    if (block.data != nullptr) ExpectIntact(findings, block);
  }
}

// Runs body(thread number, findings of that thread) on `threads` threads.
template <typename Body>
Findings OnThreads(int threads, Body body) {
  std::vector<Findings> findings(threads);
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] { body(i, findings[i]); });
  }
  Findings all;
  for (int i = 0; i < threads; ++i) {
    running[i].join();
    all.Merge(findings[i]);
  }
  return all;
}

}  // namespace

Findings CheckRandomWork(const Settings& settings) {
  Findings findings;
  Random random(settings.seed);
  const int operations = 20000 * settings.rounds;
  Churn(findings, random, 5000, operations);
  findings.Say(absl::StrCat(operations, " blocks of ", kSources,
                            " sources, 5000 alive, contents kept"));
  return findings;
}

Findings CheckExchange(const Settings& settings) {
  // Fewer places than blocks in flight, so that threads meet in them.
  std::vector<std::atomic<Block*>> places(4096);
  const int operations = 5000 * settings.rounds;
  Findings findings = OnThreads(settings.threads, [&](int thread,
                                                      Findings& mine) {
    Random random(settings.seed * 1000003 + thread);
    for (int i = 0; i < operations; ++i) {
      auto block = std::make_unique<Block>(RandomBlock(random));
      mine.Expect(block->data != nullptr, "an allocation failed", block->size);
      if (block->data == nullptr) continue;
      // Release pairs with the acquire of the thread that takes the
      // block out: it must see the contents.
      const std::unique_ptr<Block> old(
          places[random.Below(places.size())].exchange(
              block.release(), std::memory_order_acq_rel));
      if (old != nullptr) ExpectIntact(mine, *old);
    }
  });
  for (auto& place : places) {
    const std::unique_ptr<Block> left(place.load(std::memory_order_relaxed));
    if (left != nullptr) ExpectIntact(findings, *left);
  }
  findings.Say(absl::StrCat(settings.threads, " threads, ", operations,
                            " blocks each, freed by whoever finds them"));
  return findings;
}

Findings CheckShortThreads(const Settings& settings) {
  Findings findings;
  const int generations = 25 * settings.rounds;
  constexpr std::size_t kKept = 10;
  std::vector<Block> inherited;
  for (int generation = 0; generation < generations; ++generation) {
    std::vector<std::vector<Block>> left(settings.threads);
    findings.Merge(OnThreads(settings.threads, [&](int thread, Findings& mine) {
      Random random(settings.seed + generation * 1009 + thread);
      Churn(mine, random, 20, 60);
      for (std::size_t i = 0; i < kKept; ++i) {
        left[thread].push_back(RandomBlock(random));
      }
    }));
    // What the threads of the last generation left is released only now, when
    // others have used the memory around it.
    for (const Block& block : inherited) ExpectIntact(findings, block);
    inherited.clear();
    for (const std::vector<Block>& blocks : left) {
      inherited.insert(inherited.end(), blocks.begin(), blocks.end());
    }
  }
  for (const Block& block : inherited) ExpectIntact(findings, block);
  findings.Say(absl::StrCat(generations * settings.threads,
                            " threads that exit and leave ", kKept,
                            " blocks each to the main thread"));
  return findings;
}

}  // namespace allocator_test
