// Programs that memalloc_run must refuse: the exact line, the exit status, and
// that nothing is run.
//
// The files are made in a scratch directory, most of them from the probe by
// changing a field of its ELF header. Cases that need root to be set up, or an
// ordinary user to be seen, say so when they are skipped.

#include <elf.h>
#include <grp.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// An ordinary user, where the tests run as root.
constexpr uid_t kNobody = 65534;

constexpr char kLinkInstead[] =
    "; link it with malloc = \"@memalloc//memalloc\" if it is not already "
    "linked with it\n";

// Becomes that user; a namespace without other users ends the process.
constexpr int kNoOtherUser = 201;
StartOptions AsNobody() {
  StartOptions options;
  options.before_exec = [] {
    if (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 ||
        setuid(kNobody) != 0) {
      _exit(kNoOtherUser);
    }
  };
  return options;
}

class RefusalTest : public ::testing::Test {
 protected:
  // Expects that the program is refused, with --stats and without.
  void ExpectRefused(const std::string& program, int exit_status,
                     const std::string& line,
                     const StartOptions& options = {}) {
    for (const bool stats : {false, true}) {
      std::vector<std::string> arguments = {program, "args", "ran"};
      if (stats) arguments.insert(arguments.begin(), "--stats");
      const Result result = RunRunner(arguments, options);
      EXPECT_EQ(result.ExitStatus(), exit_status);
      EXPECT_EQ(result.errors, "memalloc_run: " + line);
      EXPECT_EQ(result.output, "") << "nothing may run";
    }
  }

  // The probe with `bytes` written at `offset`.
  std::string PatchedProbe(const std::string& name, size_t offset,
                           const std::string& bytes) {
    std::string contents = ReadFile(ProbePath());
    contents.replace(offset, bytes.size(), bytes);
    return scratch_.Write(name, contents, 0755);
  }

  std::string PatchedMachine(const std::string& name, uint16_t machine) {
    return PatchedProbe(name, offsetof(ElfW(Ehdr), e_machine),
                        std::string(reinterpret_cast<char*>(&machine), 2));
  }

  // The probe with another PT_INTERP, which must not be longer.
  std::string WithInterpreter(const std::string& name,
                              const std::string& interpreter) {
    std::string contents = ReadFile(ProbePath());
    const size_t at = contents.find(Loader());
    EXPECT_NE(at, contents.npos);
    EXPECT_LE(interpreter.size(), Loader().size());
    contents.replace(at, interpreter.size() + 1, interpreter + '\0');
    return scratch_.Write(name, contents, 0755);
  }

  // The dynamic loader of the probe.
  static std::string Loader() {
    const std::string contents = ReadFile(ProbePath());
    ElfW(Ehdr) header;
    std::memcpy(&header, contents.data(), sizeof(header));
    for (int i = 0; i < header.e_phnum; ++i) {
      ElfW(Phdr) segment;
      std::memcpy(&segment,
                  contents.data() + header.e_phoff + i * sizeof(segment),
                  sizeof(segment));
      if (segment.p_type == PT_INTERP) {
        return contents.data() + segment.p_offset;
      }
    }
    ADD_FAILURE() << "the probe is not dynamic";
    return "";
  }

  const ScratchDirectory scratch_;
};

TEST_F(RefusalTest, NotFound) {
  StartOptions options;
  options.set["PATH"] = "/nosuch:" + scratch_.path();
  ExpectRefused("nosuch", 127,
                "nosuch: not found in PATH (/nosuch:" + scratch_.path() +
                    "); give its path if it is elsewhere\n",
                options);
  ExpectRefused("./nosuch", 127, "./nosuch: it does not exist\n");
  ExpectRefused("", 127, "the program's name is empty\n");
}

TEST_F(RefusalTest, NotAFileToExecute) {
  ExpectRefused(
      scratch_.path(), 126,
      scratch_.path() + ": it is a directory; name a program in it\n");
  const std::string file = scratch_.Write("file", "#!/bin/sh\n", 0644);
  ExpectRefused(file, 126,
                file + ": it is not executable; chmod +x makes it so\n");
}

