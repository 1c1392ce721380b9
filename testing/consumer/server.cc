// Allocates in C++'s ways, and tells whose memory it got.

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "whose_malloc.h"

int main() {
  const std::vector<std::string> words(100, std::string(100, 'x'));
  std::puts(WhoseMalloc(words.data()));
  std::puts(WhoseMalloc(words.back().data()));
  std::thread([] {
    const std::vector<int> numbers(1000);
    std::puts(WhoseMalloc(numbers.data()));
  }).join();
}
