// The table of options and what they are before anybody sets them.

#include "memalloc/base/options.h"

#include "memalloc/base/settings.h"

namespace memalloc {
namespace {

constexpr uint64_t kMaxDelay = uint64_t{1} << 31;
constexpr uint64_t kMaxBytes = uint64_t{1} << 46;
constexpr uint64_t kMaxNumber = uint64_t{1} << 31;
constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;

}  // namespace

// In the order of Option.
constexpr OptionInfo kOptionInfo[kNumOptions] = {
    {"purge_delay", OptionUnit::kMilliseconds, 1000, kMaxDelay},
    {"trim_threshold", OptionUnit::kBytes, 4 * kMiB, kMaxBytes},
    {"top_pad", OptionUnit::kBytes, kMiB, kMaxBytes},
    {"huge_threshold", OptionUnit::kBytes, 8 * kMiB, 8 * kMiB},
    {"huge_cache", OptionUnit::kBytes, 64 * kMiB, kMaxBytes},
    {"huge_pages", OptionUnit::kHugePages, 1, 2},
    {"soft_limit", OptionUnit::kBytes, 0, kMaxBytes},
    {"hard_limit", OptionUnit::kBytes, 0, kMaxBytes},
    {"cgroup_limit", OptionUnit::kFlag, 0, 1},
    {"background_thread", OptionUnit::kFlag, 0, 1},
    {"foreign_pointers", OptionUnit::kForeignPointers, 0, 2},
    {"report_signal", OptionUnit::kSignal, 0, 64},
    {"report_interval", OptionUnit::kMilliseconds, 0, kMaxDelay},
    {"report_bytes", OptionUnit::kBytes, 0, kMaxBytes},
    {"sample_interval", OptionUnit::kBytes, 0, kMaxBytes},
    {"guard_sample_rate", OptionUnit::kNumber, 0, kMaxNumber},
    {"guard_slots", OptionUnit::kNumber, 256, 16384},
    {"leaks_reachable", OptionUnit::kFlag, 0, 1},
    {"leak_exit_code", OptionUnit::kNumber, 0, 255},
    {"quarantine", OptionUnit::kBytes, 256 * kKiB, kMaxBytes},
    {"zero_on_free", OptionUnit::kBytes, 32, kMaxBytes},
    {"random_order", OptionUnit::kFlag, 1, 1},
    {"guard_pages", OptionUnit::kFlag, 1, 1},
};

// In the order of PathOption.
constexpr PathInfo kPathInfo[kNumPathOptions] = {
    {"stats_file", /*may_be_stderr=*/false},
    {"stats", /*may_be_stderr=*/true},
    {"heap_map", /*may_be_stderr=*/true},
    {"trace", /*may_be_stderr=*/false},
    {"profile", /*may_be_stderr=*/false},
    {"leaks", /*may_be_stderr=*/true},
    {"leak_suppressions", /*may_be_stderr=*/false},
};

// Constant-initialised: an option may be wanted before any constructor ran.
std::atomic<uint64_t> g_options[kNumOptions] = {
    {kOptionInfo[0].initial},  {kOptionInfo[1].initial},
    {kOptionInfo[2].initial},  {kOptionInfo[3].initial},
    {kOptionInfo[4].initial},  {kOptionInfo[5].initial},
    {kOptionInfo[6].initial},  {kOptionInfo[7].initial},
    {kOptionInfo[8].initial},  {kOptionInfo[9].initial},
    {kOptionInfo[10].initial}, {kOptionInfo[11].initial},
    {kOptionInfo[12].initial}, {kOptionInfo[13].initial},
    {kOptionInfo[14].initial}, {kOptionInfo[15].initial},
    {kOptionInfo[16].initial}, {kOptionInfo[17].initial},
    {kOptionInfo[18].initial}, {kOptionInfo[19].initial},
    {kOptionInfo[20].initial}, {kOptionInfo[21].initial},
    {kOptionInfo[22].initial},
};

namespace {

constexpr uint64_t Initial(Option option) {
  return kOptionInfo[static_cast<size_t>(option)].initial;
}

constexpr size_t UsualCellSizeFor(uint64_t quarantine, uint64_t zero_on_free) {
  return zero_on_free == Initial(Option::kZeroOnFree)
             ? quarantine / kSmallCellsInQuarantine
             : 0;
}

}  // namespace

std::atomic<size_t> g_usual_cell_size{UsualCellSizeFor(
    Initial(Option::kQuarantine), Initial(Option::kZeroOnFree))};

void SetOption(Option option, uint64_t value) {
  g_options[static_cast<size_t>(option)].store(value);
  if constexpr (kIsHardened) {
    const auto& quarantine =
        g_options[static_cast<size_t>(Option::kQuarantine)];
    const auto& zero_on_free =
        g_options[static_cast<size_t>(Option::kZeroOnFree)];
    uint64_t held;
    uint64_t cleared;
    // Once more if another thread set one of them meanwhile: the last one to
    // store has seen both.
    do {
      held = quarantine.load();
      cleared = zero_on_free.load();
      g_usual_cell_size.store(UsualCellSizeFor(held, cleared));
    } while (quarantine.load() != held || zero_on_free.load() != cleared);
  }
}

}  // namespace memalloc
