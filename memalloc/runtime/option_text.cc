// The syntax of options; see option_text.h.

#include "memalloc/runtime/option_text.h"

#include <signal.h>

#include "memalloc/base/math.h"

namespace memalloc {
namespace {

// The values of options that are words, from 0 on.
constexpr const char* kHugePagesWords[] = {"never", "default", "always"};
constexpr const char* kForeignPointersWords[] = {"abort", "warn", "ignore"};
constexpr const char* kOffWords[] = {"0", "false", "no", "off"};
constexpr const char* kOnWords[] = {"1", "true", "yes", "on"};
constexpr char kUnits[] = "KMGT";

// Of tools/bazel. What it builds and runs gets them with the environment.
constexpr const char* kToolsNames[] = {"no_install", "bazel_wrapper"};

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
char Upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

// Whether the text is the word, in letters of either case.
bool IsWord(Span text, const char* word) {
  size_t i = 0;
  for (; i < text.size && word[i] != '\0'; ++i) {
    if (Lower(text.data[i]) != word[i]) return false;
  }
  return i == text.size && word[i] == '\0';
}

template <size_t n>
bool IsOneOf(Span text, const char* const (&words)[n]) {
  for (const char* word : words) {
    if (IsWord(text, word)) return true;
  }
  return false;
}

// The number of the first of the words that the text is.
template <size_t n>
bool ParseWord(Span text, const char* const (&words)[n], uint64_t* value) {
  for (*value = 0; *value < n; ++*value) {
    if (IsWord(text, words[*value])) return true;
  }
  return false;
}

// Takes the digits off the front of the text; false if there is none, or too
// many.
bool TakeNumber(Span* text, uint64_t* number) {
  *number = 0;
  size_t digits = 0;
  while (digits < text->size && text->data[digits] >= '0' &&
         text->data[digits] <= '9') {
    const auto digit = static_cast<uint64_t>(text->data[digits] - '0');
    if (__builtin_mul_overflow(*number, uint64_t{10}, number) ||
        __builtin_add_overflow(*number, digit, number)) {
      return false;
    }
    ++digits;
  }
  *text = {text->data + digits, text->size - digits};
  return digits > 0;
}

bool ParseBytes(Span text, uint64_t* value) {
  if (!TakeNumber(&text, value)) return false;
  if (text.size == 0) return true;
  const char* unit = strchr(kUnits, Upper(text.data[0]));
  if (unit == nullptr || *unit == '\0') return false;
  if (text.size > 1 && !IsWord({text.data + 1, text.size - 1}, "ib")) {
    return false;
  }
  const uint64_t factor = uint64_t{1} << 10 * (unit - kUnits + 1);
  return !__builtin_mul_overflow(*value, factor, value);
}

bool ParseMilliseconds(Span text, uint64_t* value) {
  if (!TakeNumber(&text, value)) return false;
  if (text.size == 0 || IsWord(text, "ms")) return true;
  return IsWord(text, "s") &&
         !__builtin_mul_overflow(*value, uint64_t{1000}, value);
}

// Not those that tell of a mistake, after which the program cannot go on. libc
// keeps two for itself.
bool CanBeHandled(uint64_t signal) {
  switch (signal) {
    case SIGKILL:
    case SIGSTOP:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGSYS:
    case 32:
    case 33:
      return false;
    default:
      return true;
  }
}

// The letters to change, take away or put in to make one name of the other:
// Levenshtein's distance, row by row.
size_t Distance(Span name, const char* known) {
  constexpr size_t kMaxKnown = 32;
  uint8_t row[kMaxKnown + 1];
  const size_t length = Min(strlen(known), kMaxKnown);
  for (size_t k = 0; k <= length; ++k) row[k] = static_cast<uint8_t>(k);
  for (size_t i = 0; i < name.size; ++i) {
    uint8_t diagonal = row[0];
    row[0] = static_cast<uint8_t>(i + 1);
    for (size_t k = 1; k <= length; ++k) {
      const bool differs = Lower(name.data[i]) != known[k - 1];
      const auto changed = static_cast<uint8_t>(diagonal + (differs ? 1 : 0));
      diagonal = row[k];
      const auto other = static_cast<uint8_t>(Min(row[k], row[k - 1]) + 1);
      row[k] = Min(changed, other);
    }
  }
  return row[length];
}

}  // namespace

bool IsName(Span name, const char* known, Case letters) {
  for (size_t i = 0; i < name.size; ++i) {
    const char c = letters == Case::kUpper ? Upper(known[i]) : known[i];
    if (known[i] == '\0' || name.data[i] != c) return false;
  }
  return known[name.size] == '\0';
}

size_t FindOption(Span name, Case letters) {
  size_t i = 0;
  while (i < kNumOptions && !IsName(name, kOptionInfo[i].name, letters)) ++i;
  return i;
}

size_t FindPathOption(Span name, Case letters) {
  size_t i = 0;
  while (i < kNumPathOptions && !IsName(name, kPathInfo[i].name, letters)) ++i;
  return i;
}

bool IsToolsVariable(Span name) {
  for (const char* known : kToolsNames) {
    if (IsName(name, known, Case::kUpper)) return true;
  }
  return false;
}

const char* NearestName(Span name) {
  constexpr size_t kFar = 3;
  constexpr size_t kTooLong = 40;
  if (name.size > kTooLong) return nullptr;
  const char* nearest = nullptr;
  size_t least = kFar;
  const auto look_at = [&](const char* known) {
    const size_t distance = Distance(name, known);
    if (distance >= least) return;
    least = distance;
    nearest = known;
  };
  for (const OptionInfo& info : kOptionInfo) look_at(info.name);
  for (const PathInfo& info : kPathInfo) look_at(info.name);
  return nearest;
}

bool ParseValue(const OptionInfo& info, Span text, uint64_t* value) {
  switch (info.unit) {
    case OptionUnit::kBytes:
      return ParseBytes(text, value) && *value <= info.max;
    case OptionUnit::kMilliseconds:
      return ParseMilliseconds(text, value) && *value <= info.max;
    case OptionUnit::kFlag:
      *value = IsOneOf(text, kOnWords) ? 1 : 0;
      return *value == 1 || IsOneOf(text, kOffWords);
    case OptionUnit::kHugePages:
      return ParseWord(text, kHugePagesWords, value);
    case OptionUnit::kForeignPointers:
      return ParseWord(text, kForeignPointersWords, value);
    case OptionUnit::kSignal:
      return TakeNumber(&text, value) && text.size == 0 && *value <= info.max &&
             CanBeHandled(*value);
    case OptionUnit::kNumber:
      return TakeNumber(&text, value) && text.size == 0 && *value <= info.max;
  }
  return false;
}

void AppendValue(const OptionInfo& info, uint64_t value, LineBuffer& line) {
  switch (info.unit) {
    case OptionUnit::kBytes: {
      // The largest unit of which it is a multiple.
      size_t unit = 0;
      while (value != 0 && value % 1024 == 0 && kUnits[unit] != '\0') {
        value /= 1024;
        ++unit;
      }
      line.Decimal(value);
      if (unit > 0) line.Char(kUnits[unit - 1]);
      break;
    }
    case OptionUnit::kMilliseconds:
      line.Decimal(value).Text("ms");
      break;
    case OptionUnit::kFlag:
    case OptionUnit::kSignal:
    case OptionUnit::kNumber:
      line.Decimal(value);
      break;
    case OptionUnit::kHugePages:
      line.Text(kHugePagesWords[value]);
      break;
    case OptionUnit::kForeignPointers:
      line.Text(kForeignPointersWords[value]);
      break;
  }
}

void AppendWanted(const OptionInfo& info, LineBuffer& line) {
  switch (info.unit) {
    case OptionUnit::kBytes:
      line.Text("bytes such as 64M, at most ");
      AppendValue(info, info.max, line);
      break;
    case OptionUnit::kMilliseconds:
      line.Text("a time such as 500ms or 2s, at most ");
      AppendValue(info, info.max, line);
      break;
    case OptionUnit::kFlag:
      line.Text("0 or 1");
      break;
    case OptionUnit::kHugePages:
      line.Text("never, default or always");
      break;
    case OptionUnit::kForeignPointers:
      line.Text("abort, warn or ignore");
      break;
    case OptionUnit::kSignal:
      line.Text("the number of a signal that can be handled, at most ");
      line.Decimal(info.max);
      break;
    case OptionUnit::kNumber:
      line.Text("a number, at most ").Decimal(info.max);
      break;
  }
}

}  // namespace memalloc
