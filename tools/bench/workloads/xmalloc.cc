// Producers and consumers: one thread allocates what another frees, always.
// Pipelines, work queues, message passing. After Lever and Boreham's xmalloc:
// objects travel in batches of 4096, as there, so that the queue itself costs
// little. What is measured is how memory finds its way back from the freeing
// side, with as many on both sides, and lopsided, where one side is the
// bottleneck.
//
// xmalloc-small has batches of 120 objects. There a third of the time is the
// queue's: threads put to sleep and woken. How often depends on which side is
// the faster one and by how much, so that its times scatter more than others.
#include <array>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

// Objects in a batch.
constexpr size_t kBatch = 4096;
constexpr size_t kSmallBatch = 120;

// The batch itself is allocated by the producer and freed by the consumer too.
using Batch = std::vector<void*>;

// A bounded queue that allocates nothing. Pop() returns null once every
// producer has called Finish() and the queue is empty.
class Queue {
 public:
  explicit Queue(int producers) : producers_(producers) {}

  void Push(Batch* batch) {
    std::unique_lock<std::mutex> hold(mutex_);
    not_full_.wait(hold, [this] { return count_ < ring_.size(); });
    ring_[(first_ + count_++) % ring_.size()] = batch;
    hold.unlock();
    not_empty_.notify_one();
  }

  Batch* Pop() {
    std::unique_lock<std::mutex> hold(mutex_);
    not_empty_.wait(hold, [this] { return count_ > 0 || producers_ == 0; });
    if (count_ == 0) return nullptr;
    Batch* batch = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --count_;
    hold.unlock();
    not_full_.notify_one();
    return batch;
  }

  void Finish() {
    std::lock_guard<std::mutex> hold(mutex_);
    --producers_;
    not_empty_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::array<Batch*, 64> ring_;
  size_t first_ = 0;
  size_t count_ = 0;
  int producers_;
};

void Produce(Queue* queue, uint64_t batches, size_t size, uint64_t seed) {
  Random random(seed);
  for (uint64_t i = 0; i < batches; ++i) {
    Batch* batch = new Batch(size);
    for (void*& object : *batch) {
      object = Obtain(SmallSize(&random) / 2 + 8);
    }
    queue->Push(batch);
  }
  queue->Finish();
}

void Consume(Queue* queue) {
  while (Batch* batch = queue->Pop()) {
    for (void* object : *batch) Release(object);
    delete batch;
  }
}

Outcome Pipeline(const Params& params, int producers, int consumers,
                 size_t size = kBatch) {
  Queue queue(producers);
  const uint64_t batches = params.Scaled(6'000'000) / (producers * size) + 1;
  RunThreads(producers + consumers, [&](int index) {
    if (index < producers) {
      Produce(&queue, batches, size, params.seed + index);
    } else {
      Consume(&queue);
    }
  });
  return {2 * producers * batches * (size + 1), {}};
}

Outcome OneToOne(const Params& params) { return Pipeline(params, 1, 1); }

Outcome ManyToMany(const Params& params) {
  const int threads = params.DefaultThreads();
  return Pipeline(params, threads, threads);
}

Outcome OneToMany(const Params& params) {
  return Pipeline(params, 1, 2 * params.DefaultThreads());
}

Outcome ManyToOne(const Params& params) {
  return Pipeline(params, 2 * params.DefaultThreads(), 1);
}

Outcome SmallBatches(const Params& params) {
  const int threads = params.DefaultThreads();
  return Pipeline(params, threads, threads, kSmallBatch);
}

}  // namespace

void AddXmalloc(Workloads* all) {
  all->push_back({"xmalloc-1-1", "one thread allocates, one frees", OneToOne});
  all->push_back({"xmalloc-n-n", "n threads allocate, n free", ManyToMany});
  all->push_back({"xmalloc-1-n", "one thread allocates, many free", OneToMany});
  all->push_back(
      {"xmalloc-n-1", "many threads allocate, one frees", ManyToOne});
  all->push_back({"xmalloc-small", "as n-n, batches of 120", SmallBatches});
}

}  // namespace memalloc_bench
