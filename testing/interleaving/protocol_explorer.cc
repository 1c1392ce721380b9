// The protocol by which blocks and cells change hands, explored: claims of
// detached and orphan blocks, batches and inboxes, heaps that are parked,
// emptied and taken up again (heap/inbox.cc, release.cc, refill.cc,
// orphan_blocks.cc, thread_heaps.cc).
//
//   protocol_explorer PREEMPTIONS
//
// Prints each scenario and its number of orders. In each order: no cell is
// handed out twice or loses its contents, the walker finds the heap whole, and
// when all is freed nothing is left.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <vector>

#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/fuzz/fresh_heap.h"
#include "testing/interleaving/explorer.h"
#include "testing/unit/fake_os.h"

namespace memalloc::interleaving {
namespace {

using Body = std::function<void()>;

// 64 cells a block, of a class without magazine; eight are worth a refill.
constexpr size_t kSize = 1024;
constexpr size_t kCells = 64;
constexpr size_t kParked = 8;  // heaps, at most
constexpr size_t kTag = 3;     // the cell's word that tells who has it

// What threads have in hand.
class Hands {
 public:
  void* Take() {
    void* cell = Allocate(kSize);
    if (cell == nullptr) Complain("a cell cannot be had", cell);
    if (!tags_.emplace(cell, ++last_tag_).second) {
      Complain("a cell was handed out twice", cell);
    }
    static_cast<uint64_t*>(cell)[kTag] = last_tag_;
    return cell;
  }

  std::vector<void*> Take(size_t count) {
    std::vector<void*> cells;
    while (cells.size() < count) cells.push_back(Take());
    return cells;
  }

  void Give(void* cell) {
    const auto found = tags_.find(cell);
    if (static_cast<uint64_t*>(cell)[kTag] != found->second) {
      Complain("a cell lost its contents", cell);
    }
    tags_.erase(found);
    Free(cell);
  }

  void GiveAll() {
    while (!tags_.empty()) Give(tags_.begin()->first);
  }

 private:
  [[noreturn]] static void Complain(const char* what, void* cell) {
    fprintf(stderr, "interleaving: %s: %p\n", what, cell);
    abort();
  }

  std::map<void*, uint64_t> tags_;
  uint64_t last_tag_ = 0;
};

// The running thread ends.
void End() {
  ThreadHeap* heap = t_heap;
  t_heap = &g_gone_heap;
  if (!IsStandIn(heap)) g_central_heap.ReturnThreadHeap(heap);
}

void Flush() {
  if (!IsStandIn(t_heap)) t_heap->Flush();
}

// What a new thread did before it ended.
void InThreadThatEnds(const Body& body) {
  ThreadHeap* own = t_heap;
  t_heap = &g_no_heap;
  body();
  End();
  t_heap = own;
}

// All places for parked heaps are taken: the next one is emptied.
void ParkSome() {
  std::vector<ThreadHeap*> heaps;
  for (size_t i = 0; i < kParked; ++i) {
    heaps.push_back(g_central_heap.AcquireThreadHeap());
  }
  for (ThreadHeap* heap : heaps) g_central_heap.ReturnThreadHeap(heap);
}

void Tick() {
  fake_os::PassTime(500);
  PassSlowPath();
}

class HeapScenario : public Scenario {
 public:
  void TearDown() override {
    for (ThreadHeap* heap : heaps_) g_central_heap.ReturnThreadHeap(heap);
    hands_.GiveAll();
    fuzz::ExpectAllToGoBack();
  }

 protected:
  // Makes a heap to begin with for one of the threads.
  ThreadHeap* MakeHeap(const Body& body) {
    ThreadHeap* own = t_heap;
    t_heap = &g_no_heap;
    body();
    ThreadHeap* made = t_heap;
    t_heap = own;
    return made;
  }

  static ThreadHeap* NewHeap() { return g_central_heap.AcquireThreadHeap(); }

  // A body that begins with `heap` and ends, or not: then the heap goes back
  // when all is over, as if the thread slept meanwhile.
  static Body With(ThreadHeap* heap, const Body& body) {
    return [=] {
      t_heap = heap;
      body();
      End();
    };
  }
  void GoesBackLater(ThreadHeap* heap) { heaps_.push_back(heap); }
  static Body Then(const Body& body) {
    return [=] {
      body();
      End();
    };
  }

