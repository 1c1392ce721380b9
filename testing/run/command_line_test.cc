// memalloc_run's own command line: what is a flag, what is the program.
//
// Flags are global, so each test sets them back. What memalloc_run then does
// with the command line is tested with the whole program in the other files.

#include "tools/run/command_line.h"

#include <map>
#include <string>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    absl::SetFlag(&FLAGS_hardened, false);
    SetStats(false);
    absl::SetFlag(&FLAGS_guard, 0);
    absl::SetFlag(&FLAGS_heap_map, "");
    absl::SetFlag(&FLAGS_profile, "");
    absl::SetFlag(&FLAGS_trace, "");
    absl::SetFlag(&FLAGS_compare, CompareFlag());
    absl::SetFlag(&FLAGS_rounds, 3);
    absl::SetFlag(&FLAGS_timeout, 0);
  }

  static void SetStats(bool is_wanted) {
    absl::SetFlag(&FLAGS_stats, StatsFlag{is_wanted, ""});
  }

  absl::StatusOr<CommandLine> Parse(std::vector<std::string> arguments) {
    arguments_ = std::move(arguments);
    argv_.clear();
    for (std::string& argument : arguments_) argv_.push_back(argument.data());
    argv_.push_back(nullptr);
    return ParseCommandLine(argv_.data());
  }

  // PROGRAM and ARGS of a line that must be good.
  std::vector<std::string> Program(std::vector<std::string> arguments) {
    const absl::StatusOr<CommandLine> line = Parse(std::move(arguments));
    if (!line.ok()) return {"error: " + std::string(line.status().message())};
    std::vector<std::string> program;
    for (char** word = line->program; *word != nullptr; ++word) {
      program.emplace_back(*word);
    }
    return program;
  }

  // The text of a line that must be bad.
  std::string Error(std::vector<std::string> arguments) {
    const absl::StatusOr<CommandLine> line = Parse(std::move(arguments));
    if (line.ok()) return "no error";
    EXPECT_EQ(ExitStatus(line.status()), 125);
    return std::string(line.status().message());
  }

  std::vector<std::string> arguments_;
  std::vector<char*> argv_;
};

TEST_F(CommandLineTest, TheFirstArgumentWithoutDashIsTheProgram) {
  EXPECT_THAT(Program({"run", "ls", "-l"}), ElementsAre("ls", "-l"));
  EXPECT_FALSE(absl::GetFlag(FLAGS_stats).is_wanted);
}

TEST_F(CommandLineTest, FlagsStandBeforeTheProgram) {
  EXPECT_THAT(Program({"run", "--stats", "ls"}), ElementsAre("ls"));
  EXPECT_TRUE(absl::GetFlag(FLAGS_stats).is_wanted);
}

TEST_F(CommandLineTest, FlagsTogether) {
  EXPECT_THAT(Program({"run", "--hardened", "--stats", "ls"}),
              ElementsAre("ls"));
  EXPECT_TRUE(absl::GetFlag(FLAGS_hardened));
  EXPECT_TRUE(absl::GetFlag(FLAGS_stats).is_wanted);
}

TEST_F(CommandLineTest, FlagWithANumber) {
  EXPECT_THAT(Program({"run", "--guard=100", "ls"}), ElementsAre("ls"));
  EXPECT_EQ(absl::GetFlag(FLAGS_guard), 100U);
}

TEST_F(CommandLineTest, FlagsAfterTheProgramAreTheProgramsOwn) {
  EXPECT_THAT(Program({"run", "ls", "--stats", "--help", "--", "-x"}),
              ElementsAre("ls", "--stats", "--help", "--", "-x"));
  EXPECT_FALSE(absl::GetFlag(FLAGS_stats).is_wanted);
}

TEST_F(CommandLineTest, DashesEndTheFlags) {
  EXPECT_THAT(Program({"run", "--stats", "--", "--odd", "--", "x"}),
              ElementsAre("--odd", "--", "x"));
  EXPECT_TRUE(absl::GetFlag(FLAGS_stats).is_wanted);
}

TEST_F(CommandLineTest, AbslsSpellingsOfABoolean) {
  for (const char* on : {"--stats", "-stats", "--stats=true", "--stats=1"}) {
    SetStats(false);
    EXPECT_THAT(Program({"run", on, "ls"}), ElementsAre("ls"));
    EXPECT_TRUE(absl::GetFlag(FLAGS_stats).is_wanted) << on;
  }
  for (const char* off : {"--nostats", "--stats=false", "--stats=0"}) {
    SetStats(true);
    EXPECT_THAT(Program({"run", off, "ls"}), ElementsAre("ls"));
    EXPECT_FALSE(absl::GetFlag(FLAGS_stats).is_wanted) << off;
  }
}

