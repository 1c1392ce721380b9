// Runs a test's body in a process of its own.
//
// The core has one heap and the fake kernel one address space, both global: a
// test that wants them new runs in a forked child of the test program, which
// itself never touches the core. What fails in the child fails the test, with
// the child's output. GoogleTest's assertions work there as usual, on all of
// the child's threads; GTEST_SKIP does not.

#ifndef TESTING_UNIT_FRESH_PROCESS_H_
#define TESTING_UNIT_FRESH_PROCESS_H_

#include <functional>
#include <string>

namespace memalloc {

// Fails the running test if `body` fails an assertion or its process ends in
// any way but by finishing it. At its end, memory that fake_os::ForeignSbrk
// handed out must be as it was left, and the heap consistent.
void RunInFreshProcess(const std::function<void()>& body);

// The same without failing the test: what there is to say, "" for success.
std::string FailureInFreshProcess(const std::function<void()>& body);

// What `body` wrote to stdout and stderr until abort() ended its process; fails
// the running test if it ends in another way.
std::string OutputUntilAbort(const std::function<void()>& body);

// The same, and that must be exactly the line that `body` announced by
// ExpectLastLine.
void RunUntilAbort(const std::function<void()>& body);

// Within RunUntilAbort: the line (without its newline) to come.
void ExpectLastLine(const std::string& line);

// Whether ThreadSanitizer watches, which has threads of its own and lets no
// child of a process with threads start any.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TESTING_UNIT_UNDER_TSAN 1
#endif
#endif
#ifdef TESTING_UNIT_UNDER_TSAN
inline constexpr bool kUnderThreadSanitizer = true;
#else
inline constexpr bool kUnderThreadSanitizer = false;
#endif

}  // namespace memalloc

// CORE_TEST, but skipped under ThreadSanitizer for a reason.
#define CORE_TEST_WITHOUT_TSAN(suite, name, reason)        \
  static void suite##name##Body();                         \
  TEST(suite, name) {                                      \
    if (::memalloc::kUnderThreadSanitizer) {               \
      GTEST_SKIP() << "under ThreadSanitizer: " << reason; \
    }                                                      \
    ::memalloc::RunInFreshProcess(&suite##name##Body);     \
  }                                                        \
  static void suite##name##Body()

// TEST, in a fresh process.
#define CORE_TEST(suite, name)                                             \
  static void suite##name##Body();                                         \
  TEST(suite, name) { ::memalloc::RunInFreshProcess(&suite##name##Body); } \
  static void suite##name##Body()

#endif  // TESTING_UNIT_FRESH_PROCESS_H_
