// Implementation of stats_file.h.
//
// Writers append whole lines with one write() each, so a reader that comes
// while other processes still run sees whole lines, or at the end a line
// that is not yet there. What cannot be parsed is skipped: the file is open to
// every process of the run.

#include "tools/run/stats_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

constexpr char kVariable[] = "MEMALLOC_STATS_FILE";

struct Field {
  absl::string_view key;
  std::optional<uint64_t> ProcessStats::*member;
};

constexpr Field kFields[] = {
    {"live_bytes", &ProcessStats::live_bytes},
    {"peak_bytes", &ProcessStats::peak_bytes},
    {"arenas", &ProcessStats::arenas},
    {"blocks", &ProcessStats::blocks},
    {"heap_bytes", &ProcessStats::heap_bytes},
    {"rss_bytes", &ProcessStats::rss_bytes},
    {"peak_rss_bytes", &ProcessStats::peak_rss_bytes},
    {"threads", &ProcessStats::threads},
};

// Appends `line` as memalloc does. The file is the caller's: when it cannot be
// written, the run is not disturbed.
void AppendLine(const std::string& path, const std::string& line) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return;
  const std::string text = line + "\n";
  const ssize_t ignored = write(fd, text.data(), text.size());
  static_cast<void>(ignored);
  close(fd);
}

}  // namespace

std::optional<ProcessStats> ParseStatsLine(absl::string_view line) {
  ProcessStats stats;
  for (absl::string_view pair : absl::StrSplit(line, ' ')) {
    const std::pair<absl::string_view, absl::string_view> key_value =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (key_value.first == "pid" &&
        !absl::SimpleAtoi(key_value.second, &stats.pid)) {
      return std::nullopt;
    }
    for (const Field& field : kFields) {
      uint64_t number = 0;
      if (key_value.first == field.key &&
          absl::SimpleAtoi(key_value.second, &number)) {
        stats.*field.member = number;
      }
    }
  }
  if (stats.pid <= 0) return std::nullopt;
  return stats;
}

StatsFile::~StatsFile() {
  if (directory_.empty()) return;
  unlink(path_.c_str());
  rmdir(directory_.c_str());
}

absl::Status StatsFile::Create() {
  std::error_code error;
  const char* given = std::getenv("TMPDIR");
  const std::filesystem::path parent = std::filesystem::absolute(
      given == nullptr || *given == '\0' ? "/tmp" : given, error);
  std::string directory = parent / "memalloc_run.XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    return OwnFailure(absl::StrCat("cannot make a directory for statistics in ",
                                   parent.string(), ": ", ErrnoText(errno),
                                   "; set TMPDIR to another"));
  }
  directory_ = std::move(directory);
  path_ = absl::StrCat(directory_, "/stats");
  const int fd =
      open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return OwnFailure(
        absl::StrCat("cannot make ", path_, ": ", ErrnoText(errno)));
  }
  close(fd);
  const char* callers_file = std::getenv(kVariable);
  if (callers_file != nullptr) callers_file_ = callers_file;
  setenv(kVariable, path_.c_str(), 1);
  return absl::OkStatus();
}

std::vector<ProcessStats> StatsFile::Read() const {
  std::vector<ProcessStats> processes;
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    const std::optional<ProcessStats> stats = ParseStatsLine(line);
    if (!stats.has_value()) continue;
    processes.push_back(*stats);
    if (!callers_file_.empty()) AppendLine(callers_file_, line);
  }
  return processes;
}

}  // namespace memalloc::run
