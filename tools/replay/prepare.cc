// Makes a trace ready to be replayed, or prints it:
//   prepare TRACE PLAN   writes a plan, and what is in it as a line of JSON
//   prepare --text TRACE prints the calls, a line each
// Exit status 2, and a line on stderr, for what cannot be read.

#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/replay/planner.h"
#include "tools/replay/trace_reader.h"

ABSL_FLAG(bool, text, false, "print the calls instead of making a plan");
ABSL_FLAG(bool, skip_damaged, false, "leave out what is damaged of the trace");
ABSL_FLAG(uint32_t, samples, 250, "how often memory is to be looked at");

namespace memalloc::replay {
namespace {

constexpr int kUnusable = 2;

const char* NameOf(trace::Kind kind) {
  switch (kind) {
    case trace::Kind::kMalloc:
      return "malloc";
    case trace::Kind::kCalloc:
      return "calloc";
    case trace::Kind::kAligned:
      return "aligned";
    case trace::Kind::kRealloc:
      return "realloc";
    case trace::Kind::kFree:
      return "free";
    default:
      return "sized_free";
  }
}

void PrintText(const Trace& trace) {
  for (const Event& event : trace.events) {
    std::string line = absl::StrFormat("%d thread=%d %s", event.number,
                                       event.thread, NameOf(event.kind));
    if (event.pointer != 0)
      absl::StrAppendFormat(&line, " 0x%x", event.pointer);
    if (event.kind != trace::Kind::kFree) {
      absl::StrAppend(&line, " size=", event.size);
    }
    if (event.alignment != 0) {
      absl::StrAppend(&line, " alignment=", event.alignment);
    }
    const bool is_free = event.kind == trace::Kind::kFree ||
                         event.kind == trace::Kind::kSizedFree;
    if (!is_free) {
      absl::StrAppendFormat(&line, event.result == 0 ? " failed" : " = 0x%x",
                            event.result);
    }
    std::puts(line.c_str());
  }
}

void PrintSummary(const Trace& trace, const Plan& plan) {
  std::string program;
  for (const char c : trace.program) {
    program += c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '_';
  }
  std::printf("{\"program\": \"%s\", \"process_id\": %" PRIu32
              ", \"has_ended\": %s, \"recorded\": %zu, \"threads\": %zu"
              ", \"calls\": [%s], \"failed\": %" PRIu64
              ", \"unknown_pointers\": %" PRIu64 ", \"lost_ends\": %" PRIu64
              ", \"peak_live_bytes\": %" PRIu64 ", \"end_live_bytes\": %" PRIu64
              ", \"live_bytes\": [%s]}\n",
              program.c_str(), trace.process_id,
              trace.has_ended ? "true" : "false", trace.events.size(),
              plan.steps.size(), absl::StrJoin(plan.calls, ", ").c_str(),
              plan.failed, plan.unknown_pointers, plan.lost_ends,
              plan.peak_live_bytes, plan.end_live_bytes,
              absl::StrJoin(plan.live_bytes, ", ").c_str());
}

int Main(const std::vector<char*>& arguments) {
  const bool is_text = absl::GetFlag(FLAGS_text);
  if (arguments.size() != (is_text ? 2U : 3U)) {
    std::fputs("usage: prepare TRACE PLAN, or prepare --text TRACE\n", stderr);
    return kUnusable;
  }
  const absl::StatusOr<Trace> trace =
      ReadTrace(arguments[1], absl::GetFlag(FLAGS_skip_damaged));
  if (!trace.ok()) {
    std::fprintf(stderr, "%s\n", std::string(trace.status().message()).c_str());
    return kUnusable;
  }
  for (const std::string& damage : trace->damage) {
    std::fprintf(stderr, "left out: %s\n", damage.c_str());
  }
  if (is_text) {
    PrintText(*trace);
    return 0;
  }
  const Plan plan = MakePlan(*trace, absl::GetFlag(FLAGS_samples));
  if (!WritePlan(plan, arguments[2])) {
    std::fprintf(stderr, "%s: it cannot be written\n", arguments[2]);
    return kUnusable;
  }
  PrintSummary(*trace, plan);
  return 0;
}

}  // namespace
}  // namespace memalloc::replay

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("prepare TRACE PLAN, or prepare --text TRACE");
  return memalloc::replay::Main(absl::ParseCommandLine(argc, argv));
}
