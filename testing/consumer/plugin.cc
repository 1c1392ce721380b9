// A plug-in. What it allocates the program frees, and the other way round.

#include <memory>
#include <string>

extern "C" std::string* MakeText(std::string* text) {
  const std::unique_ptr<std::string> owned(text);
  return new std::string(*owned + " and back");
}
