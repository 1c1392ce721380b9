// Leaks that are not to be told: a file in LeakSanitizer's format. Layer:
// observe.
//
//   # a comment
//   leak:pattern
//
// A pattern stands for a part of the name of a function, or of a file with
// code, in which * stands for any text; ^ at its beginning and $ at its end
// stand for those of the name.

#ifndef MEMALLOC_OBSERVE_LEAK_SUPPRESSIONS_H_
#define MEMALLOC_OBSERVE_LEAK_SUPPRESSIONS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/profile_tables.h"
#include "memalloc/runtime/option_text.h"

namespace memalloc {

// Whether a name is meant by a pattern.
bool MatchesPattern(Span pattern, Span name);

struct LeakPattern {
  Span text;
  Counts counts;  // of what it kept from being told
};

class LeakSuppressions {
 public:
  // Those of the file; none if the path is "".
  explicit LeakSuppressions(const char* path);

  // The first pattern that means the name; null if none does.
  LeakPattern* Find(Span name);

  const LeakPattern* begin() const { return patterns_.As<LeakPattern>(); }
  const LeakPattern* end() const { return begin() + count_; }

  // Whether there was no such file, or nothing in it.
  bool is_missing() const { return is_missing_; }
  // The number of the first line that is none of the format, or finds no room;
  // 0 for none.
  size_t bad_line() const { return bad_line_; }

 private:
  static constexpr size_t kMaxText = size_t{1} << 20;
  static constexpr size_t kMaxPatterns = size_t{1} << 14;

  void ReadLine(Span line, size_t number);
  void TellBadLine(size_t number) {
    if (bad_line_ == 0) bad_line_ = number;
  }

  MappedMemory text_;
  MappedMemory patterns_;
  size_t count_ = 0;
  size_t bad_line_ = 0;
  bool is_missing_ = false;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_LEAK_SUPPRESSIONS_H_
