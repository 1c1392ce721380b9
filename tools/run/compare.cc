// Implementation of compare.h.

#include "tools/run/compare.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/run/compare_report.h"
#include "tools/run/compare_run.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

// The exit status when the runs did not all end alike.
constexpr int kDifferentEndings = 124;

// What is going to happen: a comparison can take long.
std::string Announcement(const std::vector<Allocator>& allocators,
                         uint32_t rounds) {
  const std::string names = absl::StrJoin(
      allocators, ", ",
      [](std::string* out, const Allocator& a) { out->append(a.name); });
  std::string text = absl::StrCat(
      "memalloc_run: ", rounds * allocators.size(), " runs, in turn on ", names,
      "\nmemalloc_run: one before them, on ", allocators[0].name,
      ", is not measured; what it writes is shown\n");
  if (IsInputLost()) {
    absl::StrAppend(&text,
                    "memalloc_run: stdin is no file that each run can read "
                    "anew: the runs read nothing; give a file by <\n");
  }
  return text;
}

// A line about the run that begins, for a terminal only: it is replaced by the
// next one.
void ShowProgress(absl::string_view text) {
  if (isatty(STDERR_FILENO) == 1) {
    WriteToStderr(absl::StrCat("\r\033[K", text));
  }
}

bool IsGoneOnWith(const Compared& allocator) {
  return allocator.runs.empty() || !WasCutShort(allocator.runs.back());
}

// Shows one run, and measures all. Returns the signal by which the user ended
// it, or 0.
absl::StatusOr<int> RunAll(Stopwatch& stopwatch,
                           const std::vector<Allocator>& allocators,
                           uint32_t rounds, bool& shows_all,
                           std::vector<Compared>& compared) {
  const absl::StatusOr<MeasuredRun> shown =
      stopwatch.Measure(allocators[0].preload, /*shows_output=*/true);
  if (!shown.ok()) return shown.status();
  if (shown->interrupted_by != 0) return shown->interrupted_by;
  shows_all = !shown->timed_out;
  for (uint32_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < allocators.size(); ++i) {
      if (!IsGoneOnWith(compared[i])) continue;
      ShowProgress(absl::StrCat("round ", round + 1, " of ", rounds, ", ",
                                allocators[i].name));
      absl::StatusOr<MeasuredRun> run =
          stopwatch.Measure(allocators[i].preload, /*shows_output=*/false);
      if (!run.ok()) return run.status();
      if (run->interrupted_by != 0) return run->interrupted_by;
      compared[i].runs.push_back(*std::move(run));
    }
  }
  return 0;
}

}  // namespace

absl::StatusOr<int> Compare(const std::string& path, char** program_argv,
                            const std::vector<Allocator>& allocators,
                            uint32_t rounds, uint32_t timeout_seconds) {
  for (const std::string& object : DropPreloadedAllocators()) {
    WriteToStderr(absl::StrCat("memalloc_run: ", object, " defines malloc: ",
                               "it is left out of LD_PRELOAD\n"));
  }
  WriteToStderr(Announcement(allocators, rounds));
  std::vector<Compared> compared;
  for (const Allocator& allocator : allocators) {
    compared.push_back({allocator.name, {}});
  }
  bool shows_all = true;
  absl::StatusOr<int> interrupted_by;
  {
    // Who reads stderr may be slow: nothing long is written while signals are
    // taken.
    Stopwatch stopwatch(path, program_argv, timeout_seconds);
    interrupted_by = RunAll(stopwatch, allocators, rounds, shows_all, compared);
    ShowProgress("");
  }
  if (!interrupted_by.ok() || *interrupted_by != 0) return interrupted_by;
  if (!shows_all) {
    WriteToStderr(
        "memalloc_run: the run that is shown took too long and was ended\n");
  }
  const std::string name = std::filesystem::path(path).filename();
  WriteToStderr(CompareReport(name, compared));
  if (!AllEndedAlike(compared)) return W_EXITCODE(kDifferentEndings, 0);
  return compared.front().runs.front().wait_status;
}

}  // namespace memalloc::run
