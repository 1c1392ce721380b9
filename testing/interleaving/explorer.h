// Runs a few threads in all the orders in which they can meet.
//
// The threads are coroutines of one thread. At each point where the core
// touches what threads share (explored.h) one is chosen to go on, and the whole
// is run anew, from a fresh heap, until each choice was made at each point: a
// depth-first search without stored states. Orders with more than a given
// number of preemptions are left out: who is not at an end and does not wait
// for a lock goes on otherwise. What is explored is the core itself, not a
// model of it; memory is sequentially consistent here (ThreadSanitizer and the
// machine see to the rest).
//
// A failure (the heap's own checks, or Complain) prints the order that led
// there and ends the process.

#ifndef TESTING_INTERLEAVING_EXPLORER_H_
#define TESTING_INTERLEAVING_EXPLORER_H_

#include <cstddef>
#include <functional>
#include <vector>

namespace memalloc::interleaving {

// What a number of threads do; made anew for each order.
class Scenario {
 public:
  virtual ~Scenario() = default;
  // Before the threads begin.
  virtual void SetUp() = 0;
  // What each thread does. It begins without a heap, unless it takes one.
  virtual std::vector<std::function<void()>> Threads() = 0;
  // After all have come to an end.
  virtual void TearDown() = 0;
};

using MakeScenario = std::function<Scenario*()>;

// Explores all orders with up to `preemptions`; returns their number.
size_t Explore(const char* name, const MakeScenario& make, int preemptions);

}  // namespace memalloc::interleaving

#endif  // TESTING_INTERLEAVING_EXPLORER_H_
