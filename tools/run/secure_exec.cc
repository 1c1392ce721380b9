// Implementation of secure_exec.h.
//
// The prediction (WhySecure) is apart from the questions to the system
// (GatherSecureExecFacts), because a test can only be one user on one file
// system. Anything that cannot be asked counts as absent: the worst outcome is
// then a program that runs without memalloc.

#include "tools/run/secure_exec.h"

#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace memalloc::run {

SecureExecFacts GatherSecureExecFacts(int fd, const struct stat& file) {
  SecureExecFacts facts;
  facts.real_uid = getuid();
  facts.effective_uid = geteuid();
  facts.real_gid = getgid();
  facts.effective_gid = getegid();
  facts.file_mode = file.st_mode;
  facts.file_uid = file.st_uid;
  facts.file_gid = file.st_gid;
  facts.file_capabilities =
      fgetxattr(fd, "security.capability", nullptr, 0) > 0;
  struct statvfs system;
  facts.nosuid = fstatvfs(fd, &system) == 0 && (system.f_flag & ST_NOSUID) != 0;
  facts.no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  return facts;
}

std::string WhySecure(const SecureExecFacts& facts) {
  const bool ids_change = !facts.nosuid && !facts.no_new_privileges;
  uid_t uid = facts.effective_uid;
  gid_t gid = facts.effective_gid;
  if (ids_change && (facts.file_mode & S_ISUID) != 0) uid = facts.file_uid;
  // Without group execution the bit once meant mandatory locking.
  if (ids_change && (facts.file_mode & S_ISGID) != 0 &&
      (facts.file_mode & S_IXGRP) != 0) {
    gid = facts.file_gid;
  }
  if (uid != facts.real_uid) {
    return absl::StrCat(uid == facts.effective_uid
                            ? "your effective user is not your real one"
                            : "it is setuid",
                        " (runs as uid ", uid, ")");
  }
  if (gid != facts.real_gid) {
    return absl::StrCat(gid == facts.effective_gid
                            ? "your effective group is not your real one"
                            : "it is setgid",
                        " (runs as gid ", gid, ")");
  }
  if (facts.file_capabilities && !facts.nosuid && facts.real_uid != 0) {
    return "it has file capabilities";
  }
  return "";
}

}  // namespace memalloc::run
