// A source file that makes the compiler work: it is compiled, never run.
// Without FULL only a small part of it, for a quick check.
#include <utility>

#ifdef FULL
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

template <int kDepth>
struct Nested {
  std::map<std::string, std::vector<int>> values;
  Nested<kDepth - 1> inner;

  int Sum(const std::string& key) {
    std::vector<int>& list = values[key];
    list.push_back(kDepth);
    std::sort(list.begin(), list.end(), [](int a, int b) { return a > b; });
    return list.front() + inner.Sum(key + "x");
  }
};

template <>
struct Nested<0> {
  int Sum(const std::string& key) { return static_cast<int>(key.size()); }
};

std::unordered_map<std::string, std::function<int(int)>> table;

int Look(const std::string& text) {
  std::set<std::string> seen;
  seen.insert(text.substr(1));
  return table[text](Nested<3>().Sum(text));
}
#endif

int Entry(int key) { return std::make_pair(key, 2 * key).second; }
