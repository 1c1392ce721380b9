// Implementation of trace_reader.h.
//
// Nothing in the file is believed: each length is compared with what is there.

#include "tools/replay/trace_reader.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace memalloc::replay {
namespace {

using trace::ChunkHeader;
using trace::FileHeader;
using trace::kChunkBytes;
using trace::Kind;

template <typename T>
T ValueAt(absl::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// The records of a chunk, one after the other.
class ChunkParser {
 public:
  explicit ChunkParser(absl::string_view chunk)
      : thread_(ValueAt<uint32_t>(chunk, offsetof(ChunkHeader, thread))),
        number_(ValueAt<uint64_t>(chunk, offsetof(ChunkHeader, number))),
        left_(chunk.substr(
            sizeof(ChunkHeader),
            ValueAt<uint32_t>(chunk, offsetof(ChunkHeader, used)))) {}

  // Appends all of them; false at one that makes no sense.
  bool Parse(std::vector<Event>* events) {
    while (!left_.empty()) {
      const uint8_t tag = Byte();
      const Kind kind = static_cast<Kind>(tag & trace::kKindMask);
      if (kind == Kind::kOtherThread) {
        thread_ = static_cast<uint32_t>(Varint());
      } else if (kind >= Kind::kMalloc && kind < Kind::kOtherThread) {
        events->push_back(Call(kind, tag));
      } else {
        return false;
      }
      if (is_bad_) return false;
    }
    return true;
  }

 private:
  Event Call(Kind kind, uint8_t tag) {
    Event event;
    event.kind = kind;
    event.thread = thread_;
    event.number = Number((tag & trace::kSkipsNumbers) != 0);
    if (kind != Kind::kFree) event.size = Varint();
    if (kind == Kind::kAligned) {
      const uint8_t shift = Byte();
      if (shift >= 64) is_bad_ = true;
      event.alignment = uint64_t{1} << (shift % 64);
    }
    const bool is_free = kind == Kind::kFree || kind == Kind::kSizedFree;
    if (is_free || kind == Kind::kRealloc) event.pointer = Address(tag);
    if (kind == Kind::kRealloc) {
      event.end_number = Number((tag & trace::kEndSkipsNumbers) != 0);
    }
    if (!is_free && (tag & trace::kFailed) == 0) event.result = Address(tag);
    return event;
  }

  uint8_t Byte() {
    if (left_.empty()) {
      is_bad_ = true;
      return 0;
    }
    const auto byte = static_cast<uint8_t>(left_.front());
    left_.remove_prefix(1);
    return byte;
  }

  uint64_t Varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 127U} << shift;
      if (byte < 128) return value;
    }
    is_bad_ = true;
    return 0;
  }

  uint64_t Number(bool skips) {
    ++number_;
    if (skips) number_ += static_cast<uint64_t>(trace::UnZigZag(Varint()));
    return number_;
  }

  uint64_t Address(uint8_t tag) {
    if ((tag & trace::kOddAddress) != 0) {
      if (left_.size() < sizeof(uint64_t)) {
        is_bad_ = true;
        return 0;
      }
      const auto address = ValueAt<uint64_t>(left_, 0);
      left_.remove_prefix(sizeof(uint64_t));
      return address;
    }
    sixteens_ += static_cast<uint64_t>(trace::UnZigZag(Varint()));
    return sixteens_ << trace::kAddressShift;
  }

  uint32_t thread_;
  uint64_t number_;
  uint64_t sixteens_ = 0;
  absl::string_view left_;
  bool is_bad_ = false;
};

// Appends a chunk's calls; what is wrong with it, or "".
std::string ReadChunk(absl::string_view chunk, std::vector<Event>* events) {
  if (chunk.size() < kChunkBytes) return "the file ends in it";
  const absl::string_view magic = chunk.substr(0, sizeof(trace::kChunkMagic));
  // The process ended before it began with the chunk.
  if (magic == std::string(magic.size(), '\0')) return "";
  if (std::memcmp(magic.data(), trace::kChunkMagic, magic.size()) != 0) {
    return "it does not begin as chunks do";
  }
  const auto used = ValueAt<uint32_t>(chunk, offsetof(ChunkHeader, used));
  if (used > kChunkBytes - sizeof(ChunkHeader)) {
    return absl::StrCat("it claims to hold ", used, " bytes");
  }
  const size_t calls_before = events->size();
  ChunkParser parser(chunk);
  if (parser.Parse(events)) return "";
  const size_t parsed = events->size() - calls_before;
  events->resize(calls_before);
  return absl::StrCat("its record ", parsed, " makes no sense");
}

