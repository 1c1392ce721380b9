// The mailbox workload. Each of N places has a thread and a mailbox; a thread
// that ends has started its successor, so that the one's exit runs beside the
// other's first allocations. Mailboxes are locked; the blocks in them belong to
// nobody. A mailbox that is full is emptied by who finds it so, which bounds
// the memory that is live.

#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "testing/stress/workloads.h"

namespace stress {
namespace {

class Mailbox {
 public:
  // Takes `item` over; false if there are `capacity` items.
  bool Put(size_t capacity, Item* item) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (items_.size() >= capacity) return false;
    items_.push_back(*item);
    *item = Item{};
    return true;
  }

  // The newest or the oldest item; the empty one if there is none.
  Item Take(bool newest) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (items_.empty()) return Item{};
    const Item item = newest ? items_.back() : items_.front();
    newest ? items_.pop_back() : items_.pop_front();
    return item;
  }

 private:
  std::mutex mutex_;
  std::deque<Item> items_;
};

class Mailboxes {
 public:
  explicit Mailboxes(const MailboxOptions& options)
      : options_(options),
        generations_(GenerationsOf(options)),
        kept_(options.sizes == Sizes::kLarge ? 15 : 150),
        capacity_(2 * kept_),
        boxes_(static_cast<size_t>(options.threads)),
        places_(boxes_.size()) {}

  void Run() {
    for (size_t p = 0; p < places_.size(); ++p) {
      places_[p].generations.resize(generations_);
      Start(p, 0);
    }
    for (Place& place : places_) {
      // Each thread has started the next before it ends.
      for (std::thread& thread : place.generations) thread.join();
    }
    for (Mailbox& box : boxes_) {
      for (Item item = box.Take(false); item.block != nullptr;
           item = box.Take(false)) {
        ReleaseItem(&item);
      }
    }
  }

 private:
  struct Place {
    std::vector<std::thread> generations;
  };

  static size_t GenerationsOf(const MailboxOptions& options) {
    const uint64_t each =
        options.operations / static_cast<uint64_t>(options.threads);
    return each / options.lifetime + 1;
  }

  void Start(size_t place, size_t generation) {
    places_[place].generations[generation] =
        std::thread([this, place, generation] { Live(place, generation); });
  }

  void Live(size_t place, size_t generation) {
    Random random(options_.seed * 1000003 + place * 1009 + generation);
    std::vector<Item> kept(kept_);
    for (uint64_t i = 0; i < options_.lifetime; ++i) {
      Step(place, &random, &kept[random.Below(kept_)]);
    }
    if (generation + 1 < generations_) Start(place, generation + 1);
    // Half of what it has outlives the thread.
    for (size_t i = 0; i < kept_; ++i) {
      if (kept[i].block == nullptr) continue;
      Mailbox& any_box = boxes_[random.Below(boxes_.size())];
      if (i % 2 == 1 || !any_box.Put(capacity_, &kept[i])) {
        ReleaseItem(&kept[i]);
      }
    }
  }

  // One operation on `item`, which may be empty.
  void Step(size_t place, Random* random, Item* item) {
    const uint64_t choice = random->Below(16);
    Mailbox& any_box = boxes_[random->Below(boxes_.size())];
    if (item->block == nullptr || choice < 5) {
      ReleaseItem(item);
      *item = MakeItem(options_.sizes, random->Next());
    } else if (choice < 9) {
      CheckItem(*item);
      if (!any_box.Put(capacity_, item)) ReleaseItem(item);
    } else if (choice < 13) {
      ReleaseItem(item);
      *item = boxes_[place].Take(choice == 9);
      if (item->block != nullptr) CheckItem(*item);
    } else if (choice < 14) {
      ResizeItem(options_.sizes, random->Next(), item);
    } else if (choice < 15) {
      // Somebody else's blocks are freed in a burst.
      for (int i = 0; i < 20; ++i) {
        Item other = any_box.Take(false);
        ReleaseItem(&other);
      }
    } else {
      ReleaseItem(item);
    }
  }

  const MailboxOptions options_;
  const size_t generations_;
  const size_t kept_;      // items a thread has at most
  const size_t capacity_;  // items in a mailbox at most
  std::vector<Mailbox> boxes_;
  std::vector<Place> places_;
};

}  // namespace

void RunMailboxes(const MailboxOptions& options) { Mailboxes(options).Run(); }

}  // namespace stress
