// Reads traces of memalloc (docs/trace_format.md), whole or damaged.

#ifndef TOOLS_REPLAY_TRACE_READER_H_
#define TOOLS_REPLAY_TRACE_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "memalloc/observe/trace_format.h"

namespace memalloc::replay {

// A call, as it was recorded.
struct Event {
  trace::Kind kind = trace::Kind::kMalloc;
  uint32_t thread = 0;
  uint64_t number = 0;      // its place among all calls
  uint64_t end_number = 0;  // of a realloc: when it was done
  uint64_t size = 0;
  uint64_t alignment = 0;
  uint64_t pointer = 0;
  uint64_t result = 0;  // 0 if an allocation failed
};

struct Trace {
  std::string program;
  uint32_t process_id = 0;
  bool has_ended = false;     // by exit; else what it did last may be missing
  std::vector<Event> events;  // in the order of their numbers
  std::vector<std::string> damage;  // chunks that were left out, and why
};

// What can be said of a trace without reading its calls.
struct TraceHead {
  std::string program;
  uint32_t process_id = 0;
  uint64_t calls = 0;
};
absl::StatusOr<TraceHead> ReadHead(const std::string& path);

// Reads the file at `path`. A file that is no trace, or of another version, is
// an error; so is a damaged chunk, unless it is to be left out.
absl::StatusOr<Trace> ReadTrace(const std::string& path, bool skip_damaged);

}  // namespace memalloc::replay

#endif  // TOOLS_REPLAY_TRACE_READER_H_
