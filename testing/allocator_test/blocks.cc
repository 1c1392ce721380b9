// Makes, fills, verifies and releases blocks; see blocks.h.
//
// Built with -fno-builtin-malloc and the like: a compiler that knows malloc may
// merge, drop or assume the success of the very calls that are under test. No
// state and no locking; callable from any thread.
#include "testing/allocator_test/blocks.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace allocator_test {
namespace {

// More than what malloc promises, so that the aligned entries are in use.
constexpr std::size_t kAlignment = 128;

constexpr std::size_t kWord = sizeof(std::uint64_t);

std::uint64_t Word(std::uint64_t seed, std::size_t index) {
  return (seed ^ index) * 0x9e3779b97f4a7c15u + seed;
}

void* Allocate(Source source, std::size_t size) {
  switch (source) {
    case Source::kMalloc:
      return std::malloc(size);
    case Source::kCalloc:
      return std::calloc(size, 1);
    case Source::kRealloc:
      return std::realloc(std::malloc(size / 2 + 1), size + 1);
    case Source::kAlignedAlloc:
      return aligned_alloc(kAlignment, size);
    case Source::kPosixMemalign: {
      void* data = nullptr;
      return posix_memalign(&data, kAlignment, size) == 0 ? data : nullptr;
    }
    case Source::kNew:
      return ::operator new(size);
    case Source::kNewArray:
      return ::operator new[](size, std::nothrow);
    case Source::kAlignedNew:
      return ::operator new (size, std::align_val_t{kAlignment});
  }
  return nullptr;
}

}  // namespace

std::uint64_t Random::Next() {
  state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::size_t Random::Size() {
  switch (Below(4096)) {
    case 0:
      return Below(std::size_t{1} << 20);
    case 1:
    case 2:
    case 3:
    case 4:
      return Below(64 * 1024);
    default:
      return Below(Below(2) == 0 ? 128 : 2048);
  }
}

void Fill(void* data, std::size_t size, std::uint64_t seed) {
  auto* bytes = static_cast<unsigned char*>(data);
  std::size_t at = 0;
  for (; at + kWord <= size; at += kWord) {
    const std::uint64_t word = Word(seed, at);
    std::memcpy(bytes + at, &word, kWord);
  }
  const std::uint64_t last = Word(seed, at);
  std::memcpy(bytes + at, &last, size - at);
}

bool Verify(const void* data, std::size_t size, std::uint64_t seed) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t differences = 0;
  std::size_t at = 0;
  for (; at + kWord <= size; at += kWord) {
    std::uint64_t word;
    std::memcpy(&word, bytes + at, kWord);
    differences |= word ^ Word(seed, at);
  }
  const std::uint64_t last = Word(seed, at);
  return differences == 0 && std::memcmp(bytes + at, &last, size - at) == 0;
}

bool IsAligned(const void* pointer, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

bool IsZero(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  // All bytes are zero if the first is and each equals its successor.
  return size == 0 ||
         (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

Block MakeBlock(Source source, std::size_t size, std::uint64_t seed) {
  Block block;
  block.data = static_cast<unsigned char*>(Allocate(source, size));
  block.size = size;
  block.seed = seed;
  block.source = source;
  if (block.data != nullptr) Fill(block.data, size, seed);
  return block;
}

bool ReleaseBlock(const Block& block) {
  const bool intact = Verify(block.data, block.size, block.seed);
  switch (block.source) {
    case Source::kMalloc:
    case Source::kCalloc:
    case Source::kRealloc:
    case Source::kAlignedAlloc:
    case Source::kPosixMemalign:
      std::free(block.data);
      break;
    case Source::kNew:
      ::operator delete(block.data, block.size);
      break;
    case Source::kNewArray:
      ::operator delete[](block.data, std::nothrow);
      break;
    case Source::kAlignedNew:
      ::operator delete (block.data, block.size, std::align_val_t{kAlignment});
      break;
  }
  return intact;
}

}  // namespace allocator_test
