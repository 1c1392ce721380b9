// Runs a few threads in all the orders in which they can meet; see explorer.h.

#include "testing/interleaving/explorer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "memalloc/heap/thread_heap.h"
#include "testing/fuzz/fresh_heap.h"
#include "testing/interleaving/explored.h"
#include "testing/unit/fake_os.h"

namespace memalloc::interleaving {
namespace {

constexpr size_t kStackBytes = size_t{256} << 10;
constexpr int kNobody = -1;
// More than any run of a sound protocol needs.
constexpr size_t kMaxStops = 20000;

struct Thread {
  std::function<void()> body;
  ucontext_t context;
  std::vector<char> stack;
  ThreadHeap* heap = nullptr;
  const pthread_mutex_t* wanted = nullptr;  // waits for it
  bool is_done = false;
};

// A point at which more than one thread could go on.
struct Choice {
  std::vector<int> options;  // first the one that goes on by default
  size_t taken = 0;
  bool is_preemption = false;  // to take another than the first
};

class Explorer {
 public:
  void RunOnce(Scenario* scenario);
  // Makes the next run take another way. False if there is none.
  bool NextOrder(int preemptions);
  void PrintOrder() const;

  void BeforeAccess(const volatile void* place);
  int Lock(pthread_mutex_t* mutex);
  int Unlock(pthread_mutex_t* mutex);

 private:
  static void Begin();
  int Choose();
  void SwitchTo(int next);
  void Stop();

  std::vector<std::unique_ptr<Thread>> threads_;
  int running_ = kNobody;
  size_t stops_ = 0;
  ucontext_t scheduler_;
  std::map<const pthread_mutex_t*, int> holders_;
  std::vector<Choice> choices_;  // of the run, the first `kept_` given
  size_t next_choice_ = 0;
};

Explorer g_explorer;

void Explorer::Begin() {
  Thread& me = *g_explorer.threads_[static_cast<size_t>(g_explorer.running_)];
  me.body();
  me.is_done = true;
}

void Explorer::RunOnce(Scenario* scenario) {
  threads_.clear();
  holders_.clear();
  next_choice_ = 0;
  stops_ = 0;
  scenario->SetUp();
  for (auto& body : scenario->Threads()) {
    auto thread = std::make_unique<Thread>();
    thread->body = body;
    thread->stack.resize(kStackBytes);
    thread->heap = &g_no_heap;
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = thread->stack.data();
    thread->context.uc_stack.ss_size = kStackBytes;
    thread->context.uc_link = &scheduler_;
    makecontext(&thread->context, &Begin, 0);
    threads_.push_back(std::move(thread));
  }
  ThreadHeap* const own_heap = t_heap;
  for (int next; (next = Choose()) != kNobody;) SwitchTo(next);
  running_ = kNobody;
  t_heap = own_heap;
  scenario->TearDown();
}

// Who goes on; nobody when all are done.
int Explorer::Choose() {
  Choice choice;
  bool all_done = true;
  for (int i = 0; i < static_cast<int>(threads_.size()); ++i) {
    const Thread& thread = *threads_[static_cast<size_t>(i)];
    all_done &= thread.is_done;
    const auto holder = holders_.find(thread.wanted);
    if (thread.is_done || holder != holders_.end()) continue;
    if (i == running_) {
      choice.options.insert(choice.options.begin(), i);
      choice.is_preemption = true;
    } else {
      choice.options.push_back(i);
    }
  }
  if (all_done) return kNobody;
  if (choice.options.empty()) {
    fprintf(stderr, "interleaving: each thread waits for another\n");
    abort();
  }
  if (choice.options.size() == 1) return choice.options[0];
  if (next_choice_ == choices_.size()) choices_.push_back(choice);
  const Choice& made = choices_[next_choice_++];
  if (made.options != choice.options) {
    fprintf(stderr, "interleaving: the same order went another way\n");
    abort();
  }
  return made.options[made.taken];
}

void Explorer::SwitchTo(int next) {
  running_ = next;
  Thread& thread = *threads_[static_cast<size_t>(next)];
  t_heap = thread.heap;
  swapcontext(&scheduler_, &thread.context);
  thread.heap = t_heap;
}

// The running thread lets the scheduler choose.
void Explorer::Stop() {
  if (++stops_ == kMaxStops) {
    fprintf(stderr, "interleaving: a thread goes round without an end\n");
    abort();
  }
  Thread& me = *threads_[static_cast<size_t>(running_)];
  swapcontext(&me.context, &scheduler_);
}

bool Explorer::NextOrder(int preemptions) {
  while (!choices_.empty()) {
    Choice& last = choices_.back();
    int before = 0;
    for (const Choice& choice : choices_) {
      before += choice.is_preemption && choice.taken != 0;
    }
    const bool counted = last.is_preemption && last.taken != 0;
    const bool costs = last.is_preemption && !counted;
    if (last.taken + 1 < last.options.size() &&
        before + (costs ? 1 : 0) <= preemptions) {
      ++last.taken;
      return true;
    }
    choices_.pop_back();
  }
  return false;
}

void Explorer::PrintOrder() const {
  fprintf(stderr, "interleaving: after this order of threads:");
  for (size_t i = 0; i < next_choice_; ++i) {
    fprintf(stderr, " %d", choices_[i].options[choices_[i].taken]);
  }
  fprintf(stderr, "\n");
}

void Explorer::BeforeAccess(const volatile void* place) {
  const auto address = reinterpret_cast<uintptr_t>(place);
  const fake_os::AddressRange all = fake_os::Reservation();
  if (running_ != kNobody && address - all.start < all.bytes) Stop();
}

int Explorer::Lock(pthread_mutex_t* mutex) {
  if (running_ == kNobody) return 0;
  const auto holder = holders_.find(mutex);
  if (holder != holders_.end() && holder->second == running_) return EDEADLK;
  Thread& me = *threads_[static_cast<size_t>(running_)];
  me.wanted = mutex;
  Stop();
  me.wanted = nullptr;
  holders_[mutex] = running_;
  return 0;
}

int Explorer::Unlock(pthread_mutex_t* mutex) {
  holders_.erase(mutex);
  return 0;
}

void OnFailure(int signal) {
  fprintf(stderr, "interleaving: %s\n", strsignal(signal));
  g_explorer.PrintOrder();
  _exit(1);
}

}  // namespace

size_t Explore(const char* name, const MakeScenario& make, int preemptions) {
  for (const int failure : {SIGABRT, SIGSEGV}) signal(failure, OnFailure);
  fprintf(stderr, "%s\n", name);
  size_t orders = 0;
  do {
    fuzz::BeginAnew();
    const std::unique_ptr<Scenario> scenario(make());
    g_explorer.RunOnce(scenario.get());
    ++orders;
  } while (g_explorer.NextOrder(preemptions));
  return orders;
}

}  // namespace memalloc::interleaving

namespace explored {

using memalloc::interleaving::g_explorer;

void BeforeAccess(const volatile void* place) {
  g_explorer.BeforeAccess(place);
}
int Lock(pthread_mutex_t* mutex) { return g_explorer.Lock(mutex); }
int Unlock(pthread_mutex_t* mutex) { return g_explorer.Unlock(mutex); }

}  // namespace explored