  void Give(const std::vector<void*>& cells, size_t from, size_t count) {
    for (size_t i = 0; i < count; ++i) hands_.Give(cells[from + i]);
  }

  Hands hands_;
  std::vector<void*> cells_;  // of the block that it is about

 private:
  std::vector<ThreadHeap*> heaps_;
};

// Threads free cells of a block that nobody owns, and allocate.
class ClaimDetached : public HeapScenario {
 public:
  void SetUp() override {
    cells_ = hands_.Take(kCells);
    hands_.Take();  // of the next block: the first is detached
  }
  std::vector<Body> Threads() override {
    return {Then([this] {
              Give(cells_, 0, 1);
              hands_.Take();
            }),
            Then([this] { Give(cells_, 1, 2); })};
  }
};

class ClaimDetachedByThree : public ClaimDetached {
 public:
  std::vector<Body> Threads() override {
    return {Then([this] { Give(cells_, 0, 1); }),
            Then([this] { Give(cells_, 1, 1); }),
            Then([this] { Give(cells_, 2, 1); })};
  }
};

// All cells are freed at once by two: who owns the block returns it.
class EmptyDetached : public ClaimDetached {
 public:
  std::vector<Body> Threads() override {
    return {Then([this] {
              Give(cells_, 0, kCells / 2);
              Flush();
              Tick();
            }),
            Then([this] { Give(cells_, kCells / 2, kCells / 2); })};
  }
};

// The owner takes the last cells of a block and detaches it while others free.
class DetachWhileOthersFree : public HeapScenario {
 public:
  void SetUp() override {
    owner_ = MakeHeap([this] { cells_ = hands_.Take(kCells - 1); });
  }
  std::vector<Body> Threads() override {
    return {With(owner_,
                 [this] {
                   hands_.Take();
                   hands_.Take();
                 }),
            With(NewHeap(), [this] { Give(cells_, 0, 1); }),
            Then([this] { Give(cells_, 1, 1); })};
  }

 private:
  ThreadHeap* owner_ = nullptr;
};

// The owner ends while others send to it. Its heap is emptied.
class OwnerEnds : public HeapScenario {
 public:
  void SetUp() override {
    owner_ = MakeHeap([this] { cells_ = hands_.Take(kCells / 2); });
    ParkSome();
  }
  std::vector<Body> Threads() override {
    return {With(owner_, [this] { Give(cells_, 0, 1); }),
            With(NewHeap(), [this] { Give(cells_, 1, 1); }),
            Then([this] { Give(cells_, 2, 1); })};
  }

 private:
  ThreadHeap* owner_ = nullptr;
};

// The same; its heap is parked, and taken up by a thread that begins.
class OwnerEndsAndItsHeapGoesOn : public HeapScenario {
 public:
  void SetUp() override {
    owner_ = MakeHeap([this] { cells_ = hands_.Take(kCells / 2); });
  }
  std::vector<Body> Threads() override {
    return {With(owner_, [this] { Give(cells_, 0, 1); }),
            Then([this] { Give(cells_, 1, 1); }),
            Then([this] { hands_.Take(); })};
  }

 private:
  ThreadHeap* owner_ = nullptr;
};

// A parked heap is emptied at a tick, while one thread sends to it and another
// takes it up.
class ParkedHeapIsEmptied : public HeapScenario {
 public:
  void SetUp() override {
    hands_.Take();
    InThreadThatEnds([this] { cells_ = hands_.Take(kCells / 2); });
    Tick();
    ticker_ = MakeHeap([] { Free(Allocate(16)); });
    Tick();
    fake_os::PassTime(500);
  }
  std::vector<Body> Threads() override {
    return {With(ticker_, [] { PassSlowPath(); }),
            Then([this] { Give(cells_, 0, 1); }),
            Then([this] { hands_.Take(); })};
  }

