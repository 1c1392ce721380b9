// #! lines, read as the kernel reads them.
//
// Where it is cheap the kernel itself is asked: KernelAgrees runs a script and
// compares what its interpreter was given with what ParseShebang says.

#include "tools/run/shebang.h"

#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

using ::testing::Eq;
using ::testing::Optional;

// "interpreter|argument", or the text of the failure.
std::string Parsed(const std::string& start) {
  const absl::StatusOr<Shebang> shebang = ParseShebang(start);
  if (!shebang.ok()) {
    EXPECT_EQ(ExitStatus(shebang.status()), 126);
    return std::string(shebang.status().message());
  }
  return shebang->interpreter + "|" + shebang->argument;
}

TEST(ShebangTest, IsRecognised) {
  EXPECT_TRUE(HasShebang("#!"));
  EXPECT_TRUE(HasShebang("#! /bin/sh\n"));
  EXPECT_FALSE(HasShebang("#"));
  EXPECT_FALSE(HasShebang(" #!/bin/sh"));
  EXPECT_FALSE(HasShebang(""));
}

TEST(ShebangTest, InterpreterAndArgument) {
  EXPECT_EQ(Parsed("#!/bin/sh\necho"), "/bin/sh|");
  EXPECT_EQ(Parsed("#!/bin/sh"), "/bin/sh|");
  EXPECT_EQ(Parsed("#! \t/bin/sh \t-e -u \t\necho"), "/bin/sh|-e -u");
  EXPECT_EQ(Parsed("#!/bin/sh\r\necho"), "/bin/sh\r|");
  EXPECT_EQ(Parsed(std::string("#!/bin/sh -x\0y\n", 15)), "/bin/sh|-x");
}

TEST(ShebangTest, NoInterpreter) {
  for (const char* start : {"#!", "#!\n", "#!  \t \n/bin/sh\n"}) {
    EXPECT_EQ(Parsed(start), "its #! line names no interpreter");
  }
  EXPECT_EQ(Parsed("#!" + std::string(300, ' ') + "/bin/sh\n"),
            "its #! line names no interpreter");
}

TEST(ShebangTest, LongLines) {
  const std::string name(kShebangBytes - 3, 'n');
  EXPECT_EQ(Parsed("#!" + name + "\n"), name + "|");
  EXPECT_EQ(Parsed("#!" + name + " a"), name + "|");
  EXPECT_EQ(Parsed("#!" + name + "nn\n"),
            "its #! line is longer than the kernel reads");
  // The argument is cut, the name is whole.
  EXPECT_EQ(Parsed("#!/bin/sh " + std::string(300, 'a') + "\n"),
            "/bin/sh|" + std::string(kShebangBytes - 10, 'a'));
}

TEST(ShebangTest, KernelAgrees) {
  const run_testing::ScratchDirectory scratch;
  const std::string probe = scratch.Copy(run_testing::ProbePath(), "probe");
  int number = 0;
  for (const std::string& line :
       {"#!" + probe + " args\n", "#!  " + probe + "\t args \t\n",
        "#!" + probe + " args", "#! " + probe + " args two words\n"}) {
    const std::string script =
        scratch.Write("script" + std::to_string(number++), line, 0755);
    const run_testing::Result result = run_testing::RunProgram({script});
    const absl::StatusOr<Shebang> shebang = ParseShebang(line);
    ASSERT_TRUE(shebang.ok());
    EXPECT_EQ(shebang->interpreter, probe);
    // The probe knows the command `args` only as a word of its own.
    if (shebang->argument == "args") {
      EXPECT_EQ(result.output, "[" + script + "]\n") << line;
    } else {
      EXPECT_EQ(result.ExitStatus(), 96) << line;
    }
  }
}

TEST(ShebangTest, ProgramOfEnv) {
  EXPECT_THAT(ProgramOfEnv("python3"), Optional(Eq("python3")));
  EXPECT_THAT(ProgramOfEnv("python3 -u"), Optional(Eq("python3 -u")))
      << "the kernel passes one argument";
  EXPECT_THAT(ProgramOfEnv("-S python3 -u"), Optional(Eq("python3")));
  EXPECT_THAT(ProgramOfEnv("-Spython3"), Optional(Eq("python3")));
  EXPECT_THAT(ProgramOfEnv("--split-string=perl -w"), Optional(Eq("perl")));
}

TEST(ShebangTest, ProgramOfEnvThatOnlyEnvCanTell) {
  for (const char* argument : {"", "-i", "-v", "A=1", "-S A=1 sh", "-S -i sh",
                               "-S 'a b' c", "-S ${SHELL}", "-S"}) {
    EXPECT_EQ(ProgramOfEnv(argument), std::nullopt) << argument;
  }
}

}  // namespace
}  // namespace memalloc::run
