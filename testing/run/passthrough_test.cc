// What the program gets and what the caller gets back, without --stats and
// with it: both must be as if memalloc_run were not there.
//
// Each test runs in both modes. Signals are in signals_test.cc, refusals in
// refusal_test.cc.

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class PassthroughTest : public ::testing::TestWithParam<bool> {
 protected:
  // memalloc_run in the mode under test.
  std::vector<std::string> Runner(std::vector<std::string> arguments) const {
    if (GetParam()) arguments.insert(arguments.begin(), "--stats");
    arguments.insert(arguments.begin(), RunnerPath());
    return arguments;
  }

  Result RunMode(std::vector<std::string> arguments,
                 const StartOptions& options = {},
                 const std::string& input = "") const {
    return RunProgram(Runner(std::move(arguments)), options, input);
  }

  const ScratchDirectory scratch_;
};

INSTANTIATE_TEST_SUITE_P(Modes, PassthroughTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& info) {
                           return info.param ? "Stats" : "InPlace";
                         });

TEST_P(PassthroughTest, TheAllocatorIsMemalloc) {
  EXPECT_EQ(RunProgram({ProbePath(), "own_malloc"}).output, "absent\n")
      << "the probe has no memalloc of its own";
  EXPECT_EQ(RunMode({ProbePath(), "own_malloc"}).output, "1\n");
}

TEST_P(PassthroughTest, TheAllocatorOfPythonIsMemalloc) {
  const Result result = RunMode(
      {"/usr/bin/python3", "-c",
       "import ctypes\n"
       "libc = ctypes.CDLL(None)\n"
       "libc.malloc.restype = ctypes.c_void_p\n"
       "pointer = ctypes.c_void_p(libc.malloc(100))\n"
       "print(libc.memalloc_owns(pointer))\n"
       "print(libc.memalloc_owns(ctypes.c_void_p(id(libc))))\n"
       "print(any('memalloc.so' in line for line in open('/proc/self/maps')))\n"
       "libc.free(pointer)\n"});
  EXPECT_EQ(result.ExitStatus(), 0) << result.errors;
  // The second is an object in an arena that Python maps by itself, or in a
  // block of malloc's: both happen.
  EXPECT_THAT(result.output, StartsWith("1\n"));
  EXPECT_THAT(result.output, HasSubstr("\nTrue\n"));
}

TEST_P(PassthroughTest, Arguments) {
  const Result result =
      RunMode({ProbePath(), "args", "", "two words", "--stats", "--help", "--",
               "-x=\"'*", "", "\xff\n"});
  EXPECT_EQ(result.output,
            "[]\n[two words]\n[--stats]\n[--help]\n[--]\n[-x=\"'*]\n[]\n[\xff\n"
            "]\n");
}

TEST_P(PassthroughTest, TheNameAsTyped) {
  const Result result = RunMode({"sh", "-c", "cat /proc/$$/cmdline"});
  EXPECT_THAT(result.output, StartsWith(std::string("sh\0-c\0", 6)));
}

TEST_P(PassthroughTest, ExitStatus) {
  for (const int status : {0, 1, 7, 125, 126, 127, 143, 255}) {
    for (const char* way : {"exit", "_exit"}) {
      const Result result = RunMode({ProbePath(), way, std::to_string(status)});
      EXPECT_EQ(result.ExitStatus(), status) << way;
    }
  }
}

TEST_P(PassthroughTest, DeathBySignal) {
  StartOptions no_core;
  no_core.before_exec = [] {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
  };
  for (const int signal : {SIGTERM, SIGKILL, SIGSEGV, SIGABRT, SIGPIPE, SIGINT,
                           SIGCHLD, SIGRTMIN}) {
    const Result result =
        RunMode({ProbePath(), "raise", std::to_string(signal)}, no_core);
    if (signal == SIGCHLD) {
      EXPECT_EQ(result.ExitStatus(), 0) << "ignored by default";
    } else {
      EXPECT_EQ(result.Signal(), signal);
    }
  }
}

TEST_P(PassthroughTest, NoSecondCoreDump) {
  StartOptions options;
  options.directory = scratch_.path();
  options.before_exec = [] {
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CORE, &limit);
  };
  const std::vector<std::string> crash = {ProbePath(), "raise",
                                          std::to_string(SIGSEGV)};
  const Result result = RunMode(crash, options);
  EXPECT_EQ(result.Signal(), SIGSEGV);
  if (!WCOREDUMP(RunProgram(crash, options).wait_status)) {
    GTEST_SKIP() << "this system makes no core dumps";
  }
  // The flag says that this process was dumped: in place it is the program,
  // with --stats it would be memalloc_run.
  EXPECT_EQ(WCOREDUMP(result.wait_status) != 0, !GetParam());
}

TEST_P(PassthroughTest, StandardStreams) {
  std::string input;
  for (int i = 0; i < 40000; ++i) input += "line " + std::to_string(i) + "\n";
  const ScratchDirectory scratch;
  const std::string file = scratch.Write("input", input);
  const Result result =
      RunMode({"sh", "-c", "cat; cat " + file + "; echo err >&2"}, {}, "in\n");
  EXPECT_EQ(result.output, "in\n" + input);
  EXPECT_THAT(result.errors, StartsWith("err\n"));
}

TEST_P(PassthroughTest, WorkingDirectory) {
  StartOptions options;
  options.directory = scratch_.path();
  EXPECT_EQ(RunMode({ProbePath(), "cwd"}, options).output,
            scratch_.path() + "\n");
}

