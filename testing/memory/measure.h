// What the programs of this folder share: figures about the process, random
// sizes, and memory for their own notes that no allocator sees.
//
// A program runs on whatever malloc it was linked to or preloaded with, does
// one thing, and prints lines "key=value" that the tests read. Nothing here
// calls malloc once the program works: figures come by plain system calls into
// buffers on the stack, and arrays from mmap, so that what is measured is the
// allocator. No locking: one thread reports.

#ifndef TESTING_MEMORY_MEASURE_H_
#define TESTING_MEMORY_MEASURE_H_

#include <cstddef>
#include <cstdint>

namespace memory {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

// Prints "key=value".
void Report(const char* key, uint64_t value);

// Prints which allocator answers: "allocator=memalloc", or the file name of the
// object that malloc is in. To be called before anything is measured.
void ReportAllocator();

// Bytes in physical memory now, exactly: the kernel's quick counters may be off
// by some hundred KiB, so the pages are counted (/proc/self/smaps_rollup).
size_t ResidentBytes();

// A line of /proc/self/status that ends in kB ("VmHWM", "VmSize"), in bytes.
size_t StatusBytes(const char* field);

// Lines of /proc/self/maps.
size_t CountMappings();

// Asks the allocator for what it has free: malloc_trim, or what the peers have
// in its place. What malloc_trim returned, 0 for peers.
int GiveBack();

// A program at work for some seconds: a few thousand small objects, replaced
// one after the other in bursts with pauses in between. Main thread only.
void Work(double seconds);

// Seconds of a clock that only goes on.
double Now();

// Fills the block: all of its pages are there afterwards.
void Touch(void* block, size_t size);

// malloc and Touch; ends the program where there is no memory.
void* Allocate(size_t size);

// Ends the program with a line on stderr.
[[noreturn]] void Die(const char* why);

// `bytes` of zeroed memory from mmap, resident already.
void* MapResident(size_t bytes);

template <typename T>
T* MapArray(size_t count) {
  return static_cast<T*>(MapResident(count * sizeof(T)));
}

// A small generator (splitmix64); the same seed gives the same sequence.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // Evenly from 0 to bound - 1.
  size_t Below(size_t bound) { return Next() % bound; }

  // Evenly from low to high.
  size_t Between(size_t low, size_t high) {
    return low + Below(high - low + 1);
  }

  // Each doubling from low to high equally often.
  size_t AcrossScales(size_t low, size_t high);

 private:
  uint64_t state_;
};

template <typename T>
void Shuffle(T* items, size_t count, Random* random) {
  for (size_t i = count; i > 1; --i) {
    const size_t other = random->Below(i);
    T item = items[i - 1];
    items[i - 1] = items[other];
    items[other] = item;
  }
}

}  // namespace memory

#endif  // TESTING_MEMORY_MEASURE_H_
