// Predicts whether the kernel will start a program with AT_SECURE set.
//
// The dynamic loader then ignores LD_PRELOAD, and memalloc its environment:
// the program would silently run on libc's malloc. The rule is that of
// fs/exec.c and security/commoncap.c: secure when the effective ids of the new
// program differ from the real ones, or when a real user other than root gains
// capabilities from the file. So root may run setuid-root programs, and
// everybody their own. Security modules can set it too; that is not predicted.
// Used by preload_check.cc.

#ifndef TOOLS_RUN_SECURE_EXEC_H_
#define TOOLS_RUN_SECURE_EXEC_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

namespace memalloc::run {

// What the rule asks about this process and the file.
struct SecureExecFacts {
  uid_t real_uid = 0;
  uid_t effective_uid = 0;
  gid_t real_gid = 0;
  gid_t effective_gid = 0;
  mode_t file_mode = 0;
  uid_t file_uid = 0;
  gid_t file_gid = 0;
  bool file_capabilities = false;
  // The file system is mounted nosuid.
  bool nosuid = false;
  // prctl(PR_SET_NO_NEW_PRIVS).
  bool no_new_privileges = false;
};

// The facts for running the open file `fd` in this process.
SecureExecFacts GatherSecureExecFacts(int fd, const struct stat& file);

// Why the program will be secure, for example "it is setuid (runs as uid 0)";
// empty when it will not.
std::string WhySecure(const SecureExecFacts& facts);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_SECURE_EXEC_H_
