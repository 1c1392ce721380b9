// A program for the tests of memalloc_run to run: it shows what it was given.
//
//   probe args ARGS...     each argument in brackets on a line
//   probe cwd              the working directory
//   probe env NAME         the value, or "(unset)"
//   probe exit N           exits normally; `_exit` leaves without exit handlers
//   probe raise N          raises signal N
//   probe allocate N       allocates and writes N bytes, frees them, exits
//   probe own_malloc       whether malloc's result is memalloc's: 1, 0, or
//                          "absent" when memalloc is not in the process
//   probe dispositions     the blocked, ignored and caught signals, as /proc
//   has
//                          them
//   probe idle             prints its pid and the parent's, waits for the end
//                          of stdin with all signals as they were inherited
//   probe signals [leave]  the same, but prints each signal that it gets;
//                          `leave`: in a process group of its own
//   probe quiet            closes stdout, then waits for the end of stdin
//
// It uses write(2) for its lines, so that none is lost in a buffer.

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace {

void Print(const std::string& line) {
  const std::string text = line + "\n";
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(99);
}

int WaitForEndOfInput() {
  char buffer[64];
  while (read(STDIN_FILENO, buffer, sizeof(buffer)) > 0) {
  }
  return 0;
}

std::string Pids() {
  return std::to_string(getpid()) + " " + std::to_string(getppid());
}

// Prints signals until stdin ends. They are blocked and read, not handled, so
// each one that is delivered is printed once.
int PrintSignals() {
  sigset_t set;
  sigfillset(&set);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  struct pollfd files[] = {{signalfd(-1, &set, 0), POLLIN, 0},
                           {STDIN_FILENO, POLLIN, 0}};
  Print(Pids());
  for (;;) {
    if (poll(files, 2, -1) < 0) continue;
    if ((files[0].revents & POLLIN) != 0) {
      struct signalfd_siginfo signal;
      if (read(files[0].fd, &signal, sizeof(signal)) != sizeof(signal)) {
        return 98;
      }
      Print("signal " + std::to_string(signal.ssi_signo) + " value " +
            std::to_string(signal.ssi_int));
      continue;
    }
    if (files[1].revents != 0) return WaitForEndOfInput();
  }
}

int PrintDispositions() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const std::string field = line.substr(0, 6);
    if (field == "SigBlk" || field == "SigIgn" || field == "SigCgt") {
      Print(line);
    }
  }
  return 0;
}

int Allocate(size_t bytes) {
  char* memory = static_cast<char*>(std::malloc(bytes));
  if (memory == nullptr) return 97;
  std::memset(memory, 1, bytes);
  // Keeps the compiler from dropping the allocation.
  __asm__ volatile("" : : "r"(memory) : "memory");
  std::free(memory);
  return 0;
}

int OwnMalloc() {
  const auto memalloc_owns = reinterpret_cast<int (*)(const void*)>(
      dlsym(RTLD_DEFAULT, "memalloc_owns"));
  if (memalloc_owns == nullptr) {
    Print("absent");
    return 0;
  }
  void* memory = std::malloc(100);
  Print(std::to_string(memalloc_owns(memory)));
  std::free(memory);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  const char* operand = argc > 2 ? argv[2] : "0";
  if (command == "args") {
    for (int i = 2; i < argc; ++i) Print("[" + std::string(argv[i]) + "]");
    return 0;
  }
  if (command == "cwd") {
    char buffer[4096];
    Print(getcwd(buffer, sizeof(buffer)) == nullptr ? "?" : buffer);
    return 0;
  }
  if (command == "env") {
    const char* value = std::getenv(operand);
    Print(value == nullptr ? "(unset)" : value);
    return 0;
  }
  if (command == "exit") return std::atoi(operand);
  if (command == "_exit") _exit(std::atoi(operand));
  if (command == "raise") return raise(std::atoi(operand));
  if (command == "allocate") return Allocate(std::strtoul(operand, nullptr, 0));
  if (command == "own_malloc") return OwnMalloc();
  if (command == "dispositions") return PrintDispositions();
  if (command == "signals") {
    if (operand == std::string("leave")) setpgid(0, 0);
    return PrintSignals();
  }
  if (command == "idle") {
    Print(Pids());
    return WaitForEndOfInput();
  }
  if (command == "quiet") {
    close(STDOUT_FILENO);
    return WaitForEndOfInput();
  }
  return 96;
}
