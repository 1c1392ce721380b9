// Growth by realloc: buffers that are appended to. Several grow in turn, with
// small allocations in between, so that none can simply move the end of the
// heap. By one byte (string builders written without care), by eight (arrays
// of pointers grown one at a time), by doubling (vectors of C programs).
#include <cstring>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

constexpr int kBuffers = 8;

struct Buffer {
  char* data = nullptr;
  size_t size = 0;
};

// Resizes and writes the new end; what was there must have moved along.
void Resize(Buffer* buffer, size_t size) {
  char* data = static_cast<char*>(std::realloc(buffer->data, size));
  Require(data != nullptr, "out of memory");
  if (buffer->size > 0) {
    Require(data[0] == 'a' && data[buffer->size - 1] == 'a', "contents lost");
  }
  data[0] = 'a';
  data[size - 1] = 'a';
  buffer->data = data;
  buffer->size = size;
}

void FreeAll(std::vector<Buffer>* buffers) {
  for (Buffer& buffer : *buffers) std::free(buffer.data);
}

// All buffers to `limit` bytes in steps of `step`; returns the calls made.
uint64_t GrowSteadily(size_t step, size_t limit) {
  std::vector<Buffer> buffers(kBuffers);
  std::vector<void*> between;
  uint64_t ops = 0;
  for (size_t size = step; size <= limit; size += step) {
    for (Buffer& buffer : buffers) Resize(&buffer, size);
    ops += kBuffers;
    if ((size / step) % 64 == 0) {
      between.push_back(Obtain(64));
      ops += 2;
    }
  }
  for (void* object : between) Release(object);
  FreeAll(&buffers);
  return ops;
}

Outcome ByOne(const Params& params) {
  uint64_t ops = 0;
  const uint64_t rounds = params.Scaled(60);
  for (uint64_t i = 0; i < rounds; ++i) ops += GrowSteadily(1, 40'000);
  return {ops, {}};
}

Outcome ByEight(const Params& params) {
  uint64_t ops = 0;
  const uint64_t rounds = params.Scaled(8);
  for (uint64_t i = 0; i < rounds; ++i) ops += GrowSteadily(8, 1 << 20);
  return {ops, {}};
}

Outcome ByDoubling(const Params& params) {
  constexpr size_t kFirst = 16;
  constexpr size_t kLimit = 4 << 20;
  const uint64_t rounds = params.Scaled(16);
  uint64_t ops = 0;
  for (uint64_t i = 0; i < rounds; ++i) {
    std::vector<Buffer> buffers(kBuffers);
    for (size_t size = kFirst; size <= kLimit; size *= 2) {
      for (Buffer& buffer : buffers) {
        const size_t had = buffer.size;
        Resize(&buffer, size);
        // Filled, as by a program that doubled because it was full.
        std::memset(buffer.data + had, 'a', size - had);
      }
      ops += kBuffers;
    }
    FreeAll(&buffers);
    ops += kBuffers;
  }
  return {ops, {}};
}

}  // namespace

void AddRealloc(Workloads* all) {
  all->push_back({"realloc-1", "buffers grown byte by byte", ByOne});
  all->push_back({"realloc-8", "buffers grown by 8 bytes to 1 MiB", ByEight});
  all->push_back(
      {"realloc-double", "buffers doubled from 16 B to 4 MiB", ByDoubling});
}

}  // namespace memalloc_bench
