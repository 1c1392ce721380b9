// A histogram of durations with a bounded relative error, for latency.cc.
//
// Buckets are logarithmic with 32 steps for each power of two: a percentile
// read from it is at most 3 % too high. Adding is a shift and an increment and
// never allocates, so that recording does not disturb what is recorded. One
// writer; histograms of threads are merged when the threads have ended.
#ifndef TOOLS_BENCH_WORKLOADS_HISTOGRAM_H_
#define TOOLS_BENCH_WORKLOADS_HISTOGRAM_H_

#include <cstdint>

namespace memalloc_bench {

class Histogram {
 public:
  void Add(uint64_t value) {
    ++counts_[Bucket(value)];
    ++total_;
    if (value > max_) max_ = value;
  }

  void Merge(const Histogram& other) {
    for (int i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    if (other.max_ > max_) max_ = other.max_;
  }

  // The smallest bucket bound that at least `share` of the values reach not
  // above; 0 when nothing was added.
  uint64_t Percentile(double share) const {
    const double wanted = share * static_cast<double>(total_);
    uint64_t seen = 0;
    for (int i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen > 0 && static_cast<double>(seen) >= wanted) {
        return UpperBound(i) < max_ ? UpperBound(i) : max_;
      }
    }
    return max_;
  }

  uint64_t total() const { return total_; }
  uint64_t max() const { return max_; }

 private:
  static constexpr int kStepBits = 5;
  static constexpr uint64_t kSteps = uint64_t{1} << kStepBits;
  static constexpr int kBuckets = (64 - kStepBits + 1) << kStepBits;

  // Below kSteps each value has its bucket; above, the top kStepBits + 1 bits
  // choose it.
  static int Bucket(uint64_t value) {
    if (value < kSteps) return static_cast<int>(value);
    const int shift = 63 - __builtin_clzll(value) - kStepBits;
    return static_cast<int>((static_cast<uint64_t>(shift) << kStepBits) +
                            (value >> shift));
  }

  static uint64_t UpperBound(int bucket) {
    const int shift = (bucket >> kStepBits) - 1;
    if (shift <= 0) return bucket;
    const uint64_t top = (bucket & (kSteps - 1)) + kSteps;
    return ((top + 1) << shift) - 1;
  }

  uint64_t counts_[kBuckets] = {};
  uint64_t total_ = 0;
  uint64_t max_ = 0;
};

}  // namespace memalloc_bench

#endif  // TOOLS_BENCH_WORKLOADS_HISTOGRAM_H_
