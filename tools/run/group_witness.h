// Tells a signal sent to the process group from one sent to memalloc_run only.
//
// With --stats the program is in the process group of its parent, as job
// control wants it. Ctrl-C and `kill %1` signal every member of the group, so
// the program has the signal already and must not get it again; `kill PID`
// reaches only memalloc_run, which must pass it on. The receiver of a signal
// cannot see the difference (si_code only tells the terminal from a process).
// So a child that does nothing joins the group, with the signals blocked: what
// is pending for it was sent to the group. Used by supervise.cc, by one thread.

#ifndef TOOLS_RUN_GROUP_WITNESS_H_
#define TOOLS_RUN_GROUP_WITNESS_H_

#include <signal.h>
#include <sys/types.h>

#include <bitset>

namespace memalloc::run {

// The signals pending for a process, signal n at n - 1.
using SignalBits = std::bitset<64>;

class GroupWitness {
 public:
  // Starts the witness. The signals that it is to see must be blocked.
  // `argv` is this process's: the witness wipes its own copy, and takes another
  // name, so that killing memalloc_run by name does not reach it.
  explicit GroupWitness(char** argv);
  ~GroupWitness();
  GroupWitness(const GroupWitness&) = delete;
  GroupWitness& operator=(const GroupWitness&) = delete;

  // Whether the signal that this process has just taken was sent to the whole
  // group. Without a witness (no process could be made, no /proc) the answer
  // is right for signals from the terminal only.
  bool SentToGroup(const siginfo_t& signal);

 private:
  // Nothing takes the signals of a witness, so each is asked about once.
  void Start();
  void Stop();

  char** const argv_;
  pid_t pid_ = -1;
  // Sent to the group, and not yet taken by this process.
  SignalBits seen_;
};

}  // namespace memalloc::run

#endif  // TOOLS_RUN_GROUP_WITNESS_H_
