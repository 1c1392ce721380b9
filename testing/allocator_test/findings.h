// What one check of allocator_test found: how many statements it tested, which
// of them were false, and one line for the reader about what was done.
//
// A check reports a false statement and goes on, so that one run shows all
// that is wrong; only the first few are printed in full. Not thread-safe:
// threads of a check each fill one Findings of their own, merged after join.
//
// Used by every check (checks.h) and printed by allocator_test.cc.
#ifndef TESTING_ALLOCATOR_TEST_FINDINGS_H_
#define TESTING_ALLOCATOR_TEST_FINDINGS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace allocator_test {

class Findings {
 public:
  // Counts the statement; when it is false, keeps `what` with `value`, the
  // number (a size, an alignment) that identifies the case.
  void Expect(bool holds, std::string_view what, std::uint64_t value) {
    ++tested_;
    if (!holds) AddFailure(what, value);
  }

  // The line printed beside the check's name.
  void Say(std::string line) { line_ = std::move(line); }

  void Merge(const Findings& other);

  std::uint64_t tested() const { return tested_; }
  std::uint64_t failed() const { return failed_; }
  const std::string& line() const { return line_; }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  void AddFailure(std::string_view what, std::uint64_t value);

  std::uint64_t tested_ = 0;
  std::uint64_t failed_ = 0;
  std::string line_;
  std::vector<std::string> failures_;
};

}  // namespace allocator_test

#endif  // TESTING_ALLOCATOR_TEST_FINDINGS_H_
