// Reads /proc/self and asks the dynamic linker which allocator there is; see
// measure.h. A figure that cannot be read ends the program: a zero would keep
// every budget.

#include "testing/memory/measure.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "testing/contract/allocator_in_charge.h"

namespace memory {
namespace {

// Calls `use` with each line of a file, without its end.
template <typename Use>
void ForEachLine(const char* path, Use use) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) Die(path);
  char text[8192];
  size_t kept = 0;
  while (true) {
    const ssize_t got = read(file, text + kept, sizeof(text) - 1 - kept);
    if (got <= 0) break;
    text[kept + static_cast<size_t>(got)] = '\0';
    char* line = text;
    while (char* end = std::strchr(line, '\n')) {
      *end = '\0';
      use(line);
      line = end + 1;
    }
    kept = std::strlen(line);
    std::memmove(text, line, kept);
  }
  close(file);
}

// "field:   123 kB" of a file below /proc, in bytes.
size_t FieldBytes(const char* path, const char* field) {
  const size_t length = std::strlen(field);
  size_t bytes = 0;
  ForEachLine(path, [&](const char* line) {
    if (std::strncmp(line, field, length) == 0 && line[length] == ':') {
      bytes = std::strtoul(line + length + 1, nullptr, 10) * kKiB;
    }
  });
  if (bytes == 0) Die(field);
  return bytes;
}

template <typename Function>
Function Find(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

void Report(const char* key, uint64_t value) {
  char line[128];
  const int length = std::snprintf(line, sizeof(line), "%s=%llu\n", key,
                                   static_cast<unsigned long long>(value));
  if (write(STDOUT_FILENO, line, static_cast<size_t>(length)) != length) {
    Die("cannot write");
  }
}

void ReportAllocator() {
  const char* name = "memalloc";
  Dl_info info;
  if (!contract::MemallocInCharge()) {
    if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) == 0) Die("dladdr");
    const char* slash = std::strrchr(info.dli_fname, '/');
    name = slash == nullptr ? info.dli_fname : slash + 1;
  }
  dprintf(STDOUT_FILENO, "allocator=%s\n", name);
}

size_t ResidentBytes() { return FieldBytes("/proc/self/smaps_rollup", "Rss"); }

size_t StatusBytes(const char* field) {
  return FieldBytes("/proc/self/status", field);
}

size_t CountMappings() {
  size_t count = 0;
  ForEachLine("/proc/self/maps", [&](const char*) { ++count; });
  return count;
}

int GiveBack() {
  using Control = int (*)(const char*, void*, size_t*, void*, size_t);
  if (auto collect = Find<void (*)(bool)>("mi_collect")) {
    collect(true);
    return 0;
  }
  if (auto control = Find<Control>("mallctl")) {
    control("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
    // 4096 is jemalloc's number for "all arenas".
    control("arena.4096.purge", nullptr, nullptr, nullptr, 0);
    return 0;
  }
  if (auto release = Find<void (*)()>("MallocExtension_ReleaseFreeMemory")) {
    release();
    return 0;
  }
  return malloc_trim(0);
}

void Work(double seconds) {
  constexpr size_t kObjects = 2000;
  constexpr int kBurst = 500;
  static void* objects[kObjects];
  static Random random(9);
  const double end = Now() + seconds;
  do {
    for (int i = 0; i < kBurst; ++i) {
      void** object = &objects[random.Below(kObjects)];
      free(*object);
      *object = Allocate(random.Between(16, 512));
    }
    usleep(1000);
  } while (Now() < end);
}

double Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_nsec) * 1e-9;
}

void Touch(void* block, size_t size) { std::memset(block, 0x5a, size); }

void* Allocate(size_t size) {
  void* block = malloc(size);
  if (block == nullptr) Die("malloc returned NULL");
  Touch(block, size);
  return block;
}

void Die(const char* why) {
  dprintf(STDERR_FILENO, "failed: %s\n", why);
  _exit(1);
}

void* MapResident(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) Die("mmap");
  return memory;
}

size_t Random::AcrossScales(size_t low, size_t high) {
  const double part = static_cast<double>(Next() >> 11) * 0x1p-53;
  const double ratio = static_cast<double>(high) / static_cast<double>(low);
  return static_cast<size_t>(static_cast<double>(low) * std::pow(ratio, part));
}

}  // namespace memory
