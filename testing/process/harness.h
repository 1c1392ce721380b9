// Runs scenarios, each in a process of its own.
//
// A process test is a table of scenarios. The test binary run by Bazel is the
// driver: for each scenario it starts itself again with --scenario=NAME, waits
// with a deadline, and asserts the exit status and the exact standard output. A
// hang, a crash, and an abort are failures with the child's stderr shown, never
// of the driver. The new process (not a fork) starts with a fresh heap and a
// fresh break, which is what scenarios about early life and limits need.
//
// In the child a scenario checks with REQUIRE, which ends the process at once
// without touching the heap. Figures go to stderr with Note(), which neither
// allocates nor buffers; the driver repeats them.

#ifndef TESTING_PROCESS_HARNESS_H_
#define TESTING_PROCESS_HARNESS_H_

#include <functional>
#include <string>
#include <vector>

namespace process {

struct Scenario {
  const char* name;
  // Runs in the child's main(); its output is followed by "done\n".
  void (*run)();
  // Standard output expected after "done\n", by what runs after main.
  const char* output_after_main = "";
  // Generous: only a hang takes that long.
  int seconds = 400;
  // What libc 2.36 cannot do of this; the scenario is skipped there.
  const char* not_on_libc = nullptr;
  int exit_status = 0;
};

// The scenarios of this test; each test defines it.
std::vector<Scenario> Scenarios();

// The scenario of this child from its arguments, usable before main and without
// allocating; "" in the driver.
const char* ScenarioOf(int argc, char** argv);

// Ends the process with status 1 and a line on stderr unless `condition`.
#define REQUIRE(condition) \
  ((condition) ? void()    \
               : ::process::RequireFailed(__FILE__, __LINE__, #condition))

[[noreturn]] void RequireFailed(const char* file, int line,
                                const char* condition);

// Ends the process with a line on stdout that the driver turns into a skipped
// test: the machine does not offer what the scenario needs.
[[noreturn]] void Skip(const char* reason);

// One line on stderr, by one write.
void Note(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Writes `text` to stdout, unbuffered.
void Say(const char* text);

// Waits for child `pid`, REQUIREs that it exits with status 0.
void RequireExitsCleanly(int pid);

// Runs `run` in a forked child, which must abort; what it says on stderr.
std::string Aborted(const std::function<void()>& run);

}  // namespace process

#endif  // TESTING_PROCESS_HARNESS_H_
