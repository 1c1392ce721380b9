// A program that misuses the heap in one way: corruptions CASE SIZE.
//
// It prints the pointer that an allocator would name, misuses it, and then goes
// on for a while as a program would. It ends with status 0 if nobody noticed.
// It knows nothing of any allocator, so that they can be compared.

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <iterator>

namespace {

// The compiler shall know nothing of what they do.
void* (*volatile g_malloc)(size_t) = &malloc;
void (*volatile g_free)(void*) = &free;
void* (*volatile g_realloc)(void*, size_t) = &realloc;
size_t (*volatile g_usable_size)(void*) = &malloc_usable_size;

char g_global[256];

void Announce(const void* pointer) { printf("%p\n", pointer); }

volatile char* New(size_t size) {
  return static_cast<volatile char*>(g_malloc(size));
}

void Free(volatile char* pointer) { g_free(const_cast<char*>(pointer)); }

char* Announced(volatile char* pointer) {
  Announce(const_cast<char*>(pointer));
  return const_cast<char*>(pointer);
}

// Allocates and frees `count` times; `live` of them at a time.
void GoOn(size_t size, int count, int live = 1) {
  constexpr int kMaxLive = 64;
  volatile char* blocks[kMaxLive] = {};
  for (int i = 0; i < count; ++i) {
    volatile char*& block = blocks[i % live];
    Free(block);
    block = New(size);
  }
  for (volatile char* block : blocks) Free(block);
}

constexpr int kLong = 20000;

// ---- freed memory ----

void DoubleFree(size_t size) {
  volatile char* p = New(size);
  Free(p);
  g_free(Announced(p));
}

void DoubleFreeLater(size_t size) {
  volatile char* p = New(size);
  Free(p);
  GoOn(size * 2, 50);
  g_free(Announced(p));
}

void DoubleFreeReused(size_t size) {
  volatile char* p = New(size);
  Free(p);
  for (int i = 0; i < kLong; ++i) {
    if (New(size) == p) break;
  }
  g_free(Announced(p));
  g_free(Announced(p));
}

void ReallocFreed(size_t size) {
  volatile char* p = New(size);
  Free(p);
  g_realloc(Announced(p), size * 2);
}

void UsableSizeFreed(size_t size) {
  volatile char* p = New(size);
  Free(p);
  g_usable_size(Announced(p));
}

void WriteAfterFree(size_t size, size_t offset) {
  volatile char* p = New(size);
  Free(p);
  Announced(p)[offset] = 1;
  GoOn(size, kLong);
}

void WriteAfterFreeStart(size_t size) { WriteAfterFree(size, 0); }
void WriteAfterFreeMiddle(size_t size) { WriteAfterFree(size, 20); }

// ---- beyond the ends ----

void Overflow(size_t size, size_t bytes) {
  volatile char* p = New(size);
  volatile char* end = Announced(p) + size;
  for (size_t i = 0; i < bytes; ++i) end[i] ^= 7;
  Free(p);
  GoOn(size, kLong);
}

void OverflowByOne(size_t size) { Overflow(size, 1); }
void OverflowByWords(size_t size) { Overflow(size, 64); }
void OverflowByPages(size_t size) { Overflow(size, size_t{64} * 1024); }

// The end of a string that is one byte too long.
void OverflowByZero(size_t size) {
  volatile char* p = New(size);
  Announced(p)[size] = 0;
  Free(p);
  GoOn(size, kLong);
}

// With a neighbour in front, which is freed some time.
void Underflow(size_t size) {
  constexpr int kBlocks = 500;
  volatile char* blocks[kBlocks];
  for (volatile char*& block : blocks) block = New(size);
  std::sort(std::begin(blocks), std::end(blocks));
  int nearest = 1;
  for (int i = 2; i < kBlocks; ++i) {
    if (blocks[i] - blocks[i - 1] < blocks[nearest] - blocks[nearest - 1]) {
      nearest = i;
    }
  }
  Announced(blocks[nearest])[-1] ^= 1;
  for (volatile char* block : blocks) Free(block);
  GoOn(size, kLong);
}

// What stands at the start of the 16 MiB round the block.
void OverwriteStart(size_t size) {
  const auto address = reinterpret_cast<uintptr_t>(Announced(New(size)));
  *reinterpret_cast<volatile char*>(address & ~uintptr_t{0xffffff}) = 1;
}

// ---- pointers that are none ----

void Interior(size_t size) { g_free(Announced(New(size) + 16)); }
void Misaligned(size_t size) { g_free(Announced(New(size) + 1)); }
void FreeGlobal(size_t) { g_free(Announced(g_global + 64)); }
void FreeWild(size_t) {
  g_free(Announced(reinterpret_cast<char*>(uintptr_t{0x5a5a5a5a5a50})));
}

// One byte is beyond what the default build can tell.
void WrongSize(size_t size) {
  ::operator delete(Announced(New(size)), size + 1);
}

struct Case {
  const char* name;
  void (*run)(size_t size);
};
constexpr Case kCases[] = {
    {"double-free", &DoubleFree},
    {"double-free-later", &DoubleFreeLater},
    {"double-free-reused", &DoubleFreeReused},
    {"realloc-freed", &ReallocFreed},
    {"usable-size-freed", &UsableSizeFreed},
    {"write-after-free-start", &WriteAfterFreeStart},
    {"write-after-free-middle", &WriteAfterFreeMiddle},
    {"overflow-by-zero", &OverflowByZero},
    {"overflow-by-one", &OverflowByOne},
    {"overflow-by-words", &OverflowByWords},
    {"overflow-by-pages", &OverflowByPages},
    {"underflow", &Underflow},
    {"overwrite-start", &OverwriteStart},
    {"interior", &Interior},
    {"misaligned", &Misaligned},
    {"free-global", &FreeGlobal},
    {"free-wild", &FreeWild},
    {"wrong-size", &WrongSize},
};

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IONBF, 0);  // printf shall not allocate
  if (argc == 3) {
    for (const Case& c : kCases) {
      if (strcmp(c.name, argv[1]) != 0) continue;
      GoOn(24, 100);  // no program begins with its mistake
      c.run(strtoul(argv[2], nullptr, 0));
      return 0;
    }
  }
  fprintf(stderr, "usage: corruptions CASE SIZE\n");
  return 2;
}
