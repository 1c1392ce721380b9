// Tests of the histogram: percentiles against sorted values.
#include "tools/bench/workloads/histogram.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tools/bench/workloads/support.h"

namespace memalloc_bench {
namespace {

TEST(HistogramTest, EmptyIsZero) {
  const auto histogram = std::make_unique<Histogram>();
  EXPECT_EQ(histogram->Percentile(0.5), 0u);
  EXPECT_EQ(histogram->max(), 0u);
  EXPECT_EQ(histogram->total(), 0u);
}

TEST(HistogramTest, SmallValuesAreExact) {
  const auto histogram = std::make_unique<Histogram>();
  for (uint64_t value = 1; value <= 30; ++value) histogram->Add(value);
  EXPECT_EQ(histogram->Percentile(0.5), 15u);
  EXPECT_EQ(histogram->Percentile(0.1), 3u);
  EXPECT_EQ(histogram->Percentile(1.0), 30u);
}

TEST(HistogramTest, PercentilesAreAtMostThreePercentHigh) {
  const auto histogram = std::make_unique<Histogram>();
  Random random(7);
  std::vector<uint64_t> values;
  for (int i = 0; i < 100000; ++i) {
    // Every order of magnitude, up to the whole range.
    values.push_back(random.Next() >> random.Below(64));
    histogram->Add(values.back());
  }
  std::sort(values.begin(), values.end());
  for (double share : {0.001, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999, 1.0}) {
    const size_t rank =
        static_cast<size_t>(std::ceil(share * values.size())) - 1;
    const uint64_t exact = values[rank];
    const uint64_t read = histogram->Percentile(share);
    EXPECT_GE(read, exact) << share;
    EXPECT_LE(static_cast<double>(read), 1.032 * exact + 1) << share;
  }
  EXPECT_EQ(histogram->max(), values.back());
}

TEST(HistogramTest, MergedIsAsIfAddedToOne) {
  const auto whole = std::make_unique<Histogram>();
  const auto low = std::make_unique<Histogram>();
  const auto high = std::make_unique<Histogram>();
  for (uint64_t value = 0; value < 10000; value += 3) {
    whole->Add(value);
    (value < 5000 ? low : high)->Add(value);
  }
  low->Merge(*high);
  EXPECT_EQ(low->total(), whole->total());
  EXPECT_EQ(low->max(), whole->max());
  for (double share : {0.1, 0.5, 0.9, 0.999}) {
    EXPECT_EQ(low->Percentile(share), whole->Percentile(share)) << share;
  }
}

}  // namespace
}  // namespace memalloc_bench