TEST_F(CommandLineTest, FilesOfStatistics) {
  for (const auto& [value, file] : std::map<std::string, std::string>{
           {"text", "memalloc-stats.%p.txt"},
           {"json", "memalloc-stats.%p.json"},
           {"prometheus", "memalloc-stats.%p.prom"},
           {"json:/tmp/a.json", "/tmp/a.json"},
           {"json:a:b.%p", "a:b.%p.json"},
       }) {
    EXPECT_THAT(Program({"run", "--stats=" + value, "ls"}), ElementsAre("ls"));
    EXPECT_TRUE(absl::GetFlag(FLAGS_stats).is_wanted);
    EXPECT_EQ(absl::GetFlag(FLAGS_stats).file, file);
  }
}

TEST_F(CommandLineTest, EmptyAndSingleDashNamesArePrograms) {
  EXPECT_THAT(Program({"run", "", "x"}), ElementsAre("", "x"));
  EXPECT_THAT(Program({"run", "-"}), ElementsAre("-"));
}

TEST_F(CommandLineTest, NoProgram) {
  const std::string text =
      "no program given; usage: memalloc_run [FLAGS] [--] PROGRAM [ARGS...]";
  EXPECT_EQ(Error({"run"}), text);
  EXPECT_EQ(Error({"run", "--stats"}), text);
  EXPECT_EQ(Error({"run", "--"}), text);
  EXPECT_EQ(Error({}), text);
}

TEST_F(CommandLineTest, UnknownFlags) {
  for (const std::string& flag :
       std::vector<std::string>{"-x", "--nohelp", "--verbose", "--=1"}) {
    EXPECT_EQ(Error({"run", flag, "ls"}),
              "unknown flag " + flag +
                  "; see memalloc_run --help; the program's own flags follow "
                  "PROGRAM");
  }
}

TEST_F(CommandLineTest, TheNearestFlag) {
  for (const auto& [flag, nearest] : std::map<std::string, std::string>{
           {"--stat", "--stats[=FORMAT[:FILE]]"},
           {"--nostats=false", "--stats[=FORMAT[:FILE]]"},
           {"---stats", "--stats[=FORMAT[:FILE]]"},
           {"--compair", "--compare[=LIST]"},
           {"--haep-map=x", "--heap-map=FILE"},
           {"--heap", "--heap-map=FILE"},
           {"--hardend", "--hardened"},
           {"--noguard", "--guard=N"},
           {"--tiemout=1", "--timeout=SECONDS"},
       }) {
    EXPECT_EQ(Error({"run", flag, "ls"}),
              "unknown flag " + flag + ", the nearest is " + nearest +
                  "; see memalloc_run --help; the program's own flags follow "
                  "PROGRAM");
  }
}

TEST_F(CommandLineTest, Compare) {
  EXPECT_THAT(Program({"run", "ls"}), ElementsAre("ls"));
  EXPECT_FALSE(absl::GetFlag(FLAGS_compare).is_wanted);
  EXPECT_THAT(Program({"run", "--compare", "--rounds=5", "ls"}),
              ElementsAre("ls"));
  EXPECT_TRUE(absl::GetFlag(FLAGS_compare).is_wanted);
  EXPECT_THAT(absl::GetFlag(FLAGS_compare).list, IsEmpty());
  EXPECT_EQ(absl::GetFlag(FLAGS_rounds), 5U);
  EXPECT_THAT(Program({"run", "--compare=jemalloc,a=/b=c.so", "ls"}),
              ElementsAre("ls"));
  EXPECT_TRUE(absl::GetFlag(FLAGS_compare).is_wanted);
  EXPECT_THAT(absl::GetFlag(FLAGS_compare).list,
              ElementsAre("jemalloc", "a=/b=c.so"));
  for (const std::string flag : {"--compare=", "--compare=a,,b"}) {
    EXPECT_EQ(
        Error({"run", flag, "ls"}),
        "bad value in " + flag + "; write --compare[=LIST] or --nocompare");
  }
}

TEST_F(CommandLineTest, FlagsThatDoNotGoTogether) {
  for (const std::string& flag :
       std::vector<std::string>{"stats", "stats=json", "guard=1", "profile=x",
                                "heap-map=x", "leaks=x", "trace=x"}) {
    EXPECT_EQ(Error({"run", "--compare", "--" + flag, "ls"}),
              "--" + flag.substr(0, flag.find('=')) +
                  " does not go with --compare, which looks from outside; run "
                  "the program once more with it");
    EXPECT_THAT(Program({"run", "--nocompare", "--" + flag, "ls"}),
                ElementsAre("ls"));
    EXPECT_THAT(Program({"run", "--nostats", "--guard=0", "ls"}),
                ElementsAre("ls"));
    absl::SetFlag(&FLAGS_profile, "");
    absl::SetFlag(&FLAGS_heap_map, "");
    absl::SetFlag(&FLAGS_leaks, LeaksFlag());
    absl::SetFlag(&FLAGS_trace, "");
  }
  EXPECT_EQ(Error({"run", "--timeout=1", "ls"}),
            "--timeout goes with --compare only");
  absl::SetFlag(&FLAGS_timeout, 0);
  EXPECT_EQ(Error({"run", "--rounds=1", "ls"}),
            "--rounds goes with --compare only");
  EXPECT_EQ(Error({"run", "--compare", "--rounds=0", "ls"}),
            "bad value in --rounds=0; write --rounds=N, N from 1 on");
  absl::SetFlag(&FLAGS_rounds, 3);
  EXPECT_EQ(Error({"run", "--nocompare", "--hardened", "--trace=x", "ls"}),
            "--trace does not go with --hardened, which records no calls");
}

