// Implements items on malloc, calloc, memalign and all forms of operator new;
// each method names the release that belongs to it. An item that was resized by
// realloc belongs to free from then on. Stateless; each item has one user at a
// time.

#include "testing/stress/item.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "testing/contract/pattern.h"
#include "testing/stress/calls.h"

namespace stress {
namespace {

enum Method : uint32_t {
  kMalloc,
  kCalloc,
  kMemalign,
  kNew,
  kSizedNew,
  kAlignedNew,
  kMethods,
};

size_t DrawSize(Sizes sizes, uint64_t random) {
  const size_t kind = random % 4096;
  const size_t fine = random >> 20;
  switch (sizes) {
    case Sizes::kSmall:
      return fine % kKiB;
    case Sizes::kLarge:
      return 32 * kKiB + fine % (kind < 64 ? 10 * kMiB : 500 * kKiB);
    case Sizes::kMixed:
      if (kind == 0) return 8 * kMiB + fine % (4 * kMiB);
      if (kind < 24) return 64 * kKiB + fine % kMiB;
      if (kind < 200) return fine % (64 * kKiB);
      if (kind < 1000) return fine % (4 * kKiB);
      return fine % 300;
  }
  return 0;
}

void Fill(Item* item, uint64_t random) {
  item->seed = contract::BlockSeed(item->block, item->size, random);
  contract::FillPattern(item->block, item->size, item->seed);
}

}  // namespace

uint64_t Random::Next() {
  state_ += 0x9e3779b97f4a7c15u;
  return contract::Mix(state_);
}

void Fail(const char* what, const Item& item) {
  std::fprintf(stderr,
               "stress: %s: block %p, %zu bytes, alignment %u, method %u\n",
               what, item.block, item.size, item.alignment, item.method);
  std::abort();
}

Item MakeItem(Sizes sizes, uint64_t random) {
  const uint64_t choice = contract::Mix(random);
  Item item;
  item.size = DrawSize(sizes, random);
  item.method = static_cast<uint32_t>(choice % 16);
  if (item.method >= kMethods) item.method = kMalloc;
  if (item.method == kMemalign || item.method == kAlignedNew) {
    item.alignment = 32u << (choice >> 8) % 8;
    // Rarely beyond a granule, an arena's part, a huge page.
    if ((choice >> 16) % 64 == 0) item.alignment = 8192u << (choice >> 24) % 9;
  }
  const auto alignment = std::align_val_t{item.alignment};
  switch (item.method) {
    case kMalloc:
      item.block = calls::Malloc(item.size);
      break;
    case kCalloc:
      item.block = calls::Calloc(item.size);
      break;
    case kMemalign:
      item.block = calls::Memalign(item.alignment, item.size);
      break;
    case kNew:
    case kSizedNew:
      item.block = calls::New(item.size);
      break;
    case kAlignedNew:
      item.block = calls::New(item.size, alignment);
      break;
  }
  if (item.block == nullptr) Fail("no memory", item);
  if (reinterpret_cast<uintptr_t>(item.block) % item.alignment != 0) {
    Fail("wrongly aligned", item);
  }
  if (item.method == kCalloc &&
      contract::FindNonZero(item.block, item.size) != item.size) {
    Fail("calloc gave memory that is not zero", item);
  }
  if (choice % 64 == 0 && calls::UsableSize(item.block) < item.size) {
    Fail("usable size below the size", item);
  }
  Fill(&item, random);
  return item;
}

Item AdoptBlock(void* block, size_t size, uint64_t random) {
  Item item{block, size, 0, 16, kMalloc};
  if (block == nullptr) Fail("no memory", item);
  Fill(&item, random);
  return item;
}

void CheckItem(const Item& item) {
  if (contract::FindDamage(item.block, item.size, item.size, item.seed) !=
      item.size) {
    Fail("contents are damaged", item);
  }
}

void ResizeItem(Sizes sizes, uint64_t random, Item* item) {
  const size_t size = DrawSize(sizes, random) + 1;
  void* moved = calls::Realloc(item->block, size);
  if (moved == nullptr) Fail("realloc failed", *item);
  const Item before = *item;
  *item = Item{moved, size, 0, 16, kMalloc};
  const size_t common = std::min(size, before.size);
  if (contract::FindDamage(moved, common, before.size, before.seed) != common) {
    Fail("realloc lost contents", *item);
  }
  Fill(item, random);
}

void ReleaseItem(Item* item) {
  if (item->block == nullptr) return;
  CheckItem(*item);
  const auto alignment = std::align_val_t{item->alignment};
  switch (item->method) {
    case kMalloc:
    case kCalloc:
    case kMemalign:
      calls::Free(item->block);
      break;
    case kNew:
      calls::Delete(item->block);
      break;
    case kSizedNew:
      calls::Delete(item->block, item->size);
      break;
    case kAlignedNew:
      calls::Delete(item->block, item->size, alignment);
      break;
  }
  *item = Item{};
}

}  // namespace stress
