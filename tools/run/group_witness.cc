// Implementation of group_witness.h.
//
// The kernel signals the members of a group from the youngest to the oldest,
// so when this process gets a signal, the witness, its child, has it already.
// The witness dies with this process (PR_SET_PDEATHSIG), holds no file, and is
// waited for by its id, so the program's end is never mistaken for its end.

#include "tools/run/group_witness.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tools/run/descriptors.h"

namespace memalloc::run {
namespace {

// The signals pending for the whole process `pid`; nothing when /proc does not
// say.
std::optional<SignalBits> PendingSignals(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    absl::string_view mask = line;
    uint64_t bits = 0;
    if (absl::ConsumePrefix(&mask, "ShdPnd:") &&
        absl::SimpleHexAtoi(mask, &bits)) {
      return SignalBits(bits);
    }
  }
  return std::nullopt;
}

[[noreturn]] void BeWitness(pid_t parent, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  prctl(PR_SET_NAME, "run_witness");
  for (char** argument = argv; *argument != nullptr; ++argument) {
    std::memset(*argument, 0, std::strlen(*argument));
  }
  CloseFilesExcept({});
  for (;;) pause();
}

}  // namespace

GroupWitness::GroupWitness(char** argv) : argv_(argv) { Start(); }

GroupWitness::~GroupWitness() { Stop(); }

bool GroupWitness::SentToGroup(const siginfo_t& signal) {
  const size_t bit = static_cast<size_t>(signal.si_signo) - 1;
  std::optional<SignalBits> pending;
  if (pid_ > 0) pending = PendingSignals(pid_);
  if (!pending.has_value()) return signal.si_code > 0;
  if (pending->any()) {
    seen_ |= *pending;
    Stop();
    Start();
  }
  const bool sent_to_group = seen_.test(bit);
  seen_.reset(bit);
  return sent_to_group;
}

void GroupWitness::Start() {
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) BeWitness(parent, argv_);
}

void GroupWitness::Stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace memalloc::run