TEST_P(PassthroughTest, RelativePathsAndPath) {
  scratch_.Copy(ProbePath(), "bin/probe");
  StartOptions options;
  options.directory = scratch_.path();
  EXPECT_EQ(RunMode({"bin/probe", "args", "a"}, options).output, "[a]\n");
  options.set["PATH"] = "bin:/usr/bin:/bin";
  EXPECT_EQ(RunMode({"probe", "args", "b"}, options).output, "[b]\n");
  options.directory = scratch_ / "bin";
  EXPECT_EQ(RunMode({"./probe", "args", "c"}, options).output, "[c]\n");
  options.set["PATH"] = ":/usr/bin";
  EXPECT_EQ(RunMode({"probe", "args", "d"}, options).output, "[d]\n");
}

TEST_P(PassthroughTest, Environment) {
  StartOptions options;
  options.set["SOME_VARIABLE"] = "a b=c";
  options.set["BUILD_SOMETHING"] = "kept";
  options.set["BUILD_WORKING_DIRECTORY"] = "/nosuch";
  for (const auto& [name, value] : options.set) {
    EXPECT_EQ(RunMode({ProbePath(), "env", name}, options).output,
              value + "\n");
  }
}

TEST_P(PassthroughTest, Preload) {
  StartOptions options;
  options.unset = {"LD_PRELOAD"};
  EXPECT_EQ(RunMode({ProbePath(), "env", "LD_PRELOAD"}, options).output,
            LibraryPath() + "\n");
  options.unset.clear();
  for (const std::string present :
       {"libc.so.6", "libc.so.6:libm.so.6", "libc.so.6 libm.so.6"}) {
    options.set["LD_PRELOAD"] = present;
    EXPECT_EQ(RunMode({ProbePath(), "env", "LD_PRELOAD"}, options).output,
              LibraryPath() + ":" + present + "\n");
  }
  for (const std::string& present :
       {LibraryPath(), "libc.so.6 " + LibraryPath()}) {
    options.set["LD_PRELOAD"] = present;
    EXPECT_EQ(RunMode({ProbePath(), "env", "LD_PRELOAD"}, options).output,
              present + "\n")
        << "it is there already";
  }
}

TEST_P(PassthroughTest, IgnoredAndBlockedSignals) {
  StartOptions options;
  options.before_exec = [] {
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_SETMASK, &set, nullptr);
  };
  const Result direct = RunProgram({ProbePath(), "dispositions"}, options);
  EXPECT_THAT(direct.output, HasSubstr("SigBlk:\t0000000000000800\n"));
  EXPECT_THAT(direct.output, ContainsRegex("SigIgn:\t[0-9a-f]*10001\n"));
  EXPECT_EQ(RunMode({ProbePath(), "dispositions"}, options).output,
            direct.output);
}

TEST_P(PassthroughTest, CallerThatIgnoresItsChildren) {
  StartOptions options;
  options.before_exec = [] { signal(SIGCHLD, SIG_IGN); };
  EXPECT_EQ(RunMode({ProbePath(), "exit", "5"}, options).ExitStatus(), 5);
}

TEST_P(PassthroughTest, NoFileIsAddedOrKept) {
  const std::string list = "ls /proc/self/fd | tr '\\n' ' '";
  EXPECT_EQ(RunMode({"sh", "-c", list}).output,
            RunProgram({"/bin/sh", "-c", list}).output);
}

TEST_P(PassthroughTest, ProgramThatClosesItsOutput) {
  Process process(Runner({ProbePath(), "quiet"}));
  // Ends when the last holder closes the pipe, while the program still runs.
  EXPECT_EQ(process.ReadOutput(), "");
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
}

TEST_P(PassthroughTest, Nested) {
  std::vector<std::string> arguments = Runner({ProbePath(), "own_malloc"});
  arguments = Runner(arguments);
  const Result result = RunProgram(arguments);
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_EQ(result.output, "1\n");
  arguments.back() = "nosuch";
  EXPECT_EQ(RunProgram(arguments).ExitStatus(), 96) << "the innermost status";
}

// What `bazel run` does: it starts the program in its runfiles, and says in the
// environment where it was called.
TEST_P(PassthroughTest, DirectoryUnderBazelRun) {
  const std::string runner = scratch_.CopyRunner();
  scratch_.Copy(LibraryPath(),
                "tree/tools/run/memalloc_run.runfiles/memalloc/memalloc/"
                "memalloc.so");
  const std::string callers = scratch_ / "caller";
  mkdir(callers.c_str(), 0755);
  StartOptions options;
  options.directory = runner + ".runfiles/memalloc";
  options.set["BUILD_WORKING_DIRECTORY"] = callers;
  options.set["BUILD_WORKSPACE_DIRECTORY"] = "/workspace";
  std::vector<std::string> arguments =
      Runner({"sh", "-c",
              "pwd -P; echo ${BUILD_WORKING_DIRECTORY-unset} "
              "${BUILD_WORKSPACE_DIRECTORY-unset}"});
  arguments[0] = runner;
  EXPECT_EQ(RunProgram(arguments, options).output, callers + "\nunset unset\n");

  options.set["BUILD_WORKING_DIRECTORY"] = callers + "/gone";
  const Result result = RunProgram(arguments, options);
  EXPECT_EQ(result.ExitStatus(), 125);
  EXPECT_EQ(result.errors, "memalloc_run: cannot enter the working directory " +
                               callers + "/gone: No such file or directory\n");

  // Started elsewhere, the variables are another program's business.
  options.directory = callers;
  EXPECT_EQ(RunProgram(arguments, options).output,
            callers + "\n" + callers + "/gone /workspace\n");
}

}  // namespace
}  // namespace memalloc::run_testing
