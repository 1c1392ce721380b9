// A model of a key-value server such as redis: entries, keys and values as
// blocks of their own, of which most are deleted at random and replaced by
// values of another size, again and again.
//
//   server_model KEYS ROUNDS

#include <cstdlib>

#include "testing/memory/measure.h"

namespace memory {
namespace {

// What redis has for a key: an entry of its table, a string with a short
// header, and an object that points to the value's string.
constexpr size_t kEntryBytes = 24;
constexpr size_t kObjectBytes = 16;
constexpr size_t kStringHeader = 4;
constexpr size_t kDeletedPerHundred = 90;

struct Sizes {
  size_t min;
  size_t max;
};
// One after the other, round by round: larger, smaller, mixed.
constexpr Sizes kRounds[] = {{40, 60},    {100, 140}, {16, 400},  {300, 500},
                             {24, 48},    {200, 220}, {16, 1500}, {80, 90},
                             {700, 1100}, {10, 200}};

class Server {
 public:
  explicit Server(size_t keys)
      : keys_(keys), entries_(MapArray<Slot>(keys)), random_(3) {}

  void Fill(const Sizes& sizes) {
    for (size_t i = 0; i < keys_; ++i) {
      Slot* slot = &entries_[i];
      if (slot->entry != nullptr) continue;
      const size_t key = kStringHeader + random_.Between(10, 16);
      const size_t value =
          kStringHeader + random_.Between(sizes.min, sizes.max);
      slot->entry = Allocate(kEntryBytes);
      slot->key = Allocate(key);
      slot->object = Allocate(kObjectBytes);
      slot->value = Allocate(value);
      slot->bytes = kEntryBytes + key + kObjectBytes + value;
      live_ += slot->bytes;
    }
  }

  void Delete() {
    for (size_t i = 0; i < keys_; ++i) {
      if (random_.Below(100) >= kDeletedPerHundred) continue;
      Slot* slot = &entries_[i];
      free(slot->key);
      free(slot->value);
      free(slot->object);
      free(slot->entry);
      live_ -= slot->bytes;
      slot->entry = nullptr;
    }
    // Keys do not come back in the order in which they went.
    Shuffle(entries_, keys_, &random_);
  }

  size_t live() const { return live_; }

 private:
  struct Slot {
    void* entry;
    void* key;
    void* object;
    void* value;
    size_t bytes;
  };

  size_t keys_;
  Slot* entries_;
  Random random_;
  size_t live_ = 0;
};

int Main(int argc, char** argv) {
  if (argc < 3) Die("usage: server_model KEYS ROUNDS");
  const size_t keys = std::strtoul(argv[1], nullptr, 10);
  const size_t rounds = std::strtoul(argv[2], nullptr, 10);
  constexpr size_t kSizes = sizeof(kRounds) / sizeof(kRounds[0]);
  ReportAllocator();
  Server server(keys);
  const size_t start = ResidentBytes();
  size_t resident = 0;
  size_t live = 0;
  server.Fill(kRounds[0]);
  for (size_t round = 1; round <= rounds; ++round) {
    server.Delete();
    server.Fill(kRounds[round % kSizes]);
    resident += ResidentBytes() - start;
    live += server.live();
  }
  Report("live", server.live());
  Report("rss", ResidentBytes() - start);
  // Over all rounds, each when it is full.
  Report("live_sum", live);
  Report("rss_sum", resident);
  return 0;
}

}  // namespace
}  // namespace memory

int main(int argc, char** argv) { return memory::Main(argc, argv); }
