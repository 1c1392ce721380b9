// Implementation of summary.h.
//
// The layout: one line that begins "memalloc_run: ", then indented lines of a
// label, the rounded amount and the exact one. Labels are 15 columns wide. A
// figure that the statistics line lacks is left out, not shown as zero.

#include "tools/run/summary.h"

#include <string.h>
#include <sys/wait.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace memalloc::run {
namespace {

std::string MemoryLine(absl::string_view label, uint64_t bytes,
                       absl::string_view more = "") {
  return absl::StrFormat("  %-15s %10s  %d bytes%s\n", label, HumanBytes(bytes),
                         bytes, more);
}

std::string WhyNoHeap(int wait_status) {
  return absl::StrCat(
      "  no heap figures: ",
      WIFSIGNALED(wait_status)
          ? "the signal ended the program before memalloc could write them"
          : "the program left by _exit(), allocated nothing, could not\n"
            "  write to $TMPDIR, or does not use memalloc (it has its own "
            "malloc, or dropped\n"
            "  LD_PRELOAD)",
      "\n");
}

std::string HeapLines(const ProcessStats& stats) {
  std::string text;
  if (stats.peak_bytes) {
    absl::StrAppend(&text, MemoryLine("peak in use", *stats.peak_bytes));
  }
  if (stats.live_bytes) {
    absl::StrAppend(&text, MemoryLine("live at exit", *stats.live_bytes));
  }
  if (stats.heap_bytes) {
    std::string parts;
    if (stats.arenas) absl::StrAppend(&parts, ", arenas: ", *stats.arenas);
    if (stats.blocks) absl::StrAppend(&parts, ", blocks: ", *stats.blocks);
    absl::StrAppend(&text, MemoryLine("heap", *stats.heap_bytes, parts));
  }
  if (stats.rss_bytes) {
    absl::StrAppend(&text, MemoryLine("RSS at exit", *stats.rss_bytes));
  }
  return text;
}

}  // namespace

std::string HowItEnded(int wait_status) {
  if (!WIFSIGNALED(wait_status)) {
    return absl::StrCat("exited with status ", WEXITSTATUS(wait_status));
  }
  const int signal = WTERMSIG(wait_status);
  return absl::StrCat("killed by signal ", signal, " (", strsignal(signal),
                      ")");
}

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double amount = static_cast<double>(bytes);
  const char* unit = "";
  // One digit after the point: 1023.95 and up would read 1024.0.
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}) {
    amount /= 1024;
    unit = larger;
    if (amount < 1023.95) break;
  }
  return absl::StrFormat("%.1f %s", amount, unit);
}

std::string Summary(absl::string_view program, const Ending& ending,
                    const std::vector<ProcessStats>& processes) {
  std::optional<ProcessStats> own;
  size_t others = 0;
  uint64_t others_peak = 0;
  for (const ProcessStats& stats : processes) {
    if (stats.pid == ending.pid) {
      own = stats;
    } else {
      ++others;
      others_peak += stats.peak_bytes.value_or(0);
    }
  }
  std::string text =
      absl::StrFormat("memalloc_run: %s (pid %d) %s\n", program, ending.pid,
                      HowItEnded(ending.wait_status));
  absl::StrAppend(
      &text, own.has_value() ? HeapLines(*own) : WhyNoHeap(ending.wait_status));
  // The kernel counts in KiB, and the largest of the program and the children
  // it waited for; memalloc's figure is the program's alone.
  const uint64_t kernel_peak =
      static_cast<uint64_t>(ending.usage.ru_maxrss) * 1024;
  if (own.has_value() && own->peak_rss_bytes) {
    absl::StrAppend(&text, MemoryLine("peak RSS", *own->peak_rss_bytes));
  } else {
    absl::StrAppend(&text, MemoryLine("peak RSS", kernel_peak,
                                      ", or of a child that was larger"));
  }
  if (own.has_value() && own->threads) {
    absl::StrAppend(&text, absl::StrFormat("  %-15s %10d\n", "thread heaps",
                                           *own->threads));
  }
  if (others > 0) {
    absl::StrAppend(
        &text,
        MemoryLine("other processes", others_peak,
                   absl::StrCat(" of peaks in use, processes: ", others)));
  }
  return text;
}

}  // namespace memalloc::run
