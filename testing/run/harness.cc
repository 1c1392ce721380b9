// Implementation of harness.h.
//
// Pipes are read to their ends one after the other: what these tests run writes
// less to stderr than a pipe holds, so neither side can block the other.

#include "testing/run/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "gtest/gtest.h"

namespace memalloc::run_testing {
namespace {

namespace fs = std::filesystem;

void Fail(const std::string& what) {
  ADD_FAILURE() << what << ": " << std::strerror(errno);
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<size_t>(count));
  }
}

void Close(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// In the child: becomes the program. Exits with 200 if that is impossible.
[[noreturn]] void BecomeProgram(const std::vector<std::string>& arguments,
                                const StartOptions& options) {
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) {
    _exit(200);
  }
  for (const std::string& name : options.unset) unsetenv(name.c_str());
  for (const auto& [name, value] : options.set) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  if (options.before_exec) options.before_exec();
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(200);
}

}  // namespace

std::string DataFile(const std::string& path) {
  const char* root = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (root == nullptr || workspace == nullptr) {
    ADD_FAILURE() << "run this test with `tools/bazel test`";
    return path;
  }
  return fs::canonical(fs::path(root) / workspace / path).string();
}

std::string RunnerPath() { return DataFile("tools/run/memalloc_run"); }
std::string LibraryPath() { return DataFile("memalloc/memalloc.so"); }
std::string ProbePath() { return DataFile("testing/run/probe"); }

ScratchDirectory::ScratchDirectory() {
  // Not below TEST_TMPDIR: other users cannot reach that.
  std::string path = "/tmp/run_XXXXXX";
  if (mkdtemp(path.data()) == nullptr) Fail("mkdtemp");
  if (chmod(path.c_str(), 0755) != 0) Fail("chmod");
  path_ = path;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string ScratchDirectory::operator/(const std::string& name) const {
  return path_ + "/" + name;
}

std::string ScratchDirectory::Write(const std::string& name,
                                    const std::string& contents,
                                    mode_t mode) const {
  const std::string path = *this / name;
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file << contents;
  file.close();
  if (!file || chmod(path.c_str(), mode) != 0) Fail("writing " + path);
  return path;
}

std::string ScratchDirectory::Copy(const std::string& from,
                                   const std::string& name, mode_t mode) const {
  return Write(name, ReadFile(from), mode);
}

std::string ScratchDirectory::CopyRunner() const {
  Copy(LibraryPath(), "tree/memalloc/memalloc.so");
  // Which is not looked at by who copies it.
  Copy(LibraryPath(), "tree/memalloc/memalloc_hardened.so");
  return Copy(RunnerPath(), "tree/tools/run/memalloc_run");
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Fail("reading " + path);
  std::ostringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

Process::Process(const std::vector<std::string>& arguments,
                 const StartOptions& options) {
  // The program may end before it has read its input.
  signal(SIGPIPE, SIG_IGN);
  int input[2], output[2], errors[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0 ||
      pipe2(errors, O_CLOEXEC) != 0) {
    Fail("pipe2");
    return;
  }
  pid_ = fork();
  if (pid_ < 0) Fail("fork");
  if (pid_ == 0) {
    signal(SIGPIPE, SIG_DFL);
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    dup2(errors[1], STDERR_FILENO);
    BecomeProgram(arguments, options);
  }
  close(input[0]);
  close(output[1]);
  close(errors[1]);
  input_ = input[1];
  output_ = output[0];
  errors_ = errors[0];
}

Process::~Process() {
  Close(input_);
  Close(output_);
  Close(errors_);
  if (pid_ > 0 && !ended_) {
    kill(pid_, SIGKILL);
    Wait();
  }
}

void Process::WriteInput(const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count =
        write(input_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;
    written += static_cast<size_t>(count);
  }
}

void Process::CloseInput() { Close(input_); }

std::string Process::ReadLine() {
  std::string line;
  char next;
  for (;;) {
    const ssize_t count = read(output_, &next, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || next == '\n') return line;
    line += next;
  }
}

std::string Process::ReadOutput() { return ReadAll(output_); }
std::string Process::ReadErrors() { return ReadAll(errors_); }

int Process::Wait(int flags) {
  int status = -1;
  while (waitpid(pid_, &status, flags) < 0) {
    if (errno == EINTR) continue;
    Fail("waitpid");
    break;
  }
  ended_ = !WIFSTOPPED(status);
  return status;
}

int Result::ExitStatus() const {
  EXPECT_TRUE(WIFEXITED(wait_status)) << "wait status " << wait_status;
  return WEXITSTATUS(wait_status);
}

int Result::Signal() const {
  EXPECT_TRUE(WIFSIGNALED(wait_status)) << "wait status " << wait_status;
  return WTERMSIG(wait_status);
}

Result RunProgram(const std::vector<std::string>& arguments,
                  const StartOptions& options, const std::string& input) {
  Process process(arguments, options);
  process.WriteInput(input);
  process.CloseInput();
  Result result;
  result.output = process.ReadOutput();
  result.errors = process.ReadErrors();
  result.wait_status = process.Wait();
  return result;
}

Result RunRunner(std::vector<std::string> arguments,
                 const StartOptions& options, const std::string& input) {
  arguments.insert(arguments.begin(), RunnerPath());
  return RunProgram(arguments, options, input);
}

}  // namespace memalloc::run_testing
