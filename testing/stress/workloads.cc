// Workloads in which threads have fixed roles: producers and consumers around a
// bounded queue, threads that free alternate cells of the same blocks, and a
// producer that sleeps while its memory is freed elsewhere. What they are after
// is memory that piles up with the wrong thread as much as damaged contents.

#include "testing/stress/workloads.h"

#include <pthread.h>
#include <stdlib.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "testing/stress/calls.h"

namespace stress {
namespace {

// A bounded queue of items for many producers and consumers.
class Pipeline {
 public:
  explicit Pipeline(uint64_t capacity) : capacity_(capacity) {}

  void Put(const std::vector<Item>& items) {
    std::unique_lock<std::mutex> lock(mutex_);
    has_room_.wait(lock,
                   [&] { return items_.size() + items.size() <= capacity_; });
    for (const Item& item : items) {
      items_.push_back(item);
      bytes_ += item.size;
    }
    most_bytes_ = std::max(most_bytes_, bytes_);
    has_items_.notify_one();
  }

  // Up to `count` items; none when the pipeline is closed and empty.
  std::vector<Item> Take(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    has_items_.wait(lock, [&] { return closed_ || !items_.empty(); });
    const size_t taken = std::min(count, items_.size());
    std::vector<Item> result(items_.end() - static_cast<ptrdiff_t>(taken),
                             items_.end());
    items_.resize(items_.size() - taken);
    for (const Item& item : result) bytes_ -= item.size;
    has_room_.notify_all();
    if (!items_.empty()) has_items_.notify_one();
    return result;
  }

  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    has_items_.notify_all();
  }

  uint64_t most_bytes() const { return most_bytes_; }

 private:
  const uint64_t capacity_;
  std::mutex mutex_;
  std::condition_variable has_room_;
  std::condition_variable has_items_;
  std::vector<Item> items_;
  uint64_t bytes_ = 0;
  uint64_t most_bytes_ = 0;
  bool closed_ = false;
};

class Barrier {
 public:
  explicit Barrier(int threads) {
    pthread_barrier_init(&barrier_, nullptr, static_cast<unsigned>(threads));
  }
  ~Barrier() { pthread_barrier_destroy(&barrier_); }
  void Wait() { pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

void JoinAll(std::vector<std::thread>* threads) {
  for (std::thread& thread : *threads) thread.join();
}

}  // namespace

uint64_t RunPipeline(const PipelineOptions& options) {
  constexpr uint64_t kBatch = 32;
  Pipeline pipeline(options.capacity);
  std::vector<std::thread> consumers;
  for (int c = 0; c < options.consumers; ++c) {
    consumers.emplace_back([&pipeline] {
      while (true) {
        std::vector<Item> items = pipeline.Take(kBatch);
        if (items.empty()) return;
        for (Item& item : items) ReleaseItem(&item);
      }
    });
  }
  const auto producer_count = static_cast<uint64_t>(options.producers);
  std::vector<std::thread> producers;
  for (uint64_t p = 0; p < producer_count; ++p) {
    producers.emplace_back([&, p] {
      Random random(options.seed * 1000003 + p);
      std::vector<Item> items(kBatch);
      const uint64_t batches = options.blocks / producer_count / kBatch;
      for (uint64_t b = 0; b < batches; ++b) {
        for (Item& item : items) item = MakeItem(options.sizes, random.Next());
        pipeline.Put(items);
      }
    });
  }
  JoinAll(&producers);
  pipeline.Close();
  JoinAll(&consumers);
  return pipeline.most_bytes();
}

void RunInterleavedFrees(int threads, uint64_t seed, int rounds,
                         size_t largest) {
  const auto count = static_cast<size_t>(threads);
  const size_t cells = std::max(size_t{50}, 2000 / count) * count;
  std::vector<Item> items(cells);
  Barrier barrier(threads);
  std::vector<std::thread> workers;
  for (size_t t = 0; t < count; ++t) {
    workers.emplace_back([&, t] {
      Random random(seed * 1000003 + t);
      for (int round = 0; round < rounds; ++round) {
        // All cells of a round are of one class, so that neighbours in a block
        // are freed by different threads. Who allocates changes.
        const size_t owner = static_cast<size_t>(round) % (count + 1);
        const size_t size =
            1 + Random(seed + static_cast<uint64_t>(round)).Below(largest);
        auto make = [&](size_t i) {
          items[i] = AdoptBlock(calls::Malloc(size), size, random.Next());
        };
        if (owner == t) {
          for (size_t i = 0; i < cells; ++i) make(i);
        } else if (owner == count) {
          for (size_t i = t; i < cells; i += count) make(i);
        }
        barrier.Wait();
        for (size_t i = t; i < cells; i += count) ReleaseItem(&items[i]);
        barrier.Wait();
      }
    });
  }
  JoinAll(&workers);
}

void RunSleepingProducer(uint64_t bytes, size_t size, int rounds) {
  const size_t count = bytes / size;
  Barrier barrier(2);
  std::vector<Item> items(count);
  auto allocate = [&](uint64_t seed) {
    for (size_t i = 0; i < count; ++i) {
      items[i] = AdoptBlock(calls::Malloc(size), size, seed + i);
    }
  };
  std::thread producer([&] {
    for (int round = 0; round < rounds; ++round) {
      allocate(1);
      barrier.Wait();
      // Sleeps here, in the middle of its life, while the other works.
      barrier.Wait();
    }
  });
  for (int round = 0; round < rounds; ++round) {
    barrier.Wait();
    for (Item& item : items) ReleaseItem(&item);
    allocate(2);
    for (Item& item : items) ReleaseItem(&item);
    barrier.Wait();
  }
  producer.join();
}

}  // namespace stress