absl::Status CheckHeader(absl::string_view file) {
  if (file.size() < sizeof(FileHeader) ||
      std::memcmp(file.data(), trace::kFileMagic, sizeof(trace::kFileMagic)) !=
          0) {
    return absl::InvalidArgumentError("this is no trace of memalloc");
  }
  const auto version = ValueAt<uint32_t>(file, offsetof(FileHeader, version));
  if (version != trace::kVersion ||
      ValueAt<uint32_t>(file, offsetof(FileHeader, chunk_bytes)) !=
          kChunkBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("this trace has version ", version,
                     " of the format, which only another version of this tool "
                     "reads; this one reads ",
                     trace::kVersion));
  }
  return absl::OkStatus();
}

std::string ProgramIn(absl::string_view header) {
  const char* program = header.data() + offsetof(FileHeader, program);
  return std::string(program, strnlen(program, sizeof(FileHeader::program)));
}

absl::Status Of(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

}  // namespace

absl::StatusOr<TraceHead> ReadHead(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  char header[sizeof(FileHeader)];
  stream.read(header, sizeof(header));
  const absl::string_view read(header, static_cast<size_t>(stream.gcount()));
  const absl::Status status = CheckHeader(read);
  if (!status.ok()) return Of(path, status);
  TraceHead head;
  head.program = ProgramIn(read);
  head.process_id = ValueAt<uint32_t>(read, offsetof(FileHeader, process_id));
  char chunk[sizeof(ChunkHeader)];
  const absl::string_view chunk_header(chunk, sizeof(chunk));
  for (size_t start = kChunkBytes;; start += kChunkBytes) {
    stream.seekg(static_cast<std::streamoff>(start));
    if (!stream.read(chunk, sizeof(chunk))) return head;
    head.calls += ValueAt<uint32_t>(chunk_header, offsetof(ChunkHeader, calls));
  }
}

absl::StatusOr<Trace> ReadTrace(const std::string& path, bool skip_damaged) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return absl::NotFoundError(absl::StrCat(path, ": it cannot be read"));
  }
  const std::string file((std::istreambuf_iterator<char>(stream)),
                         std::istreambuf_iterator<char>());
  const absl::Status status = CheckHeader(file);
  if (!status.ok()) return Of(path, status);
  Trace trace;
  trace.process_id = ValueAt<uint32_t>(file, offsetof(FileHeader, process_id));
  trace.has_ended = ValueAt<uint32_t>(file, offsetof(FileHeader, has_ended));
  trace.program = ProgramIn(file);
  const auto chunks = ValueAt<uint32_t>(file, offsetof(FileHeader, chunks));
  // Chunks that a process had no time to make are missing; after an exit none.
  const size_t end =
      trace.has_ended ? size_t{chunks} * kChunkBytes : file.size();
  for (size_t start = kChunkBytes; start < std::max(end, file.size());
       start += kChunkBytes) {
    const absl::string_view rest =
        absl::string_view(file).substr(std::min(start, file.size()));
    const std::string wrong =
        ReadChunk(rest.substr(0, kChunkBytes), &trace.events);
    if (wrong.empty()) continue;
    const std::string damage =
        absl::StrCat("chunk ", start / kChunkBytes, " is damaged: ", wrong);
    if (!skip_damaged) {
      return absl::DataLossError(absl::StrCat(
          path, ": ", damage, "; --skip_damaged leaves such chunks out"));
    }
    trace.damage.push_back(damage);
    if (rest.size() < kChunkBytes) break;
  }
  std::stable_sort(
      trace.events.begin(), trace.events.end(),
      [](const Event& a, const Event& b) { return a.number < b.number; });
  return trace;
}

}  // namespace memalloc::replay
