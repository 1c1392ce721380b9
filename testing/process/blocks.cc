// Implements blocks on the public malloc interface. Sizes are drawn so that all
// three kinds of memalloc's blocks occur: cells (to 64 KiB), runs (to nearly
// 8 MiB) and huge mappings. MakeAnyBlock uses operator new too and ReleaseBlock
// frees with free: libc and memalloc both promise that this works, and it lets
// a block forget where it came from.

#include "testing/process/blocks.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "testing/contract/pattern.h"
#include "testing/process/harness.h"

namespace process {

using contract::Mix;

namespace {

size_t AnySize(uint64_t random) {
  const size_t fine = random >> 16;
  switch (random % 64) {
    case 0:
      return 64 * kKiB + fine % (300 * kKiB);
    case 1:
      return random % 4096 < 64 ? 8 * kMiB + fine % kMiB : fine % (64 * kKiB);
    case 2:
    case 3:
    case 4:
    case 5:
      return fine % (8 * kKiB);
    default:
      return fine % 500;
  }
}

Block Fill(void* pointer, size_t size, uint64_t number) {
  const uint64_t seed = contract::BlockSeed(pointer, size, number);
  contract::FillPattern(pointer, size, seed);
  return {pointer, size, seed};
}

}  // namespace

Block MakeBlock(size_t size, uint64_t number) {
  void* pointer = std::malloc(size);
  return pointer == nullptr ? Block{} : Fill(pointer, size, number);
}

Block MakeAnyBlock(uint64_t number) {
  const uint64_t random = Mix(number);
  const size_t size = AnySize(random);
  void* pointer = nullptr;
  switch ((random >> 8) % 8) {
    case 0:
      pointer = std::calloc(1, size);
      REQUIRE(pointer != nullptr);
      REQUIRE(contract::FindNonZero(pointer, size) == size);
      break;
    case 1:
      pointer = memalign(size_t{16} << (random >> 12) % 9, size);
      break;
    case 2:
      pointer = ::operator new(size);
      break;
    default:
      pointer = std::malloc(size);
  }
  REQUIRE(pointer != nullptr);
  return Fill(pointer, size, number);
}

void CheckBlock(const Block& block) {
  const size_t damage =
      contract::FindDamage(block.pointer, block.size, block.size, block.seed);
  if (damage != block.size) {
    Note("block %p of %zu bytes is damaged at byte %zu", block.pointer,
         block.size, damage);
  }
  REQUIRE(damage == block.size);
}

void ResizeBlock(Block* block, size_t size) {
  void* moved = std::realloc(block->pointer, size);
  REQUIRE(moved != nullptr);
  const size_t common = std::min(size, block->size);
  REQUIRE(contract::FindDamage(moved, common, block->size, block->seed) ==
          common);
  *block = Fill(moved, size, block->seed);
}

void ReleaseBlock(Block* block) {
  if (block->pointer == nullptr) return;
  CheckBlock(*block);
  std::free(block->pointer);
  *block = Block{};
}

void Exercise(uint64_t seed, int operations) {
  constexpr size_t kLive = 64;
  Block live[kLive];
  for (int i = 0; i < operations; ++i) {
    const uint64_t random = Mix(seed * 1000003 + static_cast<uint64_t>(i));
    Block& block = live[random % kLive];
    if (block.pointer != nullptr && random % 5 == 0) {
      ResizeBlock(&block, 1 + AnySize(Mix(random)));
    } else {
      ReleaseBlock(&block);
      block = MakeAnyBlock(random);
    }
  }
  for (Block& block : live) ReleaseBlock(&block);
}

}  // namespace process
