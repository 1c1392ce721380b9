// The table of entries and the sizes they are tried with. The limits named here
// are memalloc's (cells up to 64 KiB, runs of 64 KiB granules up to nearly 8
// MiB, own mappings above, arenas of 16 MiB); libc is simply asked the same
// questions. Built once, on first use, by the tests' main thread; read-only
// afterwards.

#include "testing/contract/entries.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>

namespace contract {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kGiB = 1024 * kMiB;

template <typename Call>
Outcome ByErrno(Call call) {
  errno = 0;
  void* pointer = call();
  return Outcome{pointer, errno, false};
}

template <typename Call>
Outcome ByStatus(Call call) {
  void* pointer = nullptr;
  const int status = call(&pointer);
  return Outcome{pointer, status, false};
}

template <typename Call>
Outcome ByException(Call call) {
  errno = 0;
  try {
    void* pointer = call();
    return Outcome{pointer, errno, false};
  } catch (const std::bad_alloc&) {
    return Outcome{nullptr, errno, true};
  }
}

void Free(void* pointer, size_t) { free(pointer); }

// The C allocations of no particular alignment.
void AddPlain(std::vector<Entry>* entries) {
  auto add = [entries](const char* name, Outcome (*allocate)(size_t),
                       bool zeroes) {
    Entry entry{name, 16, allocate, Free};
    entry.zeroes = zeroes;
    entries->push_back(entry);
  };
  add(
      "malloc", [](size_t n) { return ByErrno([n] { return malloc(n); }); },
      false);
  add(
      "calloc_1_n",
      [](size_t n) { return ByErrno([n] { return calloc(1, n); }); }, true);
  add(
      "calloc_n_1",
      [](size_t n) { return ByErrno([n] { return calloc(n, 1); }); }, true);
  add(
      "realloc_null",
      [](size_t n) { return ByErrno([n] { return realloc(nullptr, n); }); },
      false);
  add(
      "reallocarray_null_1_n",
      [](size_t n) {
        return ByErrno([n] { return reallocarray(nullptr, 1, n); });
      },
      false);
  add(
      "reallocarray_null_n_1",
      [](size_t n) {
        return ByErrno([n] { return reallocarray(nullptr, n, 1); });
      },
      false);
}

template <size_t kAlignment>
void AddAligned(const char* aligned_alloc_name, const char* memalign_name,
                const char* posix_memalign_name, std::vector<Entry>* entries) {
  entries->push_back(
      {aligned_alloc_name, kAlignment,
       [](size_t n) {
         return ByErrno([n] { return aligned_alloc(kAlignment, n); });
       },
       [](void* p, size_t n) {
         free_aligned_sized != nullptr ? free_aligned_sized(p, kAlignment, n)
                                       : free(p);
       }});
  entries->push_back({memalign_name, kAlignment,
                      [](size_t n) {
                        return ByErrno([n] { return memalign(kAlignment, n); });
                      },
                      Free});
  entries->push_back({posix_memalign_name, kAlignment,
                      [](size_t n) {
                        return ByStatus([n](void** p) {
                          return posix_memalign(p, kAlignment, n);
                        });
                      },
                      Free});
}

// Names of glibc's that programs and glibc itself call past malloc.
void AddAliases(std::vector<Entry>* entries) {
  const size_t page = static_cast<size_t>(getpagesize());
  entries->push_back(
      {"valloc", page,
       [](size_t n) { return ByErrno([n] { return valloc(n); }); }, Free});
  entries->push_back(
      {"pvalloc", page,
       [](size_t n) { return ByErrno([n] { return pvalloc(n); }); }, Free});
  entries->push_back(
      {"libc_malloc", 16,
       [](size_t n) { return ByErrno([n] { return __libc_malloc(n); }); },
       [](void* p, size_t) { __libc_free(p); }});
  entries->push_back(
      {"libc_calloc", 16,
       [](size_t n) { return ByErrno([n] { return __libc_calloc(n, 1); }); },
       [](void* p, size_t) { cfree != nullptr ? cfree(p) : free(p); }});
  entries->back().zeroes = true;
  entries->push_back({"libc_realloc", 16,
                      [](size_t n) {
                        return ByErrno(
                            [n] { return __libc_realloc(nullptr, n); });
                      },
                      [](void* p, size_t n) {
                        free_sized != nullptr ? free_sized(p, n) : free(p);
                      }});
  entries->push_back(
      {"libc_memalign", 64,
       [](size_t n) { return ByErrno([n] { return __libc_memalign(64, n); }); },
       Free});
  entries->push_back(
      {"libc_valloc", page,
       [](size_t n) { return ByErrno([n] { return __libc_valloc(n); }); },
       Free});
  entries->push_back(
      {"libc_pvalloc", page,
       [](size_t n) { return ByErrno([n] { return __libc_pvalloc(n); }); },
       Free});
  if (__posix_memalign != nullptr) {
    entries->push_back({"libc_posix_memalign", 64,
                        [](size_t n) {
                          return ByStatus([n](void** p) {
                            return __posix_memalign(p, 64, n);
                          });
                        },
                        Free});
  }
}

void AddNew(std::vector<Entry>* entries) {
  auto add = [entries](const char* name, Outcome (*allocate)(size_t),
                       void (*release)(void*, size_t), bool throws) {
    Entry entry{name, 16, allocate, release};
    entry.cxx = true;
    entry.throws = throws;
    entries->push_back(entry);
  };
  add(
      "new",
      [](size_t n) { return ByException([n] { return ::operator new(n); }); },
      [](void* p, size_t) { ::operator delete(p); }, true);
  add(
      "new_sized_delete",
      [](size_t n) { return ByException([n] { return ::operator new(n); }); },
      [](void* p, size_t n) { ::operator delete(p, n); }, true);
  add(
      "new_array",
      [](size_t n) { return ByException([n] { return ::operator new[](n); }); },
      [](void* p, size_t) { ::operator delete[](p); }, true);
  add(
      "new_array_sized_delete",
      [](size_t n) { return ByException([n] { return ::operator new[](n); }); },
      [](void* p, size_t n) { ::operator delete[](p, n); }, true);
  add(
      "new_nothrow",
      [](size_t n) {
        return ByException([n] { return ::operator new(n, std::nothrow); });
      },
      [](void* p, size_t) { ::operator delete(p, std::nothrow); }, false);
  add(
      "new_array_nothrow",
      [](size_t n) {
        return ByException([n] { return ::operator new[](n, std::nothrow); });
      },
      [](void* p, size_t) { ::operator delete[](p, std::nothrow); }, false);
}

template <size_t kAlignment>
void AddAlignedNew(const char* const (&names)[6], std::vector<Entry>* entries) {
  constexpr auto kAlign = std::align_val_t{kAlignment};
  auto add = [entries](const char* name, Outcome (*allocate)(size_t),
                       void (*release)(void*, size_t), bool throws) {
    Entry entry{name, kAlignment, allocate, release};
    entry.cxx = true;
    entry.throws = throws;
    entry.aligned_new = true;
    entries->push_back(entry);
  };
  auto scalar = [](size_t n) {
    return ByException([n] { return ::operator new(n, kAlign); });
  };
  auto array = [](size_t n) {
    return ByException([n] { return ::operator new[](n, kAlign); });
  };
  add(
      names[0], scalar, [](void* p, size_t) { ::operator delete(p, kAlign); },
      true);
  add(
      names[1], scalar,
      [](void* p, size_t n) { ::operator delete(p, n, kAlign); }, true);
  add(
      names[2], array, [](void* p, size_t) { ::operator delete[](p, kAlign); },
      true);
  add(
      names[3], array,
      [](void* p, size_t n) { ::operator delete[](p, n, kAlign); }, true);
  add(
      names[4],
      [](size_t n) {
        return ByException(
            [n] { return ::operator new(n, kAlign, std::nothrow); });
      },
      [](void* p, size_t) { ::operator delete(p, kAlign, std::nothrow); },
      false);
  add(
      names[5],
      [](size_t n) {
        return ByException(
            [n] { return ::operator new[](n, kAlign, std::nothrow); });
      },
      [](void* p, size_t) { ::operator delete[](p, kAlign, std::nothrow); },
      false);
}

std::vector<Entry> AllEntries() {
  std::vector<Entry> entries;
  AddPlain(&entries);
  AddAligned<16>("aligned_alloc_16", "memalign_16", "posix_memalign_16",
                 &entries);
  AddAligned<64>("aligned_alloc_64", "memalign_64", "posix_memalign_64",
                 &entries);
  AddAligned<256>("aligned_alloc_256", "memalign_256", "posix_memalign_256",
                  &entries);
  AddAligned<4 * kKiB>("aligned_alloc_4K", "memalign_4K", "posix_memalign_4K",
                       &entries);
  AddAligned<128 * kKiB>("aligned_alloc_128K", "memalign_128K",
                         "posix_memalign_128K", &entries);
  AddAligned<32 * kMiB>("aligned_alloc_32M", "memalign_32M",
                        "posix_memalign_32M", &entries);
  AddAliases(&entries);
  AddNew(&entries);
  AddAlignedNew<64>(
      {"new_aligned_64", "new_aligned_64_sized_delete", "new_array_aligned_64",
       "new_array_aligned_64_sized_delete", "new_aligned_64_nothrow",
       "new_array_aligned_64_nothrow"},
      &entries);
  AddAlignedNew<8 * kKiB>(
      {"new_aligned_8K", "new_aligned_8K_sized_delete", "new_array_aligned_8K",
       "new_array_aligned_8K_sized_delete", "new_aligned_8K_nothrow",
       "new_array_aligned_8K_nothrow"},
      &entries);
  return entries;
}

}  // namespace

