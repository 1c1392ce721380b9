// A test that runs on memalloc: it fails on any other malloc.

#include <cstring>
#include <vector>

#include "whose_malloc.h"

int main() {
  const std::vector<char> block(100);
  return std::strcmp(WhoseMalloc(block.data()), "memalloc") == 0 ? 0 : 1;
}
