// A thread that does one step at a time; see worker.h.

#include "testing/unit/worker.h"

namespace memalloc {

Worker::Worker() : thread_([this] { Run(); }) {}

Worker::~Worker() { End(); }

void Worker::Do(const std::function<void()>& task) {
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  changed_.notify_all();
  changed_.wait(lock, [this] { return task_ == nullptr; });
}

void Worker::End() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Worker::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return task_ != nullptr || is_ending_; });
    if (task_ == nullptr) return;
    (*task_)();
    task_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace memalloc
