// What the workloads are made of: random numbers, sizes, checked objects,
// groups of threads.
//
// An object's first word says its size and whose it is, so that whoever frees
// it can tell for the price of one load whether another object was put on top
// of it. Objects are touched as programs touch them: the first word, and one
// byte of each further page. A failed check ends the process by Fail(), whose
// exit status the driver shows as a failed run.
#ifndef TOOLS_BENCH_WORKLOADS_SUPPORT_H_
#define TOOLS_BENCH_WORKLOADS_SUPPORT_H_

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>

namespace memalloc_bench {

// Writes one line to stderr and exits with status 3.
[[noreturn]] void Fail(const char* what);

inline void Require(bool condition, const char* what) {
  if (__builtin_expect(!condition, 0)) Fail(what);
}

// Keeps the compiler from removing an allocation whose object nobody reads.
template <typename T>
inline void Keep(const T& value) {
  asm volatile("" : : "g"(value) : "memory");
}

// xorshift64*: as cheap as random numbers get, so that the allocator is what
// is measured.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(Mix(seed)) {}

  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }

  // Uniform in [0, bound); bound below 2^32.
  uint64_t Below(uint64_t bound) { return ((Next() >> 32) * bound) >> 32; }

  // Uniform in [low, high].
  uint64_t Between(uint64_t low, uint64_t high) {
    return low + Below(high - low + 1);
  }

 private:
  static uint64_t Mix(uint64_t seed) {
    const uint64_t mixed = (seed + 1) * 0x9E3779B97F4A7C15u;
    return mixed ^ (mixed >> 31) ^ 1;
  }

  uint64_t state_;
};

// 8 to 1023 bytes, each power of two equally often: what most programs ask
// for most of the time.
inline size_t SmallSize(Random* random) {
  const uint64_t bits = random->Next() >> 20;
  const size_t base = size_t{8} << (bits % 7);
  return base + ((bits >> 8) & (base - 1));
}

// 16 bytes to 1 MiB, each power of two half as often as the one before, so
// that each holds the same share of the bytes: a long tail.
inline size_t TailSize(Random* random) {
  const uint64_t bits = random->Next();
  const int rank = __builtin_ctzll((bits >> 48) | (1u << 15));
  const size_t base = size_t{16} << rank;
  return base + ((bits >> 8) & (base - 1));
}

constexpr size_t kPageBytes = 4096;
constexpr size_t kSmallestObject = sizeof(uint64_t);
constexpr uint64_t kMark = uint64_t{0xB10C} << 48;

// Makes `object` of `size` bytes recognisable, as described above.
inline void Mark(void* object, size_t size) {
  Require(object != nullptr, "out of memory");
  *static_cast<uint64_t*>(object) = kMark | size;
  for (size_t at = kPageBytes; at < size; at += kPageBytes) {
    static_cast<volatile char*>(object)[at] = 1;
  }
}

// The size of a marked object that is intact.
inline size_t MarkedSize(const void* object) {
  const uint64_t word = *static_cast<const uint64_t*>(object);
  Require((word & (uint64_t{0xFFFF} << 48)) == kMark, "object overwritten");
  return word & ~(uint64_t{0xFFFF} << 48);
}

// Checks an object that is about to be freed and takes its mark away, so that
// a second owner of the same memory would notice. Returns its size.
inline size_t Unmark(void* object) {
  const size_t size = MarkedSize(object);
  // Volatile: the compiler knows that what free() gets need not be written.
  *static_cast<volatile uint64_t*>(object) = 0;
  return size;
}

inline void* Obtain(size_t size) {
  void* object = std::malloc(size);
  Mark(object, size);
  return object;
}

inline void Release(void* object) {
  Unmark(object);
  std::free(object);
}

// Where a fixed number of threads wait for each other.
class Barrier {
 public:
  explicit Barrier(unsigned threads) {
    Require(pthread_barrier_init(&barrier_, nullptr, threads) == 0,
            "no barrier");
  }
  ~Barrier() { pthread_barrier_destroy(&barrier_); }
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  void Wait() { pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

// Runs body(0) to body(count - 1), each on a thread of its own, and waits.
void RunThreads(int count, const std::function<void(int)>& body);

}  // namespace memalloc_bench

#endif  // TOOLS_BENCH_WORKLOADS_SUPPORT_H_
