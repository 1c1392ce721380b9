// Implementation of compare.h.

#include "tools/run/compare.h"

#include <sys/stat.h>
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
      "\nmemalloc_run: what the first one writes is shown\n");
  struct stat input;
  if (fstat(STDIN_FILENO, &input) == 0 &&
      (S_ISFIFO(input.st_mode) || S_ISSOCK(input.st_mode))) {
    absl::StrAppend(&text,
                    "memalloc_run: stdin is a pipe, which can be read only "
                    "once: the runs read nothing; give a file by <\n");
  }
  return text;
}

// A line about the run that begins, for a terminal only: it is replaced by the
// next one. The first run's output would mix with it.
void ShowProgress(absl::string_view text) {
  if (isatty(STDERR_FILENO) == 1) {
    WriteToStderr(absl::StrCat("\r\033[K", text));
  }
}

bool IsGoneOnWith(const Compared& allocator) {
  return allocator.runs.empty() || !WasCutShort(allocator.runs.back());
}

}  // namespace

absl::StatusOr<int> Compare(const std::string& path, char** program_argv,
                            const std::vector<Allocator>& allocators,
                            uint32_t rounds, uint32_t timeout_seconds) {
  WriteToStderr(Announcement(allocators, rounds));
  std::vector<Compared> compared;
  for (const Allocator& allocator : allocators) {
    compared.push_back({allocator.name, {}});
  }
  Stopwatch stopwatch(path, program_argv, timeout_seconds);
  for (uint32_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < allocators.size(); ++i) {
      if (!IsGoneOnWith(compared[i])) continue;
      const bool is_first = round == 0 && i == 0;
      if (!is_first) {
        ShowProgress(absl::StrCat("round ", round + 1, " of ", rounds, ", ",
                                  allocators[i].name));
      }
      absl::StatusOr<MeasuredRun> run =
          stopwatch.Measure(allocators[i].preload, is_first);
      if (!run.ok()) return run.status();
      if (run->interrupted_by != 0) {
        ShowProgress("");
        return run->interrupted_by;
      }
      compared[i].runs.push_back(*std::move(run));
    }
  }
  ShowProgress("");
  const std::string name = std::filesystem::path(path).filename();
  WriteToStderr(CompareReport(name, compared));
  if (!AllEndedAlike(compared)) return W_EXITCODE(kDifferentEndings, 0);
  return compared.front().runs.front().wait_status;
}

}  // namespace memalloc::run
