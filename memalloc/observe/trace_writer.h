// Writes records into a chunk of a trace. Layer: observe.
//
// A record counts when `used` says so: it is whole or not there. The numbers
// and addresses that the next one is counted from stand in the chunk's header,
// so that another thread can go on with the chunk.

#ifndef MEMALLOC_OBSERVE_TRACE_WRITER_H_
#define MEMALLOC_OBSERVE_TRACE_WRITER_H_

#include <string.h>

#include "memalloc/heap/watched_calls.h"
#include "memalloc/observe/trace_format.h"

namespace memalloc::trace {

class Writer {
 public:
  explicit Writer(ChunkHeader* chunk)
      : chunk_(chunk),
        used_(chunk->used.load(std::memory_order_relaxed)),
        next_(reinterpret_cast<uint8_t*>(chunk + 1) + used_),
        start_(next_) {}

  static bool HasRoom(const ChunkHeader* chunk) {
    return chunk->used.load(std::memory_order_relaxed) + kMaxRecord <=
           kChunkBytes - sizeof(ChunkHeader);
  }

  // `end_number` is a realloc's second one.
  void Call(const WatchedCall& call, uint64_t end_number) {
    const uintptr_t pointer = AddressOf(call.pointer);
    const uintptr_t result = AddressOf(call.result);
    const bool is_free =
        call.kind == CallKind::kFree || call.kind == CallKind::kSizedFree;
    uint8_t tag = TagOf(call.kind);
    if ((pointer | result) % 16 != 0) tag |= kOddAddress;
    if (!is_free && result == 0) tag |= kFailed;
    if (call.number != chunk_->last_number + 1) tag |= kSkipsNumbers;
    const bool has_end = call.kind == CallKind::kRealloc;
    if (has_end && end_number != call.number + 1) tag |= kEndSkipsNumbers;
    *next_++ = tag;
    Number(call.number, (tag & kSkipsNumbers) != 0);
    if (call.kind != CallKind::kFree) Varint(call.size);
    if (call.kind == CallKind::kAligned) {
      *next_++ = static_cast<uint8_t>(__builtin_ctzll(call.alignment));
    }
    if (pointer != 0) Address(pointer, tag);
    if (has_end) Number(end_number, (tag & kEndSkipsNumbers) != 0);
    if (result != 0) Address(result, tag);
    Done();
    chunk_->calls.store(chunk_->calls.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
  }

  void OtherThread(uint32_t thread) {
    *next_++ = static_cast<uint8_t>(Kind::kOtherThread);
    Varint(thread);
    Done();
  }

 private:
  static uintptr_t AddressOf(const void* pointer) {
    return reinterpret_cast<uintptr_t>(pointer);
  }

  static uint8_t TagOf(CallKind kind) {
    static_assert(static_cast<int>(CallKind::kMalloc) + 1 ==
                  static_cast<int>(Kind::kMalloc));
    static_assert(static_cast<int>(CallKind::kSizedFree) + 1 ==
                  static_cast<int>(Kind::kSizedFree));
    return static_cast<uint8_t>(static_cast<uint8_t>(kind) + 1);
  }

  void Varint(uint64_t value) {
    for (; value >= 128; value >>= 7) {
      *next_++ = static_cast<uint8_t>(value | 128);
    }
    *next_++ = static_cast<uint8_t>(value);
  }

  void Number(uint64_t number, bool skips) {
    if (skips) Varint(ZigZag(static_cast<int64_t>(number - Expected())));
    chunk_->last_number = number;
  }
  uint64_t Expected() const { return chunk_->last_number + 1; }

  void Address(uintptr_t address, uint8_t tag) {
    if ((tag & kOddAddress) != 0) {
      memcpy(next_, &address, sizeof(uint64_t));
      next_ += sizeof(uint64_t);
      return;
    }
    const uint64_t sixteens = address >> kAddressShift;
    Varint(ZigZag(static_cast<int64_t>(sixteens - chunk_->last_address)));
    chunk_->last_address = sixteens;
  }

  // What was written is there from now on.
  void Done() {
    used_ += static_cast<uint32_t>(next_ - start_);
    start_ = next_;
    chunk_->used.store(used_, std::memory_order_release);
  }

  ChunkHeader* chunk_;
  uint32_t used_;
  uint8_t* next_;
  uint8_t* start_;
};

}  // namespace memalloc::trace

#endif  // MEMALLOC_OBSERVE_TRACE_WRITER_H_
