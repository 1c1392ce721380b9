// Keeps the first failures of a check as text; see findings.h.
//
// Invariant: failures_ holds at most kKept lines, however many statements
// fail, so that an allocator that is wrong everywhere still gives a readable
// report and does not fill memory with text about itself. No locking.
#include "testing/allocator_test/findings.h"

#include "absl/strings/str_cat.h"

namespace allocator_test {
namespace {

constexpr std::size_t kKept = 5;

}  // namespace

void Findings::AddFailure(std::string_view what, std::uint64_t value) {
  ++failed_;
  if (failures_.size() < kKept) {
    failures_.push_back(absl::StrCat(std::string(what), " (at ", value, ")"));
  }
}

void Findings::Merge(const Findings& other) {
  tested_ += other.tested_;
  failed_ += other.failed_;
  for (const std::string& failure : other.failures_) {
    if (failures_.size() < kKept) failures_.push_back(failure);
  }
}

}  // namespace allocator_test