TEST_F(CommandLineTest, Files) {
  for (const std::string flag : {"heap-map", "profile", "trace"}) {
    for (const std::string& argument :
         std::vector<std::string>{"--" + flag, "--" + flag + "="}) {
      EXPECT_EQ(Error({"run", argument, "ls"}),
                "no value in " + argument + "; write --" + flag + "=FILE");
    }
    EXPECT_THAT(Error({"run", "--no" + flag, "ls"}), HasSubstr("unknown flag"));
  }
}

TEST_F(CommandLineTest, BadValue) {
  EXPECT_EQ(Error({"run", "--stats=maybe", "ls"}),
            "bad value in --stats=maybe; write --stats[=FORMAT[:FILE]], FORMAT "
            "being text, json or prometheus, or --nostats");
  EXPECT_EQ(Error({"run", "--leaks=exact:", "ls"}),
            "bad value in --leaks=exact:; write --leaks[=FILE] or --noleaks");
  EXPECT_EQ(Error({"run", "--hardened=x", "ls"}),
            "bad value in --hardened=x; write --hardened or --nohardened");
  for (const std::string flag : {"--guard", "--guard=", "--guard=-1"}) {
    EXPECT_EQ(Error({"run", flag, "ls"}),
              "bad value in " + flag + "; write --guard=N");
  }
}

TEST_F(CommandLineTest, FilesFollowTheEqualsSign) {
  EXPECT_THAT(Program({"run", "--trace=/a b", "ls"}), ElementsAre("ls"));
  EXPECT_EQ(absl::GetFlag(FLAGS_trace), "/a b");
}

TEST_F(CommandLineTest, LeaksOfSamplesOrOfAll) {
  const struct {
    const char* argument;
    const char* file;
    bool is_exact;
  } cases[] = {{"--leaks", "memalloc-leaks.%p.txt", false},
               {"--noleaks", "", false},
               {"--leaks=/a", "/a", false},
               {"--leaks=exact", "memalloc-leaks.%p.txt", true},
               {"--leaks=exact:b", "b", true},
               {"--leaks=./exact", "./exact", false}};
  for (const auto& one : cases) {
    EXPECT_THAT(Program({"run", one.argument, "ls"}), ElementsAre("ls"));
    EXPECT_EQ(absl::GetFlag(FLAGS_leaks).file, one.file) << one.argument;
    EXPECT_EQ(absl::GetFlag(FLAGS_leaks).is_exact, one.is_exact);
  }
}

TEST_F(CommandLineTest, HelpNeedsNoProgram) {
  for (const char* flag : {"--help", "-help", "-h"}) {
    const absl::StatusOr<CommandLine> line = Parse({"run", "--stats", flag});
    ASSERT_TRUE(line.ok()) << flag;
    EXPECT_TRUE(line->help) << flag;
  }
}

TEST_F(CommandLineTest, HelpNamesEveryFlagAndStatus) {
  const std::string help = HelpText();
  for (const char* part :
       {"usage: memalloc_run [FLAGS] [--] PROGRAM", "  --help ", "124", "125",
        "126", "127", "LD_PRELOAD"}) {
    EXPECT_THAT(help, HasSubstr(part));
  }
  // The tool's own, not those of the libraries that it is built of.
  int flags = 0;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (!absl::EndsWith(flag->Filename(), "tools/run/command_line.cc"))
      continue;
    ++flags;
    const std::string spelled = absl::StrReplaceAll(name, {{"_", "-"}});
    EXPECT_THAT(help, ContainsRegex("\n  --" + spelled + "[^a-z]"));
  }
  EXPECT_GT(flags, 5);
  size_t longest = 0;
  size_t start = 0;
  for (size_t end = help.find('\n'); end != help.npos;
       start = end + 1, end = help.find('\n', start)) {
    longest = std::max(longest, end - start);
  }
  EXPECT_LE(longest, 80u) << "lines of the help fit on a terminal";
  EXPECT_THAT(help.substr(start), IsEmpty()) << "the last line is ended";
}

}  // namespace
}  // namespace memalloc::run
