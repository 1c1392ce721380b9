// Rows about what C++ adds to malloc: the new_handler loop, bad_alloc where the
// C functions return null, overaligned types. The C entries run the handler
// rows too: they must never call the handler. The handler is process-wide;
// every row removes its own again. Single-threaded.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "testing/contract/process_memory.h"
#include "testing/contract/rows.h"

namespace contract {
namespace {

constexpr size_t kImpossible = size_t{PTRDIFF_MAX} - (size_t{1} << 30);

int g_handler_calls = 0;
rlimit g_unlimited;

template <size_t kAlignment>
struct alignas(kAlignment) Overaligned {
  char bytes[kAlignment];

  bool Aligned() const {
    return reinterpret_cast<uintptr_t>(this) % kAlignment == 0;
  }
};

template <size_t kAlignment>
void CheckOveraligned() {
  using Type = Overaligned<kAlignment>;
  std::vector<std::unique_ptr<Type>> singles;
  std::vector<Type> array;
  std::map<int, Type> map;
  std::vector<std::shared_ptr<Type>> shared;
  for (int i = 0; i < 40; ++i) {
    singles.push_back(std::make_unique<Type>());
    array.emplace_back();
    shared.push_back(std::make_shared<Type>());
    EXPECT_TRUE(singles.back()->Aligned());
    EXPECT_TRUE(array.front().Aligned());
    EXPECT_TRUE(map[i].Aligned());
    EXPECT_TRUE(shared.back()->Aligned());
  }
  std::unique_ptr<Type[]> raw(new Type[7]);
  EXPECT_TRUE(raw[0].Aligned());
}

}  // namespace

void NewCallsHandlerUntilItGivesUp(const Entry& entry) {
  g_handler_calls = 0;
  std::set_new_handler([] {
    if (++g_handler_calls == 3) std::set_new_handler(nullptr);
  });
  const Outcome outcome = entry.allocate(kImpossible);
  std::set_new_handler(nullptr);
  EXPECT_EQ(outcome.pointer, nullptr);
  EXPECT_EQ(outcome.threw_bad_alloc, entry.throws);
  EXPECT_EQ(g_handler_calls, entry.cxx ? 3 : 0);
}

void NewHandlerMayThrow(const Entry& entry) {
  g_handler_calls = 0;
  std::set_new_handler([] {
    ++g_handler_calls;
    throw std::bad_alloc();
  });
  for (int i = 1; i <= 3; ++i) {
    const Outcome outcome = entry.allocate(kImpossible);
    EXPECT_EQ(outcome.pointer, nullptr);
    EXPECT_EQ(outcome.threw_bad_alloc, entry.throws);
    EXPECT_EQ(g_handler_calls, entry.cxx ? i : 0);
  }
  std::set_new_handler(nullptr);
  // Whatever the exception left behind, the entry goes on working.
  const Outcome outcome = entry.allocate(100);
  ASSERT_NE(outcome.pointer, nullptr);
  entry.release(outcome.pointer, 100);
}

bool HasRoomFor(size_t bytes) {
  void* probe = mmap(nullptr, bytes, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return probe != MAP_FAILED && munmap(probe, bytes) == 0;
}

void NewHandlerMayMakeRoom(const Entry& entry) {
  constexpr size_t kSize = size_t{1} << 30;
  g_handler_calls = 0;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &g_unlimited), 0);
  std::set_new_handler([] {
    // The first call does not help, the second makes room.
    if (++g_handler_calls == 2) setrlimit(RLIMIT_AS, &g_unlimited);
  });
  rlimit limit = g_unlimited;
  limit.rlim_cur = AddressSpaceBytes() + (size_t{32} << 20);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
  if (HasRoomFor(kSize)) {
    setrlimit(RLIMIT_AS, &g_unlimited);
    std::set_new_handler(nullptr);
    GTEST_SKIP() << "RLIMIT_AS is without effect, as on qemu's user emulation";
  }
  const Outcome outcome = entry.allocate(kSize);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &g_unlimited), 0);
  std::set_new_handler(nullptr);
  EXPECT_FALSE(outcome.threw_bad_alloc);
  if (entry.cxx) {
    EXPECT_EQ(g_handler_calls, 2);
    ASSERT_NE(outcome.pointer, nullptr);
    static_cast<char*>(outcome.pointer)[kSize - 1] = 'e';
    entry.release(outcome.pointer, kSize);
  } else {
    EXPECT_EQ(g_handler_calls, 0);
    EXPECT_EQ(outcome.pointer, nullptr);
    EXPECT_EQ(outcome.error, ENOMEM);
  }
}

void NewArrayExpressionOverflowThrows(const Entry&) {
  struct Odd {
    char bytes[24];
  };
  for (size_t count : {SIZE_MAX / sizeof(Odd), SIZE_MAX / sizeof(Odd) + 1,
                       SIZE_MAX / 2, SIZE_MAX}) {
    EXPECT_THROW(delete[] Opaque(new Odd[Opaque(count)]), std::bad_alloc);
    EXPECT_THROW(delete[] Opaque(new std::string[Opaque(count)]),
                 std::bad_alloc);
  }
  EXPECT_THROW(delete[] Opaque(new char[Opaque(size_t{PTRDIFF_MAX})]),
               std::bad_alloc);
  EXPECT_THROW(std::vector<char>(Opaque(kImpossible)), std::bad_alloc);
}

void OveralignedTypesAndContainers(const Entry&) {
  CheckOveraligned<32>();
  CheckOveraligned<64>();
  CheckOveraligned<256>();
  CheckOveraligned<4096>();
  CheckOveraligned<65536>();
}

}  // namespace contract