const std::vector<Entry>& Entries() {
  static const auto* entries = new std::vector<Entry>(AllEntries());
  return *entries;
}

const std::vector<size_t>& ImpossibleSizes() {
  static const auto* sizes = [] {
    constexpr size_t kConstants[] = {
        8,          16,        24,        32,        48,         64,
        128,        256,       512,       1024,      2048,       4 * kKiB,
        8 * kKiB,   16 * kKiB, 32 * kKiB, 64 * kKiB, 128 * kKiB, kMiB,
        2 * kMiB,   4 * kMiB,  8 * kMiB,  16 * kMiB, 32 * kMiB,  64 * kMiB,
        128 * kMiB, kGiB};
    auto* result = new std::vector<size_t>{
        SIZE_MAX,        size_t{PTRDIFF_MAX}, size_t{PTRDIFF_MAX} + 1,
        size_t{3} << 62, size_t{1} << 62,     size_t{1} << 56,
        size_t{1} << 48, size_t{1} << 47};
    for (size_t constant : kConstants) {
      for (size_t k : {constant - 1, constant, constant + 1}) {
        result->push_back(SIZE_MAX - k);
        result->push_back(size_t{PTRDIFF_MAX} + k);
        result->push_back(size_t{PTRDIFF_MAX} - k);
      }
    }
    return result;
  }();
  return *sizes;
}

std::vector<size_t> TypicalSizes(size_t largest) {
  std::vector<size_t> sizes = {1};
  for (size_t limit = 8; limit <= largest; limit *= 2) {
    for (size_t size : {limit - 1, limit, limit + 1, limit + limit / 2}) {
      if (size <= largest) sizes.push_back(size);
    }
  }
  return sizes;
}

std::vector<size_t> TypicalSizes(size_t largest, const Entry& entry) {
  const std::vector<size_t> all = TypicalSizes(largest);
  const size_t step = entry.alignment > kMiB ? 9 : 1;
  std::vector<size_t> sizes;
  for (size_t i = 0; i < all.size(); i += step) sizes.push_back(all[i]);
  return sizes;
}

}  // namespace contract
