// The ./app of the documents: a program that is linked with memalloc.

#include <string>
#include <vector>

int main() {
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) lines.emplace_back(100, 'a');
  return lines.size() == 1000 ? 0 : 1;
}
