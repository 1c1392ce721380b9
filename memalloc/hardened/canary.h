// The canary: what stands behind an allocation, and tells whether somebody
// wrote beyond its end. Layer: hardened.
//
//   | what was asked for | slack            | end word |
//                        ^ canary, cut off            ^ the end of the room
//                          at the end word
//
// The room is a cell, and the end word says what it holds:
//   live: canary ^ slack
//   free: canary ^ the block's key ^ cleared bytes << 48, where 0 stands for
//         the usual number of bytes
// The slack says where the size that was asked for ends: there the canary
// stands once more, so that the first byte too many is seen. The key is another
// one each time that a block is made: what is left of a former block does not
// look like a free cell's end. Its upper bits, which no slack has, tell the two
// apart.
//
// The header of a large or huge block says what was asked for: it has nothing
// but a canary behind that.

#ifndef MEMALLOC_HARDENED_CANARY_H_
#define MEMALLOC_HARDENED_CANARY_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/hardened/secret.h"

namespace memalloc {

inline constexpr size_t kEndSize = sizeof(uint64_t);

// The cell of an allocation.
struct Room {
  uintptr_t start;
  size_t bytes;

  MEMALLOC_FAST uint64_t* EndWord() const {
    return reinterpret_cast<uint64_t*>(start + bytes - kEndSize);
  }
};

// The canary of the room at `start`. It is odd, as both parts of the secret
// are: its first byte is never 0, and a string's end that is written there
// shows.
MEMALLOC_FAST uint64_t CanaryOf(uintptr_t start) {
  return (start ^ g_secret.word) * g_secret.factor;
}

// Masks of so many bytes.
inline constexpr uint64_t kLowBytes[] = {
    0,
    0xFF,
    0xFFFF,
    0xFFFFFF,
    0xFFFFFFFF,
    0xFFFFFFFFFF,
    0xFFFFFFFFFFFF,
    0xFFFFFFFFFFFFFF,
    0xFFFFFFFFFFFFFFFF,
};

// ---- blocks of their own ----

MEMALLOC_FAST void MarkEnd(uintptr_t start, size_t size) {
  const uint64_t canary = CanaryOf(start);
  memcpy(reinterpret_cast<void*>(start + size), &canary, sizeof(canary));
}

// Whether nobody wrote there.
MEMALLOC_FAST bool IsEndMarked(uintptr_t start, size_t size) {
  uint64_t found;
  memcpy(&found, reinterpret_cast<const void*>(start + size), sizeof(found));
  return found == CanaryOf(start);
}

// ---- live cells ----

// What stands behind a live cell's size is no end word: left in memory, it must
// not make another cell look live that ends there.
inline constexpr uint64_t kBehind = uint64_t{1} << 63;

// Marks the room as one for `size` bytes.
MEMALLOC_FAST void MarkLive(Room room, uint64_t canary, size_t size) {
  const uint64_t behind = canary ^ kBehind;
  memcpy(reinterpret_cast<void*>(room.start + size), &behind, sizeof(behind));
  const uint64_t slack = room.bytes - kEndSize - size;
  *room.EndWord() = canary ^ slack;
}

// Whether the room is marked as live and nobody wrote behind its `size`. It may
// begin anywhere: that is found in this way.
MEMALLOC_FAST bool IsLive(Room room, uint64_t canary, size_t* size) {
  uint64_t word;
  memcpy(&word,
         reinterpret_cast<const void*>(room.start + room.bytes - kEndSize),
         sizeof(word));
  const size_t slack = word ^ canary;
  *size = room.bytes - kEndSize - slack;
  if (MEMALLOC_UNLIKELY(slack > room.bytes - kEndSize)) return false;
  uint64_t behind;
  memcpy(&behind, reinterpret_cast<const void*>(room.start + *size),
         sizeof(behind));
  // Of the word at the size, so many bytes as do not belong to the end word.
  return ((behind ^ canary ^ kBehind) & kLowBytes[Min(slack, kEndSize)]) == 0;
}

// Takes the canary behind `size` bytes away, before the room is marked as live
// for another size.
MEMALLOC_FAST void ClearCanary(Room room, size_t size) {
  memset(reinterpret_cast<void*>(room.start + size), 0, kEndSize);
}

// ---- free cells ----

inline constexpr unsigned kMeasureShift = 48;

// A free cell's end word if it was cleared in the usual measure (wipe.h).
MEMALLOC_FAST uint64_t UsualFreeWord(uint64_t canary, uintptr_t key) {
  return canary ^ key;
}

// Marks the room, a cell of a block with the key, as free; its first `cleared`
// bytes, a multiple of 16, are zero but for the end word.
inline void MarkFree(Room room, uint64_t canary, uintptr_t key,
                     size_t cleared) {
  const uint64_t measure = cleared / 16 + 1;
  *room.EndWord() = canary ^ key ^ measure << kMeasureShift;
}

// Whether the room was marked as free since its block was made, and how many
// of its bytes are clear then, `usual` if it does not say.
inline bool IsMarkedFree(Room room, uint64_t canary, uintptr_t key,
                         size_t usual, size_t* cleared) {
  const uint64_t word = *room.EndWord() ^ canary ^ key;
  const size_t measure = word >> kMeasureShift;
  *cleared = measure == 0 ? usual : (measure - 1) * 16;
  return word << (64 - kMeasureShift) == 0;
}

}  // namespace memalloc

#endif  // MEMALLOC_HARDENED_CANARY_H_