 private:
  ThreadHeap* ticker_ = nullptr;
};

// A thread frees into an orphan while another looks for one.
class ClaimOrphan : public HeapScenario {
 public:
  void SetUp() override {
    ParkSome();
    ThreadHeap* owner = MakeHeap([this] { cells_ = hands_.Take(kCells / 2); });
    std::vector<ThreadHeap*> others;
    for (size_t i = 0; i < kParked; ++i) {
      others.push_back(g_central_heap.AcquireThreadHeap());
    }
    for (ThreadHeap* heap : others) g_central_heap.ReturnThreadHeap(heap);
    g_central_heap.ReturnThreadHeap(owner);
  }
  std::vector<Body> Threads() override {
    return {Then([this] { Give(cells_, 0, 2); }),
            Then([this] { hands_.Take(); })};
  }
};

// The same, and the orphan becomes empty.
class EmptyOrphan : public ClaimOrphan {
 public:
  std::vector<Body> Threads() override {
    return {Then([this] {
              Give(cells_, 0, cells_.size());
              Flush();
            }),
            Then([this] { hands_.Take(); })};
  }
};

// Two threads free into the orphan, one looks at all orphans.
class WalkOrphans : public ClaimOrphan {
 public:
  std::vector<Body> Threads() override {
    return {Then([this] { Give(cells_, 0, 1); }),
            Then([this] { Give(cells_, 1, 1); }),
            [] { g_central_heap.Check(t_heap); }};
  }
};

// Threads without a heap, now and for ever, free and allocate.
class GoneThreads : public ClaimOrphan {
 public:
  std::vector<Body> Threads() override {
    const auto gone = [](const Body& body) {
      return [=] {
        t_heap = &g_gone_heap;
        body();
      };
    };
    return {gone([this] { Give(cells_, 0, 1); }),
            gone([this] { hands_.Take(); }),
            Then([this] { Give(cells_, 1, 1); })};
  }
};

// Two threads free each other's cells.
class SendToEachOther : public HeapScenario {
 public:
  void SetUp() override {
    first_ = MakeHeap([this] { cells_ = hands_.Take(3); });
    second_ = MakeHeap([this] { others_ = hands_.Take(3); });
  }
  std::vector<Body> Threads() override {
    return {With(first_,
                 [this] {
                   Give(others_, 0, 2);
                   Flush();
                   hands_.Take();
                 }),
            With(second_, [this] {
              Give(cells_, 0, 2);
              Flush();
              hands_.Take();
            })};
  }

 private:
  ThreadHeap* first_ = nullptr;
  ThreadHeap* second_ = nullptr;
  std::vector<void*> others_;
};

// The owner sleeps while two send to it.
class OwnerSleeps : public HeapScenario {
 public:
  void SetUp() override {
    owner_ = MakeHeap([this] { cells_ = hands_.Take(kCells / 2); });
    GoesBackLater(owner_);
  }
  std::vector<Body> Threads() override {
    return {With(NewHeap(),
                 [this] {
                   Give(cells_, 0, 2);
                   Flush();
                   Give(cells_, 2, 1);
                 }),
            Then([this] { Give(cells_, 3, 2); })};
  }

 private:
  ThreadHeap* owner_ = nullptr;
};

template <typename S>
size_t ExploreScenario(const char* name, int preemptions) {
  const size_t orders = Explore(
      name, [] { return new S; }, preemptions);
  printf("%-28s %9zu orders\n", name, orders);
  return orders;
}

size_t ExploreAll(int preemptions) {
  size_t orders = 0;
#define EXPLORE(scenario) \
  orders += ExploreScenario<scenario>(#scenario, preemptions)
  EXPLORE(ClaimDetached);
  EXPLORE(ClaimDetachedByThree);
  EXPLORE(EmptyDetached);
  EXPLORE(DetachWhileOthersFree);
  EXPLORE(OwnerEnds);
  EXPLORE(OwnerEndsAndItsHeapGoesOn);
  EXPLORE(ParkedHeapIsEmptied);
  EXPLORE(ClaimOrphan);
  EXPLORE(EmptyOrphan);
  EXPLORE(WalkOrphans);
  EXPLORE(GoneThreads);
  EXPLORE(SendToEachOther);
  EXPLORE(OwnerSleeps);
#undef EXPLORE
  return orders;
}

}  // namespace
}  // namespace memalloc::interleaving

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s PREEMPTIONS\n", argv[0]);
    return 2;
  }
  const size_t orders = memalloc::interleaving::ExploreAll(atoi(argv[1]));
  printf("%zu orders in all\n", orders);
}
