// The single-threaded checks: every entry of the allocator over sizes from 0
// to 64 MiB, alignments, contents, zeroing, and requests that cannot succeed.
//
// Sizes are taken around every power of two and in between, because off-by-one
// errors live at the edges of size classes, pages and mappings. Built as
// blocks.cc is, so that no call is merged or dropped.
//
// No locking; called by allocator_test.cc through checks.h.
#include <malloc.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "absl/strings/str_cat.h"
#include "testing/allocator_test/blocks.h"
#include "testing/allocator_test/checks.h"

namespace allocator_test {
namespace {

constexpr std::size_t kMallocAlignment = 16;
constexpr std::size_t kLargest = std::size_t{64} << 20;

// All sizes to 1 KiB, then each power of two with its neighbours and middle.
std::vector<std::size_t> Sizes() {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 0; size <= 1024; ++size) sizes.push_back(size);
  for (std::size_t power = 2048; power <= kLargest; power *= 2) {
    sizes.insert(sizes.end(), {power - 1, power, power + 1, power * 3 / 2});
  }
  return sizes;
}

// Runs `attempt`, which must return null and set errno to `wanted`.
template <typename Attempt>
void ExpectRefused(Findings& findings, const char* what, std::uint64_t value,
                   int wanted, Attempt attempt) {
  errno = 0;
  void* const block = attempt();
  findings.Expect(block == nullptr, absl::StrCat(what, " must fail"), value);
  findings.Expect(errno == wanted, absl::StrCat(what, " must set errno"),
                  value);
  std::free(block);
}

}  // namespace

Findings CheckMalloc(const Settings& settings) {
  Findings findings;
  const std::vector<std::size_t> sizes = Sizes();
  // Up to 1 MiB all blocks live at once, so that an overlap shows; larger ones
  // one at a time.
  std::vector<Block> live;
  for (const std::size_t size : sizes) {
    const Block block = MakeBlock(Source::kMalloc, size, settings.seed + size);
    findings.Expect(block.data != nullptr, "malloc returned null", size);
    if (block.data == nullptr) continue;
    findings.Expect(IsAligned(block.data, kMallocAlignment),
                    "malloc's result is not 16-byte aligned", size);
    findings.Expect(malloc_usable_size(block.data) >= size,
                    "malloc_usable_size is below the request", size);
    if (size <= std::size_t{1} << 20) {
      live.push_back(block);
    } else {
      findings.Expect(ReleaseBlock(block), "a large block changed", size);
    }
  }
  for (const Block& block : live) {
    findings.Expect(ReleaseBlock(block), "a block changed while it lived",
                    block.size);
  }

  void* const first = std::malloc(0);
  void* const second = std::malloc(0);
  findings.Expect(first != nullptr && first != second,
                  "malloc(0) must return distinct pointers", 0);
  std::free(first);
  std::free(second);

  errno = EDOM;
  std::free(std::malloc(100));
  std::free(nullptr);
  findings.Expect(errno == EDOM, "free must keep errno", 100);
  findings.Say(absl::StrCat(sizes.size(), " sizes from 0 to ", kLargest >> 20,
                            " MiB, aligned, contents kept"));
  return findings;
}

Findings CheckCalloc(const Settings& settings) {
  Findings findings;
  const std::vector<std::size_t> sizes = Sizes();
  for (const std::size_t size : sizes) {
    // A dirty block of the same size goes first, and is likely to come back.
    ReleaseBlock(MakeBlock(Source::kMalloc, size, settings.seed));
    for (const std::size_t count : {std::size_t{1}, std::size_t{4}}) {
      void* const block = std::calloc(count, size / count);
      findings.Expect(block != nullptr, "calloc returned null", size);
      if (block == nullptr) continue;
      findings.Expect(IsZero(block, size / count * count),
                      "calloc's memory is not zero", size);
      Fill(block, size / count * count, settings.seed);
      std::free(block);
    }
  }
  findings.Say(absl::StrCat(sizes.size(), " sizes, zero after dirty reuse"));
  return findings;
}

