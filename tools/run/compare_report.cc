// Implementation of compare_report.h.
//
// The layout, within 80 columns:
//
//   memalloc_run: sort, 3 runs on each allocator
//   wall time         median        least to most         ratio
//     libc           98.1 ms      97.0 ms to 101.3 ms      1.00  ############
//
// then the same for the other measures, how the program ended, whether it wrote
// the same, and what that means for memalloc.

#include "tools/run/compare_report.h"

#include <sys/wait.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/run/summary.h"

namespace memalloc::run {
namespace {

constexpr char kMemalloc[] = "memalloc";
constexpr int kBarLength = 20;

std::string HumanSeconds(double seconds) {
  if (seconds < 0.9995) return absl::StrFormat("%.1f ms", seconds * 1000);
  if (seconds < 99.95) return absl::StrFormat("%.2f s", seconds);
  return absl::StrFormat("%.0f s", seconds);
}

std::string HumanMemory(double bytes) {
  return HumanBytes(static_cast<uint64_t>(bytes));
}

// Something that is measured of each run.
struct Measure {
  const char* name;
  double (*value)(const MeasuredRun& run);
  std::string (*text)(double value);
};

constexpr Measure kWallTime = {
    "wall time", [](const MeasuredRun& run) { return run.wall_seconds; },
    HumanSeconds};
constexpr Measure kCpuTime = {
    "CPU time", [](const MeasuredRun& run) { return run.cpu_seconds; },
    HumanSeconds};
constexpr Measure kPeakRss = {"peak RSS",
                              [](const MeasuredRun& run) {
                                return static_cast<double>(run.peak_rss_bytes);
                              },
                              HumanMemory};

// The runs of an allocator by one measure.
struct Figures {
  double median = 0;
  double least = 0;
  double most = 0;
};

bool HasFigures(const Compared& allocator) {
  return std::none_of(allocator.runs.begin(), allocator.runs.end(),
                      WasCutShort);
}

Figures FiguresOf(const Compared& allocator, const Measure& measure) {
  std::vector<double> values;
  for (const MeasuredRun& run : allocator.runs)
    values.push_back(measure.value(run));
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  Figures figures = {values[middle], values.front(), values.back()};
  if (values.size() % 2 == 0) {
    figures.median = (values[middle - 1] + values[middle]) / 2;
  }
  return figures;
}

// The ratio of two amounts; "-" if there is none.
std::string Ratio(double value, double libc) {
  return libc > 0 ? absl::StrFormat("%.2f", value / libc) : "-";
}

std::string HowItWent(const MeasuredRun& run) {
  return run.timed_out ? "took too long and was ended"
                       : HowItEnded(run.wait_status);
}

std::string Line(absl::string_view name, absl::string_view text) {
  return absl::StrFormat("  %-10s  %s\n", name, text);
}

std::string Table(const Measure& measure,
                  const std::vector<Compared>& compared) {
  double longest = 0;
  for (const Compared& allocator : compared) {
    if (!HasFigures(allocator)) continue;
    longest = std::max(longest, FiguresOf(allocator, measure).median);
  }
  const double libc = HasFigures(compared.front())
                          ? FiguresOf(compared.front(), measure).median
                          : 0;
  std::string text =
      absl::StrFormat("%-12s  %10s   %10s to %-10s  %5s\n", measure.name,
                      "median", "least", "most", "ratio");
  for (const Compared& allocator : compared) {
    if (!HasFigures(allocator)) {
      absl::StrAppend(&text,
                      Line(allocator.name, HowItWent(allocator.runs.back())));
      continue;
    }
    const Figures figures = FiguresOf(allocator, measure);
    const int bar =
        longest > 0
            ? static_cast<int>(figures.median / longest * kBarLength + 0.5)
            : 0;
    absl::StrAppend(
        &text,
        Line(allocator.name,
             absl::StrFormat(
                 "%10s   %10s to %-10s  %5s  %s", measure.text(figures.median),
                 measure.text(figures.least), measure.text(figures.most),
                 Ratio(figures.median, libc), std::string(bar, '#'))));
  }
  return text;
}

// How the program ended on each allocator, a line for each way.
std::string Endings(const std::vector<Compared>& compared) {
  if (AllEndedAlike(compared)) {
    return absl::StrCat("all runs ", HowItWent(compared[0].runs[0]), "\n");
  }
  std::string text = "the runs did not all end alike:\n";
  for (const Compared& allocator : compared) {
    std::vector<std::string> told;
    for (const MeasuredRun& run : allocator.runs) {
      const std::string how = HowItWent(run);
      if (std::count(told.begin(), told.end(), how) != 0) continue;
      told.push_back(how);
      absl::StrAppend(&text, Line(allocator.name, how));
      if ((WasCutShort(run) || run.wait_status != 0) &&
          !run.last_words.empty()) {
        absl::StrAppend(&text,
                        Line("", absl::StrCat("its last line on stderr: ",
                                              run.last_words)));
      }
    }
  }
  return text;
}

// Whether the program wrote the same on each allocator.
std::string Outputs(const std::vector<Compared>& compared) {
  const auto hashes = [](const Compared& allocator) {
    std::set<uint64_t> different;
    for (const MeasuredRun& run : allocator.runs)
      different.insert(run.output_hash);
    return different;
  };
  const std::set<uint64_t> libc = hashes(compared.front());
  if (libc.size() > 1) {
    return "what it wrote to stdout differs from run to run on libc already\n";
  }
  std::string text;
  for (const Compared& allocator : compared) {
    if (!HasFigures(allocator) || hashes(allocator) == libc) continue;
    absl::StrAppend(&text, "what it wrote to stdout on ", allocator.name,
                    " differs from libc\n");
  }
  return text.empty() ? "all wrote the same to stdout\n" : text;
}

// In words, what memalloc does for this program.
std::string Verdict(const std::vector<Compared>& compared) {
  const Compared& libc = compared.front();
  const auto memalloc =
      std::find_if(compared.begin(), compared.end(),
                   [](const Compared& one) { return one.name == kMemalloc; });
  if (memalloc == compared.end() || !HasFigures(libc) ||
      !HasFigures(*memalloc)) {
    return "";
  }
  const auto ratio = [&](const Measure& measure) {
    return Ratio(FiguresOf(*memalloc, measure).median,
                 FiguresOf(libc, measure).median);
  };
  std::string text = absl::StrCat("memalloc takes ", ratio(kWallTime),
                                  " of libc's wall time, ", ratio(kCpuTime),
                                  " of its CPU time,\nand ", ratio(kPeakRss),
                                  " of its peak memory.\n");
  const Figures before = FiguresOf(libc, kWallTime);
  const Figures after = FiguresOf(*memalloc, kWallTime);
  if (libc.runs.size() > 1 && after.least <= before.most &&
      before.least <= after.most) {
    absl::StrAppend(&text,
                    "The wall times overlap: the difference may be chance; try "
                    "more --rounds.\n");
  }
  return text;
}

}  // namespace

bool WasCutShort(const MeasuredRun& run) {
  return run.timed_out || WIFSIGNALED(run.wait_status);
}

bool AllEndedAlike(const std::vector<Compared>& compared) {
  for (const Compared& allocator : compared) {
    for (const MeasuredRun& run : allocator.runs) {
      if (run.timed_out ||
          run.wait_status != compared.front().runs.front().wait_status) {
        return false;
      }
    }
  }
  return true;
}

std::string CompareReport(absl::string_view program,
                          const std::vector<Compared>& compared) {
  size_t rounds = 0;
  for (const Compared& allocator : compared) {
    rounds = std::max(rounds, allocator.runs.size());
  }
  return absl::StrCat("memalloc_run: ", program, ", ", rounds,
                      rounds == 1 ? " run" : " runs", " on each allocator\n",
                      Table(kWallTime, compared), Table(kCpuTime, compared),
                      Table(kPeakRss, compared), Endings(compared),
                      Outputs(compared), Verdict(compared));
}

}  // namespace memalloc::run
