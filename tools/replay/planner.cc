// Implementation of planner.h.
//
// A realloc is two things at two times: it gives up the address that it was
// given, and later has the one that it returns. In between another thread may
// get the old one. So all calls are gone through as moments, sorted.

#include "tools/replay/planner.h"

#include <algorithm>
#include <fstream>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/bits.h"

namespace memalloc::replay {
namespace {

using trace::Kind;

struct Moment {
  uint64_t number;
  const Event* event;
  bool is_end;  // of a realloc
};

std::vector<Moment> MomentsOf(const Trace& trace) {
  std::vector<Moment> moments;
  moments.reserve(trace.events.size());
  for (const Event& event : trace.events) {
    moments.push_back({event.number, &event, false});
    if (event.kind == Kind::kRealloc) {
      moments.push_back({event.end_number, &event, true});
    }
  }
  std::stable_sort(
      moments.begin(), moments.end(),
      [](const Moment& a, const Moment& b) { return a.number < b.number; });
  return moments;
}

class Planner {
 public:
  Planner(const Trace& trace, uint64_t samples)
      : trace_(trace), sample_every_(1 + trace.events.size() / samples) {}

  Plan Make() {
    for (const Moment& moment : MomentsOf(trace_)) {
      if (moment.is_end) {
        EndRealloc(*moment.event);
      } else {
        Take(*moment.event);
      }
    }
    plan_.end_live_bytes = live_;
    plan_.places = places_.size();
    return std::move(plan_);
  }

 private:
  struct Place {
    uint64_t size = 0;
    uint8_t alignment_shift = 0;
    uint32_t turns = 0;
    uint32_t last_thread = 0;
  };

  void Take(const Event& event) {
    thread_ = ThreadOf(event);
    number_ = event.number;
    switch (event.kind) {
      case Kind::kMalloc:
        Allocate(event, Action::kMalloc);
        break;
      case Kind::kCalloc:
        Allocate(event, Action::kCalloc);
        break;
      case Kind::kAligned:
        Allocate(event, Action::kAligned);
        break;
      case Kind::kRealloc:
        BeginRealloc(event);
        break;
      default:
        Free(event);
    }
    if (++taken_ % sample_every_ == 0) AddSample();
  }

  // The thread's number in the plan. One that begins is started by the one
  // whose call came before.
  uint32_t ThreadOf(const Event& event) {
    const auto next = static_cast<uint32_t>(threads_.size());
    const auto [found, is_new] = threads_.try_emplace(event.thread, next);
    if (is_new) {
      plan_.steps.emplace_back();
      if (next > 0) {
        Step step = {};
        step.number = event.number;
        step.action = Action::kStartThread;
        step.place = next;
        plan_.steps[thread_].push_back(step);
      }
    }
    return found->second;
  }

  void AddSample() {
    Step step = {};
    step.number = number_;
    step.action = Action::kSample;
    step.place = static_cast<uint32_t>(plan_.live_bytes.size());
    plan_.steps[thread_].push_back(step);
    plan_.live_bytes.push_back(live_);
  }

  void AddStep(Action action, uint32_t index) {
    Place& place = places_[index];
    Step step = {};
    step.number = number_;
    step.size = place.size;
    step.place = index;
    step.turn = place.turns;
    step.action = action;
    step.alignment_shift = place.alignment_shift;
    step.must_wait = place.turns > 0 && place.last_thread != thread_;
    plan_.steps[thread_].push_back(step);
    ++plan_.calls[static_cast<int>(action)];
    ++place.turns;
    place.last_thread = thread_;
  }

  void CountLive(uint64_t more, uint64_t less) {
    live_ += more - less;
    plan_.peak_live_bytes = std::max(plan_.peak_live_bytes, live_);
  }

  // The place has the address from now on.
  void Occupy(uint64_t address, uint32_t index) {
    const auto [found, is_new] = at_.try_emplace(address, index);
    if (is_new) return;
    // Its end is missing: it must have been before this.
    ++plan_.lost_ends;
    CountLive(0, places_[found->second].size);
    AddStep(Action::kFree, found->second);
    found->second = index;
  }

  void Allocate(const Event& event, Action action) {
    if (event.result == 0) {
      ++plan_.failed;
      return;
    }
    const auto index = static_cast<uint32_t>(places_.size());
    Place place;
    place.size = event.size;
    if (event.kind == Kind::kAligned) {
      place.alignment_shift =
          static_cast<uint8_t>(absl::countr_zero(event.alignment));
    }
    places_.push_back(place);
    Occupy(event.result, index);
    CountLive(event.size, 0);
    AddStep(action, index);
  }

  void BeginRealloc(const Event& event) {
    const auto found = at_.find(event.pointer);
    if (event.result == 0) {
      ++plan_.failed;
      return;
    }
    uint32_t index;
    if (found == at_.end()) {
      // Where it came from is not known: as if it were new.
      ++plan_.unknown_pointers;
      index = static_cast<uint32_t>(places_.size());
      places_.emplace_back();
    } else {
      index = found->second;
      at_.erase(found);
    }
    Place& place = places_[index];
    CountLive(event.size, place.size);
    place.size = event.size;
    place.alignment_shift = 0;
    AddStep(place.turns == 0 ? Action::kMalloc : Action::kRealloc, index);
    moving_[&event] = index;
  }

  void EndRealloc(const Event& event) {
    const auto found = moving_.find(&event);
    if (found == moving_.end()) return;
    const uint32_t saved_thread = thread_;
    thread_ = ThreadOf(event);
    number_ = event.end_number;
    Occupy(event.result, found->second);
    thread_ = saved_thread;
    moving_.erase(found);
  }

  void Free(const Event& event) {
    const auto found = at_.find(event.pointer);
    if (found == at_.end()) {
      ++plan_.unknown_pointers;
      return;
    }
    CountLive(0, places_[found->second].size);
    AddStep(event.kind == Kind::kFree ? Action::kFree : Action::kSizedFree,
            found->second);
    at_.erase(found);
  }

  const Trace& trace_;
  const uint64_t sample_every_;
  Plan plan_;
  absl::flat_hash_map<uint32_t, uint32_t> threads_;
  std::vector<Place> places_;
  absl::flat_hash_map<uint64_t, uint32_t> at_;  // address to place
  absl::flat_hash_map<const Event*, uint32_t> moving_;
  uint64_t live_ = 0;
  uint64_t taken_ = 0;
  uint32_t thread_ = 0;
  uint64_t number_ = 0;
};

template <typename T>
void Append(std::ofstream& file, const T& value) {
  file.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

Plan MakePlan(const Trace& trace, uint64_t samples) {
  return Planner(trace, samples).Make();
}

bool WritePlan(const Plan& plan, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  Header header = {plan.steps.size(), 0, plan.places, plan.live_bytes.size()};
  for (const std::vector<Step>& steps : plan.steps)
    header.steps += steps.size();
  Append(file, header);
  uint64_t first = 0;
  for (const std::vector<Step>& steps : plan.steps) {
    Append(file, Thread{first, steps.size()});
    first += steps.size();
  }
  for (const std::vector<Step>& steps : plan.steps) {
    file.write(reinterpret_cast<const char*>(steps.data()),
               static_cast<std::streamsize>(steps.size() * sizeof(Step)));
  }
  file.flush();
  return file.good();
}

}  // namespace memalloc::replay
