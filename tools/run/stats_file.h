// The private file into which the processes of one run write their statistics.
//
// memalloc appends one line of key=value pairs to the file that
// MEMALLOC_STATS_FILE names, when a process exits normally. The file lies in a
// fresh directory of its own: a process that outlives the run then finds no
// directory, and leaves nothing behind in /tmp. When the caller had a
// MEMALLOC_STATS_FILE, the lines are handed on to it, so that runs can be
// nested and nobody's statistics are lost. Used by main.cc.

#ifndef TOOLS_RUN_STATS_FILE_H_
#define TOOLS_RUN_STATS_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace memalloc::run {

// One process, as memalloc described it at its exit. A count is absent when
// the line did not have it.
struct ProcessStats {
  pid_t pid = -1;
  std::optional<uint64_t> live_bytes;
  std::optional<uint64_t> peak_bytes;
  std::optional<uint64_t> arenas;
  std::optional<uint64_t> blocks;
  std::optional<uint64_t> heap_bytes;
  std::optional<uint64_t> rss_bytes;
  std::optional<uint64_t> peak_rss_bytes;
  std::optional<uint64_t> threads;
};

// Parses one line. Unknown keys are skipped; without a pid it is no line of
// memalloc's.
std::optional<ProcessStats> ParseStatsLine(absl::string_view line);

class StatsFile {
 public:
  StatsFile() = default;
  // Removes the file and its directory.
  ~StatsFile();
  StatsFile(const StatsFile&) = delete;
  StatsFile& operator=(const StatsFile&) = delete;

  // Makes the file and sets MEMALLOC_STATS_FILE for the program.
  absl::Status Create();

  // What has been written so far, in the order of the processes' exits.
  std::vector<ProcessStats> Read() const;

 private:
  std::string directory_;
  std::string path_;
  // The caller's MEMALLOC_STATS_FILE; empty for none.
  std::string callers_file_;
};

}  // namespace memalloc::run

#endif  // TOOLS_RUN_STATS_FILE_H_
