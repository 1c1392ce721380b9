// Implements the pattern as one byte function of (seed, offset), applied a word
// at a time. Which offsets of a large block are sampled depends only on the
// filled size, so that a shorter prefix can be checked later. Used by the
// contract, process and stress tests; stateless.

#include "testing/contract/pattern.h"

#include <algorithm>
#include <cstring>

namespace contract {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kWord = sizeof(uint64_t);

uint64_t WordAt(uint64_t seed, size_t offset) {
  const uint64_t x = seed + offset * 0x9e3779b97f4a7c15u;
  return x ^ (x >> 29);
}

// Calls visit(offset, bytes) for each word of a block that was filled as
// `filled` bytes, in ascending order, until it returns false. `bytes` is below
// kWord only at the block's end.
template <typename Visit>
void ForEachWord(size_t filled, Visit visit) {
  size_t offset = 0;
  while (offset < filled) {
    if (!visit(offset, std::min(kWord, filled - offset))) return;
    const bool sampled =
        filled > kDenseLimit && offset >= kPage && offset + 2 * kPage < filled;
    offset += sampled ? kPage : kWord;
  }
}

}  // namespace

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t BlockSeed(const void* block, size_t size, uint64_t number) {
  const auto address = reinterpret_cast<uintptr_t>(block);
  return Mix(address + Mix(size + Mix(number)));
}

void FillPattern(void* block, size_t size, uint64_t seed) {
  char* bytes = static_cast<char*>(block);
  ForEachWord(size, [&](size_t offset, size_t count) {
    const uint64_t word = WordAt(seed, offset);
    std::memcpy(bytes + offset, &word, count);
    return true;
  });
}

size_t FindDamage(const void* block, size_t size, size_t filled,
                  uint64_t seed) {
  const char* bytes = static_cast<const char*>(block);
  size_t damage = size;
  ForEachWord(filled, [&](size_t offset, size_t count) {
    if (offset >= size) return false;
    const uint64_t word = WordAt(seed, offset);
    const size_t checked = std::min(count, size - offset);
    if (checked == kWord) {  // a comparison that the compiler knows
      uint64_t found;
      std::memcpy(&found, bytes + offset, kWord);
      if (found == word) return true;
    }
    char expected[kWord];
    std::memcpy(expected, &word, kWord);
    for (size_t i = 0; i < checked; ++i) {
      if (bytes[offset + i] != expected[i]) {
        damage = offset + i;
        return false;
      }
    }
    return true;
  });
  return damage;
}

size_t FindNonZero(const void* block, size_t size) {
  const char* bytes = static_cast<const char*>(block);
  if (size == 0 ||
      (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0)) {
    return size;
  }
  return static_cast<size_t>(
      std::find_if(bytes, bytes + size, [](char c) { return c != 0; }) - bytes);
}

}  // namespace contract
