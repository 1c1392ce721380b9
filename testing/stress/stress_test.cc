// Stress with fixed seeds: 2 to 64 threads, short and long lives, all sizes.
// Contents are checked throughout; memalloc's heap is walked at the quiet point
// after each run. How much memory the workloads need: memory_test.cc.
//
// Each run is bounded in operations, to some seconds on two busy cores. The
// same workloads for hours: soak.cc.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <iostream>
#include <string>
#include <thread>
#include <tuple>

#include "testing/stress/calls.h"
#include "testing/stress/workloads.h"

namespace stress {
namespace {

class StressTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(calls::IsInCharge()); }
  void TearDown() override { calls::CheckHeap(); }
};

struct MailboxCase {
  const char* name;
  Sizes sizes;
  uint64_t operations;
  uint64_t lifetime;
};

class MailboxTest
    : public StressTest,
      public testing::WithParamInterface<std::tuple<MailboxCase, int>> {};

TEST_P(MailboxTest, ContentsSurvive) {
  const auto& [parameters, threads] = GetParam();
  for (uint64_t seed : {1, 2}) {
    std::cout << "seed " << seed << std::endl;
    MailboxOptions options;
    options.threads = threads;
    options.seed = seed;
    options.operations = parameters.operations;
    options.sizes = parameters.sizes;
    options.lifetime = parameters.lifetime;
    RunMailboxes(options);
    calls::CheckHeap();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Stress, MailboxTest,
    testing::Combine(
        testing::Values(MailboxCase{"Small", Sizes::kSmall, 600000, 15000},
                        MailboxCase{"Mixed", Sizes::kMixed, 200000, 5000},
                        MailboxCase{"Large", Sizes::kLarge, 20000, 1000},
                        MailboxCase{"ShortLives", Sizes::kMixed, 60000, 100}),
        testing::Values(2, 4, 16, 64)),
    [](const testing::TestParamInfo<MailboxTest::ParamType>& info) {
      return std::string(std::get<0>(info.param).name) + "_" +
             std::to_string(std::get<1>(info.param)) + "_threads";
    });

// The same while free memory goes back as often as it can.
TEST_F(StressTest, WhileAnotherThreadTrims) {
  std::atomic<bool> ends{false};
  std::thread trimmer([&ends] {
    while (!ends) calls::Trim();
  });
  for (const Sizes sizes : {Sizes::kSmall, Sizes::kMixed, Sizes::kLarge}) {
    MailboxOptions options;
    options.threads = 8;
    options.operations = 20000;
    options.sizes = sizes;
    RunMailboxes(options);
  }
  ends = true;
  trimmer.join();
}

TEST_F(StressTest, ForkStorm) { RunForkStorm(4, 1, 40); }

class InterleavedFreesTest : public StressTest,
                             public testing::WithParamInterface<int> {};

TEST_P(InterleavedFreesTest, ContentsSurvive) {
  const int threads = GetParam();
  RunInterleavedFrees(threads, 1, 200, 256);
  calls::CheckHeap();
  RunInterleavedFrees(threads, 2, 40, 8 * kKiB);
  calls::CheckHeap();
  RunInterleavedFrees(threads, 3, 4, 100 * kKiB);
}

INSTANTIATE_TEST_SUITE_P(Stress, InterleavedFreesTest,
                         testing::Values(2, 4, 16, 64),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace stress
