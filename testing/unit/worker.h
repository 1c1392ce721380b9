// A thread that does one step at a time, when it is told to.

#ifndef TESTING_UNIT_WORKER_H_
#define TESTING_UNIT_WORKER_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace memalloc {

// A thread that waits for tasks and runs them one at a time, so that a test
// says in which order threads do what.
class Worker {
 public:
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `task` on the thread and returns when it is done.
  void Do(const std::function<void()>& task);

  // Ends the thread; the core has heard of it when this returns.
  void End();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* task_ = nullptr;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace memalloc

#endif  // TESTING_UNIT_WORKER_H_
