// C++ programs as they are written: the standard containers do the
// allocating, through operator new and sized delete, and the program's own
// work is between the calls. Sums are checked.
#include <algorithm>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

// Often beyond the short-string buffer; `number` can be read back.
std::string Text(uint64_t number) {
  return std::to_string(number) + std::string(number % 40, '.');
}

// Ordered map: inserts, look-ups, erases; nodes of one size.
Outcome Map(const Params& params) {
  const uint64_t live = params.LiveOr(10'000);
  const uint64_t rounds = params.Scaled(1'300'000);
  Random random(params.seed);
  std::map<uint64_t, std::string> map;
  uint64_t ops = 0;
  for (uint64_t i = 0; i < rounds; ++i) {
    const uint64_t key = random.Below(2 * live);
    const auto [it, inserted] = map.try_emplace(key, Text(key));
    if (!inserted) {
      Require(std::stoull(it->second) == key, "a map entry changed");
      map.erase(it);
    }
    ops += 2;
  }
  return {ops, {}};
}

// Counting words: a hash table that grows from nothing, string keys.
Outcome Unordered(const Params& params) {
  const uint64_t words = std::min<uint64_t>(200'000, params.Scaled(800'000));
  const uint64_t tables = params.Scaled(4);
  uint64_t ops = 0;
  for (uint64_t table = 0; table < tables; ++table) {
    Random random(params.seed + table);
    std::unordered_map<std::string, uint64_t> counts;
    for (uint64_t i = 0; i < words; ++i) {
      ++counts["key:" + Text(random.Below(words / 4))];
    }
    uint64_t sum = 0;
    for (const auto& entry : counts) sum += entry.second;
    Require(sum == words, "counts are wrong");
    ops += 2 * words;
  }
  return {ops, {}};
}

// Text: strings built by appending, split, sorted and joined.
Outcome Strings(const Params& params) {
  constexpr uint64_t kLines = 2000;
  const uint64_t rounds = params.Scaled(300);
  Random random(params.seed);
  uint64_t ops = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    std::string text;
    for (uint64_t i = 0; i < kLines; ++i) {
      text += Text(random.Below(1'000'000));
      text += '\n';
    }
    std::vector<std::string> lines;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    Require(lines.size() == kLines, "lines were lost");
    std::sort(lines.begin(), lines.end());
    std::string joined;
    for (const std::string& line : lines) joined += line + "\n";
    Require(joined.size() == text.size(), "text was lost");
    ops += 6 * kLines;
  }
  return {ops, {}};
}

// Vectors of vectors that grow by push_back, as graphs and matrices do.
Outcome Vectors(const Params& params) {
  constexpr uint64_t kRows = 2000;
  constexpr uint64_t kPushes = 60'000;
  const uint64_t rounds = params.Scaled(220);
  Random random(params.seed);
  uint64_t ops = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    std::vector<std::vector<uint64_t>> rows(kRows);
    for (uint64_t i = 0; i < kPushes; ++i) {
      rows[random.Below(kRows)].push_back(i);
    }
    uint64_t count = 0;
    for (const auto& row : rows) count += row.size();
    Require(count == kPushes, "elements were lost");
    ops += 14 * kRows;  // About seven growths of each row.
  }
  return {ops, {}};
}

struct Shape {
  virtual ~Shape() = default;
  virtual uint64_t Weight() const = 0;
};

template <size_t kBytes>
struct Sized : Shape {
  uint64_t Weight() const override { return kBytes; }
  char payload[kBytes] = {};
};

std::shared_ptr<Shape> MakeShape(uint64_t kind) {
  switch (kind % 5) {
    case 0:
      return std::make_shared<Sized<8>>();
    case 1:
      return std::make_shared<Sized<24>>();
    case 2:
      return std::make_shared<Sized<40>>();
    case 3:
      return std::make_shared<Sized<120>>();
    default:
      return std::make_shared<Sized<300>>();
  }
}

// Shared pointers to polymorphic objects in lists: an object graph.
Outcome Objects(const Params& params) {
  constexpr uint64_t kLists = 64;
  const uint64_t rounds = params.Scaled(3'000'000);
  Random random(params.seed);
  std::vector<std::list<std::shared_ptr<Shape>>> lists(kLists);
  uint64_t sum = 0;
  for (uint64_t i = 0; i < rounds; ++i) {
    auto& list = lists[random.Below(kLists)];
    list.push_back(MakeShape(random.Next() >> 32));
    sum += list.back()->Weight();
    if (list.size() > 200) list.pop_front();
  }
  Keep(sum);
  return {4 * rounds, {}};
}

}  // namespace

void AddStl(Workloads* all) {
  all->push_back({"stl-map", "std::map of strings, inserts and erases", Map});
  all->push_back(
      {"stl-unordered", "counting words in std::unordered_map", Unordered});
  all->push_back(
      {"stl-string", "text built, split, sorted and joined", Strings});
  all->push_back(
      {"stl-vector", "vectors of vectors grown by push_back", Vectors});
  all->push_back(
      {"stl-objects", "shared pointers to objects of five sizes", Objects});
}

}  // namespace memalloc_bench