Findings CheckRealloc(const Settings& settings) {
  Findings findings;
  // Up, down and across small, large and mapped sizes.
  const std::size_t path[] = {1,    24,        25,      200,     4000,
                              3000, 70000,     65536,   1 << 20, 5 << 20,
                              9,    40u << 20, 1 << 17, 100,     (1 << 20) + 1,
                              64,   1u << 16,  1};
  std::size_t held = 0;
  auto* block = static_cast<unsigned char*>(std::realloc(nullptr, 0));
  findings.Expect(block != nullptr, "realloc(NULL, 0) must be malloc(0)", 0);
  for (const std::size_t size : path) {
    void* const moved = std::realloc(block, size);
    findings.Expect(moved != nullptr, "realloc returned null", size);
    if (moved == nullptr) break;
    block = static_cast<unsigned char*>(moved);
    const std::size_t kept = held < size ? held : size;
    findings.Expect(Verify(block, kept, settings.seed), "realloc lost contents",
                    size);
    Fill(block, size, settings.seed);
    held = size;
  }
  std::free(block);

  // By small steps, as a program does that appends.
  std::size_t steps = 0;
  unsigned char* grown = nullptr;
  for (std::size_t size = 8; size <= 1 << 20; size += 8 + size / 64, ++steps) {
    grown = static_cast<unsigned char*>(std::realloc(grown, size));
    findings.Expect(grown != nullptr, "realloc returned null", size);
    if (grown == nullptr) break;
    grown[size - 1] = static_cast<unsigned char>(size);
    grown[size - 8] = static_cast<unsigned char>(size >> 8);
  }
  std::free(grown);

  void* const gone = std::realloc(std::malloc(50), 0);
  findings.Expect(gone == nullptr, "realloc(p, 0) must free and return null",
                  50);
  findings.Say(absl::StrCat("across ", std::size(path), " sizes and in ", steps,
                            " small steps, contents kept"));
  return findings;
}

Findings CheckAlignment(const Settings& settings) {
  Findings findings;
  const std::size_t sizes[] = {0, 1, 8, 24, 100, 1000, 5000, 70000, 3 << 20};
  std::size_t largest = 0;
  for (std::size_t alignment = sizeof(void*); alignment <= kLargest;
       alignment *= 2) {
    largest = alignment;
    for (const std::size_t size : sizes) {
      void* blocks[3] = {aligned_alloc(alignment, size), nullptr,
                         memalign(alignment, size)};
      findings.Expect(posix_memalign(&blocks[1], alignment, size) == 0,
                      "posix_memalign failed", alignment);
      for (void* const block : blocks) {
        findings.Expect(block != nullptr, "an aligned entry returned null",
                        alignment);
        findings.Expect(IsAligned(block, alignment),
                        "an aligned entry's result is not aligned", alignment);
        if (block != nullptr) Fill(block, size, settings.seed + alignment);
      }
      for (void* const block : blocks) {
        findings.Expect(
            block == nullptr || Verify(block, size, settings.seed + alignment),
            "an aligned block changed", alignment);
      }
      // A block grown by realloc keeps its contents, not its alignment.
      void* const moved = std::realloc(blocks[0], size + 1000);
      findings.Expect(
          moved != nullptr && Verify(moved, size, settings.seed + alignment),
          "realloc of an aligned block lost contents", alignment);
      std::free(moved);
      std::free(blocks[1]);
      std::free(blocks[2]);
    }
  }
  for (const std::size_t bad : {0, 1, 4, 3, 24}) {
    void* untouched = &findings;
    errno = EDOM;
    findings.Expect(posix_memalign(&untouched, bad, 8) == EINVAL,
                    "posix_memalign must refuse the alignment", bad);
    findings.Expect(untouched == &findings && errno == EDOM,
                    "posix_memalign must touch nothing on failure", bad);
  }
  findings.Say(absl::StrCat("aligned_alloc, posix_memalign, memalign from ",
                            sizeof(void*), " B to ", largest >> 20, " MiB"));
  return findings;
}

