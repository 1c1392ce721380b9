// allocator_test: a plain program that exercises the allocator it is linked
// with (or preloaded on) and says in a line a check what it did and found.
//
// It needs no test framework and is the same source on libc's malloc and on
// memalloc, so that a user can try an allocator by hand and compare. It first
// says which allocator serves it, and whether that is the expected one; at the
// end memalloc's heap is walked as well. Exit status 0 when all holds, 1
// otherwise.
//
// The checks (checks.h) run one after the other on the main thread, which
// alone prints. Run by `bazel run //testing/allocator_test`, and by the tests
// of BUILD.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "memalloc/memalloc.h"
#include "testing/allocator_test/checks.h"

ABSL_FLAG(int, threads, 16, "threads of the checks that use threads");
ABSL_FLAG(int, rounds, 10, "how long the random checks work");
ABSL_FLAG(std::uint64_t, seed, 1, "seed of the random checks");
ABSL_FLAG(std::string, expect, "",
          "fail unless this allocator serves the program: memalloc or libc");

namespace allocator_test {
namespace {

struct Check {
  const char* name;
  Findings (*run)(const Settings&);
};

constexpr Check kChecks[] = {
    {"malloc and free", CheckMalloc},
    {"calloc", CheckCalloc},
    {"realloc", CheckRealloc},
    {"alignment", CheckAlignment},
    {"new and delete", CheckNewAndDelete},
    {"limits", CheckLimits},
    {"random work", CheckRandomWork},
    {"exchange", CheckExchange},
    {"short threads", CheckShortThreads},
};

// "memalloc", "libc", or "memalloc, but malloc is not its own" when the
// library is there and something else serves malloc.
std::string AllocatorInUse() {
  if (memalloc_owns == nullptr) return "libc";
  void* volatile block = std::malloc(1);
  const bool ours = memalloc_owns(block) == 1;
  std::free(block);
  return ours ? "memalloc" : "memalloc, but malloc is not its own";
}

bool RunCheck(const Check& check, const Settings& settings) {
  const Findings findings = check.run(settings);
  const bool passed = findings.failed() == 0;
  absl::PrintF("%-16s %-6s %s\n", check.name, passed ? "ok" : "FAILED",
               findings.line());
  for (const std::string& failure : findings.failures()) {
    absl::PrintF("%-16s        %s\n", "", failure);
  }
  if (!passed) {
    absl::PrintF("%-16s        %d of %d statements are false\n", "",
                 findings.failed(), findings.tested());
  }
  std::fflush(stdout);
  return passed;
}

int Run() {
  const std::string allocator = AllocatorInUse();
  const std::string expected = absl::GetFlag(FLAGS_expect);
  const Settings settings = {absl::GetFlag(FLAGS_threads),
                             absl::GetFlag(FLAGS_rounds),
                             absl::GetFlag(FLAGS_seed)};
  absl::PrintF("allocator_test on %s%s%s: %d threads, %d rounds, seed %d\n",
               allocator, allocator == "memalloc" ? " " : "",
               allocator == "memalloc" ? memalloc_version() : "",
               settings.threads, settings.rounds, settings.seed);
  if (!expected.empty() && allocator != expected) {
    absl::PrintF("expected to run on %s\n", expected);
    return 1;
  }
  int failed = 0;
  for (const Check& check : kChecks) {
    if (!RunCheck(check, settings)) ++failed;
  }
  if (allocator == "memalloc") {
    // Aborts with a line of its own when the heap is not consistent.
    memalloc_check_heap();
    absl::PrintF("%-16s %-6s walked, consistent\n", "heap", "ok");
  }
  absl::PrintF("%s: %d of %d checks failed\n", failed == 0 ? "PASS" : "FAIL",
               failed, std::size(kChecks));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace allocator_test

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("exercises malloc, free, new and the others");
  absl::ParseCommandLine(argc, argv);
  return allocator_test::Run();
}
