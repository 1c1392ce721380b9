// What the tests of memalloc_run share: files, processes, and their results.
//
// Processes are started with fork and exec, so that a test controls what
// memalloc_run inherits: directory, environment, signals, user. Nothing here
// waits for time to pass; a test that hangs is ended by the test runner.
// Each function fails the test itself (ADD_FAILURE) when the system refuses
// what it needs, so that callers can go on without checks of their own.

#ifndef TESTING_RUN_HARNESS_H_
#define TESTING_RUN_HARNESS_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace memalloc::run_testing {

// A file of this workspace that is in the test's `data`.
std::string DataFile(const std::string& path);

// The runner, the preload object that belongs to it, and the helper program of
// probe.cc.
std::string RunnerPath();
std::string LibraryPath();
std::string ProbePath();

// A fresh directory that everybody may enter; removed with its contents.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  // The absolute path of a name in the directory.
  std::string operator/(const std::string& name) const;
  // Makes a file, and its parent directories, and returns its path.
  std::string Write(const std::string& name, const std::string& contents,
                    mode_t mode = 0644) const;
  // Copies a file to `name`.
  std::string Copy(const std::string& from, const std::string& name,
                   mode_t mode = 0755) const;
  // Copies memalloc_run and memalloc.so in the layout of a build, where another
  // user can reach them; returns the path of memalloc_run.
  std::string CopyRunner() const;

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);

struct StartOptions {
  // Empty: the test's own.
  std::string directory;
  // Variables of the environment to change; the others are the test's.
  std::map<std::string, std::string> set;
  std::vector<std::string> unset;
  // Runs in the child before exec.
  std::function<void()> before_exec;
};

// A running process with pipes to its stdin, stdout and stderr.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments,
                   const StartOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void WriteInput(const std::string& text);
  void CloseInput();
  // The next line of stdout without its end; empty at the end of the file.
  std::string ReadLine();
  // All that is left, until the last writer closes the pipe.
  std::string ReadOutput();
  std::string ReadErrors();
  // The wait status of its end or, with WUNTRACED in `flags`, of a stop.
  int Wait(int flags = 0);

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  int errors_ = -1;
  bool ended_ = false;
};

struct Result {
  int wait_status = -1;
  std::string output;
  std::string errors;

  // The exit status; fails the test when the process was killed.
  int ExitStatus() const;
  // The signal that killed it; fails the test when it exited.
  int Signal() const;
};

// Runs a program to its end with `input` as its stdin.
Result RunProgram(const std::vector<std::string>& arguments,
                  const StartOptions& options = {},
                  const std::string& input = "");

// The same for memalloc_run with the given arguments.
Result RunRunner(std::vector<std::string> arguments,
                 const StartOptions& options = {},
                 const std::string& input = "");

}  // namespace memalloc::run_testing

#endif  // TESTING_RUN_HARNESS_H_