TEST_F(RefusalTest, NoPermission) {
  if (getuid() != 0) {
    GTEST_SKIP() << "needs root, to make files that exclude another user";
  }
  const std::string runner = scratch_.CopyRunner();
  const std::string program = scratch_.Copy(ProbePath(), "mine", 0744);
  Result result = RunProgram({runner, program}, AsNobody());
  if (result.ExitStatus() == kNoOtherUser) {
    GTEST_SKIP() << "this user namespace has no other users";
  }
  EXPECT_EQ(result.ExitStatus(), 126);
  EXPECT_EQ(result.errors,
            "memalloc_run: " + program +
                ": no permission to execute it; its mode excludes you\n");

  const std::string hidden = scratch_.Copy(ProbePath(), "private/probe");
  chmod((scratch_ / "private").c_str(), 0700);
  result = RunProgram({runner, hidden}, AsNobody());
  EXPECT_EQ(result.ExitStatus(), 126);
  EXPECT_EQ(result.errors,
            "memalloc_run: " + hidden +
                ": no permission to search a directory on its path\n");

  // Execution without reading is enough: there is nothing to check then.
  const std::string unreadable = scratch_.Copy(ProbePath(), "dark", 0711);
  result = RunProgram({runner, unreadable, "args", "ran"}, AsNobody());
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_EQ(result.output, "[ran]\n");
}

TEST_F(RefusalTest, StaticallyLinked) {
  for (const char* program :
       {"testing/run/static_program", "testing/run/static_pie_program"}) {
    const std::string path = DataFile(program);
    EXPECT_EQ(RunProgram({path}).ExitStatus(), 0) << "it runs by itself";
    ExpectRefused(path, 126,
                  path + ": it is statically linked and cannot take a preload" +
                      kLinkInstead);
  }
}

TEST_F(RefusalTest, SetuidToAnotherUser) {
  const std::string program = scratch_.Copy(ProbePath(), "setuid");
  if (getuid() == 0) {
    if (chown(program.c_str(), kNobody, getgid()) != 0) {
      GTEST_SKIP() << "this user namespace has no other users";
    }
    chmod(program.c_str(), 04755);
    ExpectRefused(program, 126,
                  program +
                      ": it is setuid (runs as uid 65534), so LD_PRELOAD is "
                      "ignored" +
                      kLinkInstead);
    return;
  }
  struct stat su;
  if (stat("/usr/bin/su", &su) != 0 || (su.st_mode & S_ISUID) == 0) {
    GTEST_SKIP() << "needs root to make a setuid file, or a setuid /usr/bin/su";
  }
  ExpectRefused("/usr/bin/su", 126,
                std::string("/usr/bin/su: it is setuid (runs as uid 0), so "
                            "LD_PRELOAD is ignored") +
                    kLinkInstead);
}

TEST_F(RefusalTest, SetgidToAnotherGroup) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to make a setgid file";
  const std::string program = scratch_.Copy(ProbePath(), "setgid");
  if (chown(program.c_str(), 0, kNobody) != 0) {
    GTEST_SKIP() << "this user namespace has no other groups";
  }
  chmod(program.c_str(), 02755);
  ExpectRefused(program, 126,
                program +
                    ": it is setgid (runs as gid 65534), so LD_PRELOAD is "
                    "ignored" +
                    kLinkInstead);
}

TEST_F(RefusalTest, SetuidToOneselfIsNoObstacle) {
  const std::string program = scratch_.Copy(ProbePath(), "own");
  chmod(program.c_str(), 06755);
  const Result result = RunRunner({program, "own_malloc"});
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "1\n") << "the preload must have worked";
}

TEST_F(RefusalTest, FileCapabilities) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to set file capabilities";
  const std::string runner = scratch_.CopyRunner();
  const std::string program = scratch_.Copy(ProbePath(), "capable");
  // cap_net_bind_service=ep in the second revision of the format: effective
  // flag, then permitted and inheritable of each half.
  const uint32_t capability[] = {0x02000001, 1u << 10, 0, 0, 0};
  if (setxattr(program.c_str(), "security.capability", capability,
               sizeof(capability), 0) != 0) {
    GTEST_SKIP() << "setxattr: " << std::strerror(errno);
  }
  const Result refused = RunProgram({runner, program}, AsNobody());
  if (refused.ExitStatus() == kNoOtherUser) {
    GTEST_SKIP() << "this user namespace has no other users";
  }
  EXPECT_EQ(refused.ExitStatus(), 126);
  EXPECT_EQ(refused.errors,
            "memalloc_run: " + program +
                ": it has file capabilities, so LD_PRELOAD is ignored" +
                kLinkInstead);
  const Result as_root = RunRunner({program, "own_malloc"});
  EXPECT_EQ(as_root.output, "1\n") << "root gains nothing from them";
}

