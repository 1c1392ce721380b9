// Patterns; see leak_suppressions.h.

#include "memalloc/observe/leak_suppressions.h"

#include <string.h>

#include "memalloc/base/math.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

Span WithoutBlanks(Span text) {
  while (text.size > 0 && IsBlank(text.data[0])) ++text.data, --text.size;
  while (text.size > 0 && IsBlank(text.data[text.size - 1])) --text.size;
  return text;
}

}  // namespace

// When a part does not fit, what stands behind the last * is tried one
// character further on.
bool MatchesPattern(Span pattern, Span name) {
  constexpr size_t kNone = SIZE_MAX;
  const bool from_start = pattern.size > 0 && pattern.data[0] == '^';
  if (from_start) ++pattern.data, --pattern.size;
  const bool to_end = pattern.size > 0 && pattern.data[pattern.size - 1] == '$';
  if (to_end) --pattern.size;
  size_t at = 0;
  size_t in_name = 0;
  size_t retry = from_start ? kNone : 0;  // in the pattern
  size_t tried = 0;                       // in the name
  for (;;) {
    if (at == pattern.size && (!to_end || in_name == name.size)) return true;
    if (at < pattern.size && pattern.data[at] == '*') {
      retry = ++at;
      tried = in_name;
    } else if (at < pattern.size && in_name < name.size &&
               pattern.data[at] == name.data[in_name]) {
      ++at;
      ++in_name;
    } else {
      if (retry == kNone || tried >= name.size) return false;
      at = retry;
      in_name = ++tried;
    }
  }
}

LeakSuppressions::LeakSuppressions(const char* path)
    : text_(kMaxText), patterns_(kMaxPatterns * sizeof(LeakPattern)) {
  if (path[0] == '\0') return;
  char* text = text_.As<char>();
  const bool is_ready = text != nullptr && begin() != nullptr;
  const size_t size = is_ready ? os::ReadFile(path, text, kMaxText) : 0;
  is_missing_ = size == 0;
  const bool is_cut = size == kMaxText - 1;
  size_t number = 0;
  for (size_t done = 0; done < size;) {
    const void* found = memchr(text + done, '\n', size - done);
    // The beginning of a name would mean others too.
    if (found == nullptr && is_cut) {
      TellBadLine(number + 1);
      return;
    }
    const size_t end =
        found == nullptr
            ? size
            : static_cast<size_t>(static_cast<const char*>(found) - text);
    ReadLine(WithoutBlanks({text + done, end - done}), ++number);
    done = end + 1;
  }
}

void LeakSuppressions::ReadLine(Span line, size_t number) {
  constexpr char kType[] = "leak:";
  constexpr size_t kTypeSize = sizeof(kType) - 1;
  if (line.size == 0 || line.data[0] == '#') return;
  if (line.size <= kTypeSize || memcmp(line.data, kType, kTypeSize) != 0 ||
      count_ == kMaxPatterns) {
    TellBadLine(number);
    return;
  }
  patterns_.As<LeakPattern>()[count_++] = {
      {line.data + kTypeSize, line.size - kTypeSize}, {}};
}

LeakPattern* LeakSuppressions::Find(Span name) {
  if (name.size == 0) return nullptr;
  auto* patterns = patterns_.As<LeakPattern>();
  for (size_t i = 0; i < count_; ++i) {
    if (MatchesPattern(patterns[i].text, name)) return &patterns[i];
  }
  return nullptr;
}

}  // namespace memalloc
