// Scripts: memalloc_run follows the #! line to the program that will run.
//
// A refusal names the script, which the user typed, and the interpreter, which
// is the cause. Accepted scripts are run, and show that memalloc is used.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

class ScriptTest : public ::testing::Test {
 protected:
  ScriptTest() {
    with_scratch_in_path_.set["PATH"] = scratch_.path() + ":/usr/bin:/bin";
  }

  std::string Script(const std::string& name, const std::string& first_line) {
    return scratch_.Write(name, first_line + "\n", 0755);
  }

  // Expects a refusal of `script`; `why` follows its name.
  void ExpectRefused(const std::string& script, int exit_status,
                     const std::string& why) {
    const Result result = RunRunner({script}, with_scratch_in_path_);
    EXPECT_EQ(result.ExitStatus(), exit_status);
    EXPECT_EQ(result.errors, "memalloc_run: " + script + ": " + why + "\n");
    EXPECT_EQ(result.output, "") << "nothing may run";
  }

  const ScratchDirectory scratch_;
  StartOptions with_scratch_in_path_;
};

TEST_F(ScriptTest, RunsWithMemalloc) {
  const std::string probe = scratch_.Copy(ProbePath(), "probe");
  const std::string script = Script("script", "#! " + probe + " own_malloc");
  const Result result = RunRunner({script});
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "1\n");
}

TEST_F(ScriptTest, FollowsEnv) {
  scratch_.Copy(ProbePath(), "probe");
  const std::string script =
      Script("script", "#!/usr/bin/env -S probe own_malloc");
  const Result result = RunRunner({script}, with_scratch_in_path_);
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "1\n");
}

TEST_F(ScriptTest, FollowsScriptsThatRunScripts) {
  const std::string probe = scratch_.Copy(ProbePath(), "probe");
  const std::string inner = Script("inner", "#!" + probe + " args");
  const std::string outer = Script("outer", "#!" + inner);
  const Result result = RunRunner({outer, "x"});
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "[" + inner + "]\n[" + outer + "]\n[x]\n");
}

TEST_F(ScriptTest, InterpreterIsMissing) {
  ExpectRefused(Script("script", "#!/nosuch/interpreter -x"), 127,
                "its interpreter /nosuch/interpreter cannot be used: it does "
                "not exist");
  ExpectRefused(Script("dos", "#!/bin/sh\r"), 127,
                "its #! line ends in a carriage return; convert it with "
                "dos2unix");
}

TEST_F(ScriptTest, InterpreterIsNotExecutable) {
  const std::string file = scratch_.Write("file", "");
  ExpectRefused(Script("script", "#!" + file), 126,
                "its interpreter " + file +
                    " cannot be used: it is not executable; chmod +x makes it "
                    "so");
  ExpectRefused(Script("directory", "#!/tmp"), 126,
                "its interpreter /tmp cannot be used: it is a directory; name "
                "a program in it");
}

TEST_F(ScriptTest, InterpreterIsStatic) {
  const std::string program =
      scratch_.Copy(DataFile("testing/run/static_program"), "static");
  const std::string why =
      "its interpreter " + program +
      ": it is statically linked and cannot take a preload; link it with "
      "malloc = \"@memalloc//memalloc\" if it is not already linked with it";
  const std::string script = Script("script", "#!" + program);
  ExpectRefused(script, 126, why);
  ExpectRefused(Script("outer", "#!" + script), 126, why);
  ExpectRefused(Script("by_env", "#!/usr/bin/env static"), 126, why);
}

TEST_F(ScriptTest, ProgramOfEnvIsMissing) {
  ExpectRefused(Script("script", "#!/usr/bin/env nosuch"), 127,
                "its interpreter nosuch: not found in PATH (" +
                    scratch_.path() +
                    ":/usr/bin:/bin); give its path if it is elsewhere");
}

TEST_F(ScriptTest, WhatOnlyEnvCanTellIsLeftToEnv) {
  scratch_.Copy(ProbePath(), "probe");
  const std::string script =
      Script("script", "#!/usr/bin/env -S A=1 probe args");
  const Result result = RunRunner({script}, with_scratch_in_path_);
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "[" + script + "]\n");
}

TEST_F(ScriptTest, BadLines) {
  ExpectRefused(Script("script", "#!  "), 126,
                "its #! line names no interpreter");
  ExpectRefused(Script("long", "#!/" + std::string(300, 'x')), 126,
                "its #! line is longer than the kernel reads");
}

TEST_F(ScriptTest, Circle) {
  const std::string script = scratch_ / "script";
  Script("script", "#!" + script);
  ExpectRefused(script, 126, "its #! lines lead through too many scripts");
}

}  // namespace
}  // namespace memalloc::run_testing
