// The file of a trace: every call of a process. Layer: observe; tools/replay
// reads it. docs/trace_format.md describes it for others.
//
// A file is a row of chunks of 64 KiB. The first one holds the file's header.
// Each other one was filled by one thread at a time and can be read by itself.
// A chunk is in the file as soon as it is written (a shared mapping): whatever
// becomes of the process, what it recorded until then is there.

#ifndef MEMALLOC_OBSERVE_TRACE_FORMAT_H_
#define MEMALLOC_OBSERVE_TRACE_FORMAT_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

namespace memalloc::trace {

inline constexpr char kFileMagic[16] = "memalloc trace\n";
inline constexpr char kChunkMagic[8] = {'m', 't', 'c', 'h', 'u', 'n', 'k', 0};
inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kChunkBytes = size_t{64} << 10;

// Numbers are little-endian.
struct FileHeader {
  char magic[16];
  uint32_t version;
  uint32_t chunk_bytes;
  uint32_t process_id;
  std::atomic<uint32_t> has_ended;  // 1: by exit, or by returning from main
  std::atomic<uint32_t> chunks;     // handed out, this one among them
  char program[60];
};

struct ChunkHeader {
  char magic[8];
  uint32_t index;               // in the file
  uint32_t thread;              // of the first record
  uint64_t number;              // that the first record's is counted from
  std::atomic<uint32_t> used;   // bytes of records behind this header
  std::atomic<uint32_t> calls;  // records of calls
  // As far as the writer came: of use to it only.
  uint64_t last_number;
  uint64_t last_address;
  char unused[16];
};
static_assert(sizeof(FileHeader) == 96 && sizeof(ChunkHeader) == 64);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

// A chunk with so much room has some for a record of a call, and for one before
// it that says whose it is.
inline constexpr size_t kMaxRecord = 64;

// ---- a record: a tag byte, then what the call has of the fields below ----

enum class Kind : uint8_t {
  kMalloc = 1,   // number, size, result
  kCalloc,       // number, size, result
  kAligned,      // number, size, alignment, result
  kRealloc,      // number, size, pointer, end number, result
  kFree,         // number, pointer
  kSizedFree,    // number, size, pointer
  kOtherThread,  // whose records follow
};

// Bits of the tag.
inline constexpr uint8_t kKindMask = 7;
// The number is not the next one: how many were left out follows.
inline constexpr uint8_t kSkipsNumbers = 8;
// The same of a realloc's end.
inline constexpr uint8_t kEndSkipsNumbers = 16;
// The call returned null: it has no result.
inline constexpr uint8_t kFailed = 32;
// An address is no multiple of 16: all of the record have eight bytes.
inline constexpr uint8_t kOddAddress = 64;

// Addresses are counted from the one before, in sixteens.
inline constexpr unsigned kAddressShift = 4;

// Small numbers of either sign to small ones without.
inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^
         static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

}  // namespace memalloc::trace

#endif  // MEMALLOC_OBSERVE_TRACE_FORMAT_H_
