// The program that gxx_test.py compiles and runs on libc and on memalloc.so.
//
// Role: makes the compiler work: containers of containers, algorithms over
// them, regular expressions, variants, threads and one set of templates for
// each of many numbers. It also allocates a great deal when it runs.
// Invariants: no clock, no address and no hash order is printed, so the
// output is a function of this file alone; without warnings.
// Locking: one mutex around what the threads share.
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <queue>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace {

template <int N>
struct Key {
  int value;
  friend bool operator<(const Key& a, const Key& b) {
    return a.value < b.value;
  }
  friend bool operator==(const Key& a, const Key& b) {
    return a.value == b.value;
  }
};

template <int N>
struct KeyHash {
  std::size_t operator()(const Key<N>& key) const {
    return static_cast<std::size_t>(key.value) * 31 + N;
  }
};

using Value = std::variant<int, std::string, std::vector<double>>;

// Instantiates a family of containers of its own for every N.
template <int N>
std::uint64_t Work() {
  std::map<Key<N>, std::vector<std::string>> tree;
  std::unordered_map<Key<N>, std::unique_ptr<Value>, KeyHash<N>> table;
  std::deque<std::pair<Key<N>, std::optional<std::string>>> queue;
  std::list<std::tuple<Key<N>, std::shared_ptr<std::string>>> list;
  std::priority_queue<Key<N>, std::vector<Key<N>>> heap;
  for (int i = 0; i < 2000 + N; ++i) {
    const Key<N> key{i * 7919 % (101 + N)};
    tree[key].push_back(std::string(static_cast<std::size_t>(i % 90), 'x'));
    auto& slot = table[key];
    if (!slot) slot = std::make_unique<Value>(i);
    if (i % 3 == 1) *slot = std::to_string(i);
    if (i % 3 == 2) *slot = std::vector<double>(3, i / 2.0);
    queue.emplace_back(
        key, i % 2 ? std::nullopt : std::make_optional(std::to_string(i)));
    list.emplace_front(key, std::make_shared<std::string>("shared"));
    heap.push(key);
  }
  std::stable_sort(
      queue.begin(), queue.end(),
      [](const auto& a, const auto& b) { return b.first < a.first; });
  list.sort([](const auto& a, const auto& b) {
    return std::get<0>(a) < std::get<0>(b);
  });
  std::uint64_t sum = 0;
  for (const auto& [key, texts] : tree) {
    sum = std::accumulate(texts.begin(), texts.end(), sum * 3 + key.value,
                          [](std::uint64_t so_far, const std::string& text) {
                            return so_far * 31 + text.size();
                          });
    const auto found = table.find(key);
    sum += std::visit(
        [](const auto& held) -> std::uint64_t {
          using Held = std::decay_t<decltype(held)>;
          if constexpr (std::is_same_v<Held, int>) {
            return static_cast<std::uint64_t>(held);
          } else {
            return held.size();
          }
        },
        *found->second);
  }
  while (!heap.empty()) {
    sum = sum * 5 + heap.top().value;
    heap.pop();
  }
  for (const auto& [key, text] : queue) sum += text ? text->size() : 1;
  for (const auto& [key, text] : list) sum += text->size();
  return sum;
}

template <int... Ns>
std::vector<std::function<std::uint64_t()>> AllWork(
    std::integer_sequence<int, Ns...>) {
  return {[] { return Work<Ns>(); }...};
}

std::string Words() {
  std::ostringstream out;
  for (int i = 0; i < 400; ++i) out << "word" << i * 31 % 1009 << ' ';
  return out.str();
}

int CountMatches(const std::string& text) {
  const std::regex pattern("word([0-9]+)7 ");
  const std::sregex_iterator begin(text.begin(), text.end(), pattern);
  return static_cast<int>(std::distance(begin, std::sregex_iterator()));
}

}  // namespace

int main() {
  const auto work = AllWork(std::make_integer_sequence<int, 3>());
  std::mutex mutex;
  std::map<std::size_t, std::uint64_t> sums;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < work.size(); i += 4) {
        const std::uint64_t sum = work[i]();
        const std::lock_guard<std::mutex> hold(mutex);
        sums[i] = sum;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& [i, sum] : sums) std::cout << i << ' ' << sum << '\n';

  auto later =
      std::async(std::launch::async, [] { return CountMatches(Words()); });
  std::set<std::string> sorted;
  for (int i = 0; i < 20000; ++i) {
    sorted.insert("text " + std::to_string(i * 7919 % 100003));
  }
  std::cout << "matches " << later.get() << ", " << *sorted.begin() << ", "
            << *sorted.rbegin() << "\ndone\n";
}
