// What the heap does to the process's address space.
//
//   address_space purges CYCLES   gives memory back that often, out of the
//                                 midst of a heap, and counts mappings
//   address_space grow MIB        a heap that grows to MIB: how much more is
//                                 mapped than resident
//   address_space limit MIB BYTES the same under RLIMIT_AS of BYTES

#include <sys/resource.h>

#include <cstdlib>
#include <cstring>

#include "testing/memory/measure.h"

namespace memory {
namespace {

// Small, large and, one of a thousand, huge.
size_t AnySize(Random* random) {
  const size_t kind = random->Below(1000);
  if (kind == 0) return random->Between(9 * kMiB, 12 * kMiB);
  if (kind < 30) return random->Between(64 * kKiB, 300 * kKiB);
  return random->AcrossScales(16, 64 * kKiB);
}

// A heap of some 100 MiB in which every cycle replaces a part and gives back
// what is free then.
void Purges(size_t cycles) {
  constexpr size_t kBlocks = 5000;
  constexpr size_t kReplaced = 100;
  void** blocks = MapArray<void*>(kBlocks);
  Random random(1);
  for (size_t i = 0; i < kBlocks; ++i) blocks[i] = Allocate(AnySize(&random));
  GiveBack();
  const size_t before = CountMappings();
  size_t most = before;
  size_t gave = 0;
  for (size_t cycle = 0; cycle < cycles; ++cycle) {
    // Neighbours in time of allocation go together, so that whole granules are
    // free; they are replaced after the memory went back.
    const size_t first = random.Below(kBlocks - kReplaced);
    for (size_t i = first; i < first + kReplaced; ++i) free(blocks[i]);
    gave += GiveBack() != 0 ? 1 : 0;
    for (size_t i = first; i < first + kReplaced; ++i) {
      blocks[i] = malloc(AnySize(&random));
      if (blocks[i] == nullptr) Die("malloc returned NULL");
    }
    if (cycle % 64 == 0) {
      const size_t now = CountMappings();
      if (now > most) most = now;
    }
  }
  Report("cycles", cycles);
  Report("gave_back", gave);
  Report("before", before);
  Report("most", most);
  Report("after", CountMappings());
}

void Grow(size_t bytes) {
  constexpr size_t kMaxBlocks = 1 << 20;
  void** blocks = MapArray<void*>(kMaxBlocks);
  Random random(1);
  size_t gap = 0;
  size_t count = 0;
  for (size_t total = 0; total < bytes; ++count) {
    if (count == kMaxBlocks) Die("too many blocks");
    const size_t size = AnySize(&random);
    blocks[count] = Allocate(size);
    total += size;
    if (count % 256 == 0) {
      const size_t now = StatusBytes("VmSize") - ResidentBytes();
      if (now > gap) gap = now;
    }
  }
  Report("live", bytes);
  Report("peak", StatusBytes("VmHWM"));
  Report("mapped", StatusBytes("VmSize"));
  // What the kernel counts with vm.overcommit_memory=2.
  Report("private_mapped", StatusBytes("VmData"));
  Report("most_unused", gap);
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
}

int Main(int argc, char** argv) {
  if (argc < 3) Die("usage: address_space purges|grow|limit N [BYTES]");
  const size_t number = std::strtoul(argv[2], nullptr, 10);
  ReportAllocator();
  if (std::strcmp(argv[1], "purges") == 0) {
    Purges(number);
    return 0;
  }
  if (argc > 3) {
    const rlim_t limit = std::strtoul(argv[3], nullptr, 10);
    const rlimit both = {limit, limit};
    if (setrlimit(RLIMIT_AS, &both) != 0) Die("setrlimit");
  }
  Grow(number * kMiB);
  return 0;
}

}  // namespace
}  // namespace memory

int main(int argc, char** argv) { return memory::Main(argc, argv); }