TEST_F(RefusalTest, AnotherMachine) {
  const uint16_t own = [] {
    ElfW(Ehdr) header;
    std::memcpy(&header, ReadFile(ProbePath()).data(), sizeof(header));
    return header.e_machine;
  }();
  const uint16_t other = own == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
  const std::string names[] = {"64-bit AArch64", "64-bit x86-64"};
  const std::string program = PatchedMachine("foreign", other);
  ExpectRefused(program, 126,
                program + ": it is a program for " + names[other == EM_X86_64] +
                    ", memalloc.so is for " + names[own == EM_X86_64] + "\n");
}

TEST_F(RefusalTest, AnotherClassOrByteOrder) {
  const std::string narrow =
      PatchedProbe("narrow", EI_CLASS, std::string(1, ELFCLASS32));
  Result result = RunRunner({narrow});
  EXPECT_EQ(result.ExitStatus(), 126);
  EXPECT_THAT(result.errors, StartsWith("memalloc_run: " + narrow +
                                        ": it is a program for 32-bit "));
  const std::string swapped =
      PatchedProbe("swapped", EI_DATA, std::string(1, ELFDATA2MSB));
  result = RunRunner({swapped});
  EXPECT_EQ(result.ExitStatus(), 126);
  EXPECT_THAT(result.errors, HasSubstr("(big-endian), memalloc.so is for "));
}

TEST_F(RefusalTest, AnotherCLibrary) {
  // Short enough to stand in the place of glibc's.
  const std::string loader = scratch_.Copy(LibraryPath(), "musl.so");
  const std::string program = WithInterpreter("other_libc", loader);
  ExpectRefused(
      program, 126,
      program + ": it is linked with another C library (its loader is " +
          loader + ", that of memalloc.so " + Loader() + ")" + kLinkInstead);
}

TEST_F(RefusalTest, AnotherCopyOfTheCLibraryIsNoObstacle) {
  // The scratch directory's name is too long to stand in the place of glibc's.
  const std::string copy = "/tmp/" + Loader().substr(Loader().rfind('/') + 1);
  if (copy.size() > Loader().size() || access(copy.c_str(), F_OK) == 0) {
    GTEST_SKIP() << copy << " exists or is too long";
  }
  std::filesystem::copy_file(Loader(), copy);
  const std::string program = WithInterpreter("same_libc", copy);
  const Result result = RunRunner({program, "own_malloc"});
  unlink(copy.c_str());
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "1\n");
}

TEST_F(RefusalTest, LoaderThatDoesNotExist) {
  const std::string program = WithInterpreter("no_loader", "/nosuch/ld.so");
  ExpectRefused(program, 127,
                program +
                    ": its dynamic loader /nosuch/ld.so cannot be used: it "
                    "does not exist\n");
}

TEST_F(RefusalTest, MalformedElf) {
  const std::string program = ReadFile(ProbePath());
  const std::string cut = scratch_.Write("cut", program.substr(0, 100), 0755);
  ExpectRefused(cut, 126,
                cut +
                    ": it is a malformed ELF file: the program header table "
                    "ends after the end of the file\n");
  const std::string magic = scratch_.Write("magic",
                                           "\x7f"
                                           "ELF",
                                           0755);
  ExpectRefused(magic, 126,
                magic +
                    ": it is a malformed ELF file: the ELF header ends after "
                    "the end of the file\n");
}

TEST_F(RefusalTest, ElfFilesThatAreNoPrograms) {
  const std::string library = LibraryPath();
  const std::string copy = scratch_.Copy(library, "library.so");
  const Result result = RunRunner({copy});
  EXPECT_EQ(result.ExitStatus(), 126);
  const uint16_t relocatable = ET_REL;
  const std::string object =
      PatchedProbe("object.o", offsetof(ElfW(Ehdr), e_type),
                   std::string(reinterpret_cast<const char*>(&relocatable), 2));
  ExpectRefused(object, 126,
                object + ": it is an ELF file, but not a program\n");
}

TEST_F(RefusalTest, TheLoaderAsAProgram) {
  const Result result = RunRunner({Loader(), ProbePath(), "own_malloc"});
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "1\n") << "it loads the probe with the preload";
}

TEST_F(RefusalTest, NeitherElfNorScript) {
  const std::string text = scratch_.Write("text", "echo ran\n", 0755);
  ExpectRefused(text, 126,
                text +
                    ": it is neither an ELF program nor a script with a #! "
                    "line; for a shell script: memalloc_run sh " +
                    text + "\n");
  const std::string empty = scratch_.Write("empty", "", 0755);
  ExpectRefused(empty, 126, empty + ": it is empty\n");
}

}  // namespace
}  // namespace memalloc::run_testing
