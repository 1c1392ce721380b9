// The checks that allocator_test runs, one function each.
//
// They hold to what the C, C++ and POSIX standards promise, and where those
// leave a choice to what glibc does, because the same program runs on libc's
// malloc as well and must pass there. Each leaves no memory behind, and says
// in Findings what it did.
//
// The checks of api_checks.cc are single-threaded; those of thread_checks.cc
// start `threads` threads and join them. Called by allocator_test.cc, one at a
// time.
#ifndef TESTING_ALLOCATOR_TEST_CHECKS_H_
#define TESTING_ALLOCATOR_TEST_CHECKS_H_

#include <cstdint>

#include "testing/allocator_test/findings.h"

namespace allocator_test {

struct Settings {
  int threads;
  int rounds;
  std::uint64_t seed;
};

// api_checks.cc
Findings CheckMalloc(const Settings& settings);
Findings CheckCalloc(const Settings& settings);
Findings CheckRealloc(const Settings& settings);
Findings CheckAlignment(const Settings& settings);
Findings CheckNewAndDelete(const Settings& settings);
Findings CheckLimits(const Settings& settings);

// thread_checks.cc
Findings CheckRandomWork(const Settings& settings);
Findings CheckExchange(const Settings& settings);
Findings CheckShortThreads(const Settings& settings);

}  // namespace allocator_test

#endif  // TESTING_ALLOCATOR_TEST_CHECKS_H_
