// The driver (GoogleTest, one test per scenario) and the child's main.
//
// With --preload=LIBRARY, LD_PRELOAD is set for the children only, so that the
// driver does not depend on what it tests. The child checks first that the
// allocator in charge is the one its target was linked to expect. A child gets
// its own process group: at the deadline the whole group is killed, with
// whatever the scenario forked.

#include "testing/process/harness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "testing/contract/allocator_in_charge.h"

namespace process {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kScenarioFlag[] = "--scenario=";
constexpr char kPreloadFlag[] = "--preload=";
constexpr char kSkipMark[] = "skipped: ";

std::string& PreloadLibrary() {
  static auto* library = new std::string;
  return *library;
}

struct ChildResult {
  bool timed_out = false;
  int status = 0;
  std::string output;
  std::string errors;
};

// In the forked child: becomes this program again, as `scenario`.
[[noreturn]] void BecomeScenario(const std::string& scenario, int output,
                                 int errors) {
  setpgid(0, 0);
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  if (!PreloadLibrary().empty()) {
    setenv("LD_PRELOAD", PreloadLibrary().c_str(), 1);
  }
  const std::string argument = kScenarioFlag + scenario;
  execl("/proc/self/exe", "/proc/self/exe", argument.c_str(), nullptr);
  _exit(127);
}

// Reads both pipes until they close or the deadline passes; false then.
bool Drain(int output, int errors, Clock::time_point deadline,
           ChildResult* result) {
  pollfd files[2] = {{output, POLLIN, 0}, {errors, POLLIN, 0}};
  std::string* texts[2] = {&result->output, &result->errors};
  int open_files = 2;
  while (open_files > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - Clock::now());
    if (left.count() <= 0) return false;
    if (poll(files, 2, static_cast<int>(left.count())) < 0 && errno != EINTR) {
      return false;
    }
    for (int i = 0; i < 2; ++i) {
      if (files[i].fd < 0 || files[i].revents == 0) continue;
      char text[4096];
      const ssize_t count = read(files[i].fd, text, sizeof(text));
      if (count > 0) {
        texts[i]->append(text, static_cast<size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        files[i].fd = -1;
        --open_files;
      }
    }
  }
  return true;
}

ChildResult RunScenario(const Scenario& scenario) {
  int output[2];
  int errors[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "pipe2: " << std::strerror(errno);
    return {};
  }
  const pid_t pid = fork();
  if (pid == 0) BecomeScenario(scenario.name, output[1], errors[1]);
  setpgid(pid, pid);
  close(output[1]);
  close(errors[1]);
  ChildResult result;
  const auto deadline = Clock::now() + std::chrono::seconds(scenario.seconds);
  result.timed_out = !Drain(output[0], errors[0], deadline, &result);
  // The group goes in any case: nothing a scenario left behind may stay.
  if (result.timed_out) kill(-pid, SIGKILL);
  waitpid(pid, &result.status, 0);
  kill(-pid, SIGKILL);
  close(output[0]);
  close(errors[0]);
  return result;
}

std::string Describe(int status) {
  if (WIFEXITED(status)) {
    return "exit status " + std::to_string(WEXITSTATUS(status));
  }
  return std::string("signal ") + strsignal(WTERMSIG(status));
}

class ProcessTest : public testing::TestWithParam<Scenario> {};

TEST_P(ProcessTest, EndsAsExpected) {
  const Scenario& scenario = GetParam();
  if (scenario.not_on_libc != nullptr && !contract::kExpectMemalloc) {
    GTEST_SKIP() << "not on libc 2.36: " << scenario.not_on_libc;
  }
  const ChildResult result = RunScenario(scenario);
  if (result.output.rfind(kSkipMark, 0) == 0) GTEST_SKIP() << result.output;
  std::cout << result.errors;
  EXPECT_FALSE(result.timed_out)
      << "still running after " << scenario.seconds << " s";
  EXPECT_TRUE(WIFEXITED(result.status) &&
              WEXITSTATUS(result.status) == scenario.exit_status)
      << Describe(result.status) << "\n"
      << result.errors;
  EXPECT_EQ(result.output, std::string("done\n") + scenario.output_after_main);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, ProcessTest, testing::ValuesIn(Scenarios()),
                         [](const testing::TestParamInfo<Scenario>& info) {
                           return std::string(info.param.name);
                         });

int RunChild(const char* name) {
  REQUIRE(contract::MemallocInCharge() == contract::kExpectMemalloc);
  for (const Scenario& scenario : Scenarios()) {
    if (std::strcmp(scenario.name, name) != 0) continue;
    scenario.run();
    contract::CheckHeap();
    Say("done\n");
    return 0;
  }
  Note("no scenario %s", name);
  return 2;
}

}  // namespace

void PrintTo(const Scenario& scenario, std::ostream* out) {
  *out << scenario.name;
}

const char* ScenarioOf(int argc, char** argv) {
  if (argc != 2) return "";
  const size_t length = sizeof(kScenarioFlag) - 1;
  return std::strncmp(argv[1], kScenarioFlag, length) == 0 ? argv[1] + length
                                                           : "";
}

void RequireFailed(const char* file, int line, const char* condition) {
  const int error = errno;
  Note("%s:%d: not true: %s (errno %d)", file, line, condition, error);
  _exit(1);
}

void Skip(const char* reason) {
  Say(kSkipMark);
  Say(reason);
  _exit(0);
}

void Note(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  if (length > static_cast<int>(sizeof(line)) - 2) length = sizeof(line) - 2;
  line[length] = '\n';
  if (write(STDERR_FILENO, line, static_cast<size_t>(length) + 1) < 0) {
    _exit(3);
  }
}

void Say(const char* text) {
  if (write(STDOUT_FILENO, text, std::strlen(text)) < 0) _exit(3);
}

void RequireExitsCleanly(int pid) {
  int status = 0;
  pid_t waited;
  do {
    waited = waitpid(pid, &status, 0);
  } while (waited < 0 && errno == EINTR);
  REQUIRE(waited == pid);
  if (!WIFEXITED(status)) Note("child %d: signal %d", pid, WTERMSIG(status));
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}

std::string Aborted(const std::function<void()>& run) {
  int errors[2];
  REQUIRE(pipe2(errors, O_CLOEXEC) == 0);
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    dup2(errors[1], STDERR_FILENO);
    run();
    _exit(0);
  }
  close(errors[1]);
  std::string said;
  char text[512];
  for (ssize_t n; (n = read(errors[0], text, sizeof(text))) > 0;) {
    said.append(text, static_cast<size_t>(n));
  }
  close(errors[0]);
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  return said;
}

}  // namespace process

int main(int argc, char** argv) {
  const char* scenario = process::ScenarioOf(argc, argv);
  if (*scenario != '\0') return process::RunChild(scenario);
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const size_t length = sizeof(process::kPreloadFlag) - 1;
    if (std::strncmp(argv[i], process::kPreloadFlag, length) != 0) continue;
    char* absolute = realpath(argv[i] + length, nullptr);
    if (absolute == nullptr) {
      std::cerr << "cannot preload " << argv[i] + length << "\n";
      return 2;
    }
    process::PreloadLibrary() = absolute;
    free(absolute);
  }
  return RUN_ALL_TESTS();
}