Findings CheckNewAndDelete(const Settings& settings) {
  Findings findings;
  constexpr std::align_val_t kAligned{256};
  for (const std::size_t size : Sizes()) {
    if (size > std::size_t{1} << 20) continue;
    void* const blocks[] = {
        ::operator new(size),
        ::operator new[](size),
        ::operator new(size, std::nothrow),
        ::operator new[](size, std::nothrow),
        ::operator new(size, kAligned),
        ::operator new[](size, kAligned),
        ::operator new(size, kAligned, std::nothrow),
        ::operator new[](size, kAligned, std::nothrow),
    };
    for (std::size_t i = 0; i < std::size(blocks); ++i) {
      findings.Expect(blocks[i] != nullptr, "new returned null", size);
      findings.Expect(IsAligned(blocks[i], i < 4 ? kMallocAlignment : 256),
                      "new's result is not aligned", size);
      Fill(blocks[i], size, settings.seed + i);
    }
    for (std::size_t i = 0; i < std::size(blocks); ++i) {
      findings.Expect(Verify(blocks[i], size, settings.seed + i),
                      "memory from new changed", size);
    }
    ::operator delete(blocks[0]);
    ::operator delete[](blocks[1], size);
    ::operator delete(blocks[2], std::nothrow);
    ::operator delete[](blocks[3], std::nothrow);
    ::operator delete(blocks[4], size, kAligned);
    ::operator delete[](blocks[5], kAligned);
    ::operator delete(blocks[6], kAligned, std::nothrow);
    ::operator delete[](blocks[7], kAligned, std::nothrow);
  }

  const volatile std::size_t impossible = PTRDIFF_MAX;
  bool thrown = false;
  try {
    ::operator delete(::operator new(impossible));
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  findings.Expect(thrown, "new must throw bad_alloc", impossible);
  findings.Expect(::operator new(impossible, std::nothrow) == nullptr,
                  "nothrow new must return null", impossible);

  static int handler_calls = 0;
  std::set_new_handler([] {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
  });
  findings.Expect(
      ::operator new(impossible, std::nothrow) == nullptr&& handler_calls == 3,
      "new must call the new_handler until it gives up", impossible);
  std::set_new_handler(nullptr);
  findings.Say("8 forms of new, 8 of delete, bad_alloc, new_handler");
  return findings;
}

Findings CheckLimits(const Settings&) {
  Findings findings;
  constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
  void* const kept = std::malloc(100);
  Fill(kept, 100, 1);
  for (const std::size_t size :
       {std::size_t{PTRDIFF_MAX}, std::size_t{PTRDIFF_MAX} + 1, kMax - 4096,
        kMax - 16, kMax - 1, kMax}) {
    // The compiler must not see what it would warn about.
    const volatile std::size_t request = size;
    ExpectRefused(findings, "malloc", size, ENOMEM,
                  [&] { return std::malloc(request); });
    ExpectRefused(findings, "calloc", size, ENOMEM,
                  [&] { return std::calloc(1, request); });
    ExpectRefused(findings, "realloc", size, ENOMEM,
                  [&] { return std::realloc(kept, request); });
    ExpectRefused(findings, "aligned_alloc", size, ENOMEM,
                  [&] { return aligned_alloc(64, request); });
  }
  const volatile std::size_t half = kMax / 2 + 2;
  ExpectRefused(findings, "calloc that overflows", half, ENOMEM,
                [&] { return std::calloc(half, 2); });
  ExpectRefused(findings, "reallocarray that overflows", half, ENOMEM,
                [&] { return reallocarray(nullptr, half, 2); });
  findings.Expect(Verify(kept, 100, 1),
                  "a realloc that failed must leave the old block", 100);
  std::free(kept);
  findings.Say("requests up to SIZE_MAX refused with ENOMEM, nothing lost");
  return findings;
}

}  // namespace allocator_test
