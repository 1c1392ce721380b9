// Tests in processes of their own; see fresh_process.h.

#include "testing/unit/fresh_process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "gtest/gtest.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/heap/watched_calls.h"
#include "testing/unit/fake_os.h"

namespace memalloc {
namespace {

// A child that hangs is ended before the test program is.
constexpr unsigned kHangSeconds = 240;

struct Outcome {
  int status = 0;  // as of waitpid
  std::string output;
};

// Where ExpectLastLine leaves the line for the parent.
char* g_expected_line = nullptr;
constexpr size_t kMaxLine = 4096;

// Failures of the running test so far; a child inherits its parent's.
int CountFailures() {
  const ::testing::TestResult* result =
      ::testing::UnitTest::GetInstance()->current_test_info()->result();
  int failures = 0;
  for (int i = 0; i < result->total_part_count(); ++i) {
    failures += result->GetTestPartResult(i).failed();
  }
  return failures;
}

[[noreturn]] void RunChild(int output, const std::function<void()>& body) {
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  close(output);
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  alarm(kHangSeconds);
  const int failures_before = CountFailures();
  body();
  fflush(nullptr);
  _exit(CountFailures() > failures_before ? 1 : 0);
}

Outcome RunAndWait(const std::function<void()>& body) {
  int ends[2];
  if (pipe(ends) != 0) {
    perror("pipe");
    abort();
  }
  fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    perror("fork");
    abort();
  }
  if (child == 0) {
    close(ends[0]);
    RunChild(ends[1], body);
  }
  close(ends[1]);
  Outcome outcome;
  char text[4096];
  for (;;) {
    const ssize_t n = read(ends[0], text, sizeof(text));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    outcome.output.append(text, static_cast<size_t>(n));
  }
  close(ends[0]);
  while (waitpid(child, &outcome.status, 0) < 0 && errno == EINTR) {
  }
  return outcome;
}

std::string Describe(const Outcome& outcome) {
  std::string text = "the process ";
  if (WIFSIGNALED(outcome.status)) {
    text += "was ended by signal " + std::to_string(WTERMSIG(outcome.status)) +
            " (" + strsignal(WTERMSIG(outcome.status)) + ")";
  } else {
    text += "exited with " + std::to_string(WEXITSTATUS(outcome.status));
  }
  return text + "; it wrote:\n" + outcome.output;
}

}  // namespace

std::string FailureInFreshProcess(const std::function<void()>& body) {
  const Outcome outcome = RunAndWait([&body] {
    body();
    EXPECT_TRUE(fake_os::ForeignMemoryIsIntact())
        << "the core wrote to memory of others";
    const OwnHeapScope scope;
    g_central_heap.Check(t_heap);
  });
  return outcome.status == 0 ? "" : Describe(outcome);
}

void RunInFreshProcess(const std::function<void()>& body) {
  const std::string failure = FailureInFreshProcess(body);
  if (!failure.empty()) ADD_FAILURE() << failure;
}

std::string OutputUntilAbort(const std::function<void()>& body) {
  const Outcome outcome = RunAndWait(body);
  if (!WIFSIGNALED(outcome.status) || WTERMSIG(outcome.status) != SIGABRT) {
    ADD_FAILURE() << "expected abort(), but " << Describe(outcome);
  }
  // qemu, which runs programs for other machines, adds a line of its own.
  return outcome.output.substr(0, outcome.output.find("qemu: uncaught target"));
}

void RunUntilAbort(const std::function<void()>& body) {
  void* shared = mmap(nullptr, kMaxLine, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  g_expected_line = static_cast<char*>(shared);
  const std::string output = OutputUntilAbort(body);
  const std::string expected = g_expected_line;
  munmap(shared, kMaxLine);
  g_expected_line = nullptr;
  EXPECT_FALSE(expected.empty()) << "the body announced no line";
  EXPECT_EQ(output, expected + "\n");
}

void ExpectLastLine(const std::string& line) {
  if (g_expected_line == nullptr || line.size() >= kMaxLine) abort();
  memcpy(g_expected_line, line.c_str(), line.size() + 1);
}

}  // namespace memalloc
