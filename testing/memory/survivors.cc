// A large heap of which all but a few objects are freed, at random: what is
// left lies scattered over all of it.
//
//   survivors OBJECTS KEPT_PER_THOUSAND SECONDS
//
// RSS is shown at once, after SECONDS of ordinary work, for allocators that
// give memory back after a while, and after asking for it.

#include <cstdlib>

#include "testing/memory/measure.h"

namespace memory {
namespace {

int Main(int argc, char** argv) {
  if (argc < 4) Die("usage: survivors OBJECTS KEPT_PER_THOUSAND SECONDS");
  const size_t count = std::strtoul(argv[1], nullptr, 10);
  const size_t kept = std::strtoul(argv[2], nullptr, 10);
  const double seconds = std::strtod(argv[3], nullptr);
  ReportAllocator();
  void** objects = MapArray<void*>(count);
  const size_t start = ResidentBytes();

  Random sizes(1);
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = sizes.Between(16, 1024);
    objects[i] = Allocate(size);
    total += size;
  }
  Report("full_live", total);
  Report("full_rss", ResidentBytes() - start);

  // In the order of allocation, so that the sizes come out again.
  Random again(1);
  Random choice(2);
  size_t live = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = again.Between(16, 1024);
    if (choice.Below(1000) < kept) {
      live += size;
    } else {
      free(objects[i]);
      objects[i] = nullptr;
    }
  }
  Report("live", live);
  Report("rss", ResidentBytes() - start);
  Work(seconds);
  Report("active_rss", ResidentBytes() - start);
  GiveBack();
  Report("trimmed_rss", ResidentBytes() - start);
  return 0;
}

}  // namespace
}  // namespace memory

int main(int argc, char** argv) { return memory::Main(argc, argv); }
