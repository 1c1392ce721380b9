// Options: what the program and the environment say is read at the first use,
// what cannot be understood is told and ignored, and calls set and print them.

#include "memalloc/runtime/options.h"

#include <errno.h>
#include <stdlib.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/runtime/option_text.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

// The program's options; each test has a process to write its own.
extern "C" {
char memalloc_options[200] = "";
}

namespace memalloc {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

std::string Printed(const char* name) {
  char text[100];
  const int length = PrintOption(name, text, sizeof(text));
  EXPECT_EQ(length, static_cast<int>(strlen(text)));
  return text;
}

// What the first use writes with this in the environment.
std::string OutputWith(const std::string& name, const std::string& value) {
  return OutputUntilAbort([&] {
    fake_os::SetEnvironment(name, value);
    Allocate(1);
    Worker worker;
    worker.Do([] { Allocate(1); });
    abort();
  });
}

// ---- the table ----

CORE_TEST(OptionTable, StartsAsItSays) {
  for (size_t i = 0; i < kNumOptions; ++i) {
    EXPECT_EQ(GetOption(static_cast<Option>(i)), kOptionInfo[i].initial)
        << kOptionInfo[i].name;
    EXPECT_LE(kOptionInfo[i].initial, kOptionInfo[i].max);
  }
}

CORE_TEST(OptionTable, EveryOptionCanBeSetFromOutside) {
  for (size_t i = 0; i < kFirstHardenedOption; ++i) {
    const OptionInfo& info = kOptionInfo[i];
    std::string name = "MEMALLOC_";
    for (const char* c = info.name; *c != '\0'; ++c) {
      name += static_cast<char>(toupper(*c));
    }
    LineBuffer most;
    AppendValue(info, info.max, most);
    fake_os::SetEnvironment(name, std::string(most.data(), most.size()));
  }
  fake_os::SetFile("/proc/self/cgroup", "0::/\n");
  fake_os::SetFile("/sys/fs/cgroup/memory.max", "max\n");
  Allocate(1);
  for (size_t i = 0; i < kFirstHardenedOption; ++i) {
    EXPECT_EQ(GetOption(static_cast<Option>(i)), kOptionInfo[i].max)
        << kOptionInfo[i].name;
  }
}

TEST(OptionTable, HardenedOnesAreReportedElsewhere) {
  EXPECT_EQ(OutputWith("MEMALLOC_QUARANTINE", "1M"),
            "memalloc: MEMALLOC_QUARANTINE: has an effect in the hardened "
            "build only; it is ignored, see docs/errors.md#hardened-only\n");
  EXPECT_EQ(SetOptionByName("guard_pages", "0"), ENOTSUP);
  EXPECT_EQ(GetOption(Option::kGuardPages), 1U);
}

// ---- values ----

struct ValueCase {
  const char* option;
  const char* text;
  const char* printed;  // null if it is no value
};

constexpr ValueCase kValueCases[] = {
    {"huge_cache", "0", "0"},
    {"huge_cache", "1", "1"},
    {"huge_cache", "1023", "1023"},
    {"huge_cache", "1024", "1K"},
    {"huge_cache", "1025", "1025"},
    {"huge_cache", "3k", "3K"},
    {"huge_cache", "1024K", "1M"},
    {"huge_cache", "5m", "5M"},
    {"huge_cache", "7G", "7G"},
    {"huge_cache", "64T", "64T"},
    {"huge_cache", "65T", nullptr},
    {"huge_cache", "70368744177664", "64T"},
    {"huge_cache", "70368744177665", nullptr},
    {"huge_cache", "2KiB", "2K"},
    {"huge_cache", "2mib", "2M"},
    {"huge_cache", "2GIB", "2G"},
    {"huge_cache", "1TiB", "1T"},
    {"huge_cache", "2KB", nullptr},
    {"huge_cache", "2Ki", nullptr},
    {"huge_cache", "2iB", nullptr},
    {"huge_cache", "2KiBx", nullptr},
    {"huge_cache", "2P", nullptr},
    {"huge_cache", "K", nullptr},
    {"huge_cache", "", nullptr},
    {"huge_cache", "-1", nullptr},
    {"huge_cache", "+1", nullptr},
    {"huge_cache", " 1", nullptr},
    {"huge_cache", "1 K", nullptr},
    {"huge_cache", "1.5M", nullptr},
    {"huge_cache", "0x10", nullptr},
    {"huge_cache", "18446744073709551616", nullptr},
    {"huge_cache", "18446744073709551620", nullptr},
    {"huge_cache", "18446744073709551615K", nullptr},
    {"huge_cache", "18014398509481985K", nullptr},
    {"huge_cache", "99999999999999999999999999", nullptr},
    {"huge_threshold", "8M", "8M"},
    {"huge_threshold", "8388609", nullptr},
    {"purge_delay", "0", "0ms"},
    {"purge_delay", "250", "250ms"},
    {"purge_delay", "250ms", "250ms"},
    {"purge_delay", "2s", "2000ms"},
    {"purge_delay", "2S", "2000ms"},
    {"purge_delay", "2147483648", "2147483648ms"},
    {"purge_delay", "2147483649", nullptr},
    {"purge_delay", "18446744073709552s", nullptr},
    {"purge_delay", "1m", nullptr},
    {"purge_delay", "1h", nullptr},
    {"purge_delay", "s", nullptr},
    {"background_thread", "0", "0"},
    {"background_thread", "1", "1"},
    {"background_thread", "off", "0"},
    {"background_thread", "On", "1"},
    {"background_thread", "FALSE", "0"},
    {"background_thread", "true", "1"},
    {"background_thread", "no", "0"},
    {"background_thread", "yes", "1"},
    {"background_thread", "2", nullptr},
    {"background_thread", "y", nullptr},
    {"background_thread", "yess", nullptr},
    {"background_thread", "", nullptr},
    {"huge_pages", "never", "never"},
    {"huge_pages", "Default", "default"},
    {"huge_pages", "ALWAYS", "always"},
    {"huge_pages", "0", nullptr},
    {"huge_pages", "alway", nullptr},
    {"huge_pages", "", nullptr},
    {"foreign_pointers", "warn", "warn"},
    {"foreign_pointers", "Ignore", "ignore"},
    {"foreign_pointers", "abort", "abort"},
    {"foreign_pointers", "1", nullptr},
    {"foreign_pointers", "default", nullptr},
};

CORE_TEST(OptionValue, EachIsTakenOrRefused) {
  for (const ValueCase& c : kValueCases) {
    SCOPED_TRACE(std::string(c.option) + "=" + c.text);
    const std::string before = Printed(c.option);
    if (c.printed == nullptr) {
      EXPECT_EQ(SetOptionByName(c.option, c.text), EINVAL);
      EXPECT_EQ(Printed(c.option), before);
    } else {
      EXPECT_EQ(SetOptionByName(c.option, c.text), 0);
      EXPECT_EQ(Printed(c.option), c.printed);
    }
  }
}

// ---- calls ----

CORE_TEST(OptionCalls, UnknownNames) {
  EXPECT_EQ(SetOptionByName("no_such", "1"), ENOENT);
  EXPECT_EQ(SetOptionByName("", "1"), ENOENT);
  EXPECT_EQ(SetOptionByName("purge_dela", "1"), ENOENT);
  EXPECT_EQ(SetOptionByName("purge_delayy", "1"), ENOENT);
  EXPECT_EQ(SetOptionByName("PURGE_DELAY", "1"), ENOENT);
  EXPECT_EQ(SetOptionByName(nullptr, "1"), EINVAL);
  EXPECT_EQ(SetOptionByName("purge_delay", nullptr), EINVAL);
  EXPECT_EQ(PrintOption("no_such", nullptr, 0), -1);
  EXPECT_EQ(PrintOption(nullptr, nullptr, 0), -1);
}

CORE_TEST(OptionCalls, PrintsAsMuchAsThereIsRoomFor) {
  EXPECT_EQ(PrintOption("purge_delay", nullptr, 0), 6);
  char text[8] = "xxxxxxx";
  EXPECT_EQ(PrintOption("purge_delay", text, 1), 6);
  EXPECT_STREQ(text, "");
  EXPECT_EQ(text[1], 'x');
  EXPECT_EQ(PrintOption("purge_delay", text, 4), 6);
  EXPECT_STREQ(text, "100");
  EXPECT_EQ(PrintOption("purge_delay", text, 7), 6);
  EXPECT_STREQ(text, "1000ms");
}

CORE_TEST(OptionCalls, OverruleTheEnvironmentAlsoBeforeTheFirstUse) {
  fake_os::SetEnvironment("MEMALLOC_TOP_PAD", "2M");
  fake_os::SetEnvironment("MEMALLOC_PURGE_DELAY", "2s");
  EXPECT_EQ(SetOptionByName("top_pad", "3M"), 0);
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kTopPad), 3 * kMiB);
  EXPECT_EQ(Printed("purge_delay"), "2000ms");
}

CORE_TEST(OptionCalls, SeeTheEnvironmentBeforeTheFirstUse) {
  fake_os::SetEnvironment("MEMALLOC_TOP_PAD", "2M");
  EXPECT_EQ(Printed("top_pad"), "2M");
}

// ---- the environment ----

// Whatever comes first: a small block, a large one, a huge one.
TEST(OptionEnvironment, IsReadByTheFirstAllocation) {
  for (const size_t size : {size_t{1}, 100 * kKiB, 100 * kMiB}) {
    SCOPED_TRACE(size);
    RunInFreshProcess([size] {
      fake_os::SetEnvironment("OTHERS_TOP_PAD", "1");
      fake_os::SetEnvironment("MEMALLOC_TOP_PAD", "7M");
      EXPECT_NE(Allocate(size), nullptr);
      EXPECT_EQ(GetOption(Option::kTopPad), 7 * kMiB);
      fake_os::SetEnvironment("MEMALLOC_TOP_PAD", "8M");
      EXPECT_NE(Allocate(size), nullptr);
      EXPECT_EQ(GetOption(Option::kTopPad), 7 * kMiB) << "read once";
    });
  }
}

CORE_TEST(OptionEnvironment, CountsForNothingInAPrivilegedProgram) {
  fake_os::SetEnvironment("MEMALLOC_TOP_PAD", "7M");
  fake_os::SetSecureExecution(true);
  strcpy(memalloc_options, "huge_cache=1M");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kTopPad), kMiB);
  EXPECT_EQ(GetOption(Option::kHugeCache), kMiB) << "the program's own counts";
}

TEST(OptionEnvironment, SaysNothingWithoutNeed) {
  EXPECT_EQ(OutputWith("MEMALLOC_TOP_PAD", "7M"), "");
  EXPECT_EQ(OutputWith("MEMALLOC_TOP_PAD", ""), "");
  EXPECT_EQ(OutputWith("MEMALLOC_NO_SUCH", ""), "");
  EXPECT_EQ(OutputWith("MEMALLOC_STATS_FILE", "/tmp/x"), "");
  EXPECT_EQ(OutputWith("MEMALLOC_NO_INSTALL", "1"), "");
  EXPECT_EQ(OutputWith("MEMALLOC_BAZEL_WRAPPER", "1"), "");
  EXPECT_EQ(OutputWith("MEMALLOCX", "1"), "");
  EXPECT_EQ(OutputWith("XMEMALLOC_X", "1"), "");
}

TEST(OptionEnvironment, UnknownNamesAreTold) {
  const std::string rest =
      "; it is ignored, see docs/errors.md#unknown-option\n";
  const auto told = [](const std::string& name) {
    return OutputWith("MEMALLOC_" + name, "1");
  };
  EXPECT_EQ(told("FOO"), "memalloc: MEMALLOC_FOO: no such option" + rest);
  EXPECT_EQ(told(""), "memalloc: MEMALLOC_: no such option" + rest);
  for (const char* name : {"PURGE_DELY", "PURGEDELAY", "PURGE_DELAYS",
                           "PURGE_DELYA", "purge_delay", "PRUGE_DELAY"}) {
    EXPECT_EQ(told(name), "memalloc: MEMALLOC_" + std::string(name) +
                              ": no such option (MEMALLOC_PURGE_DELAY?)" +
                              rest);
  }
  EXPECT_EQ(told("URGE_DLAYY"),
            "memalloc: MEMALLOC_URGE_DLAYY: no such option" + rest)
      << "three letters";
  EXPECT_EQ(told("STAT_FILE"),
            "memalloc: MEMALLOC_STAT_FILE: no such option "
            "(MEMALLOC_STATS_FILE?)" +
                rest);
  EXPECT_EQ(told("HARD_LIMITS"),
            "memalloc: MEMALLOC_HARD_LIMITS: no such option "
            "(MEMALLOC_HARD_LIMIT?)" +
                rest);
  EXPECT_EQ(told(std::string(1000, 'A') + "\n\x80"),
            "memalloc: MEMALLOC_" + std::string(80, 'A') +
                "...: no such option" + rest);
  EXPECT_EQ(told("A\n\x80"), "memalloc: MEMALLOC_A??: no such option" + rest);
}

TEST(OptionEnvironment, BadValuesAreTold) {
  const std::string rest = "; it is ignored, see docs/errors.md#bad-value\n";
  EXPECT_EQ(OutputWith("MEMALLOC_TOP_PAD", "1X"),
            "memalloc: MEMALLOC_TOP_PAD=1X: wants bytes such as 64M, at most "
            "64T" +
                rest);
  EXPECT_EQ(OutputWith("MEMALLOC_HUGE_THRESHOLD", "9M"),
            "memalloc: MEMALLOC_HUGE_THRESHOLD=9M: wants bytes such as 64M, at "
            "most 8M" +
                rest);
  EXPECT_EQ(OutputWith("MEMALLOC_PURGE_DELAY", "soon"),
            "memalloc: MEMALLOC_PURGE_DELAY=soon: wants a time such as 500ms "
            "or 2s, at most 2147483648ms" +
                rest);
  EXPECT_EQ(OutputWith("MEMALLOC_CGROUP_LIMIT", "a=b"),
            "memalloc: MEMALLOC_CGROUP_LIMIT=a=b: wants 0 or 1" + rest);
  EXPECT_EQ(OutputWith("MEMALLOC_HUGE_PAGES", "some"),
            "memalloc: MEMALLOC_HUGE_PAGES=some: wants never, default or "
            "always" +
                rest);
}

TEST(OptionEnvironment, TheRestCounts) {
  const std::string output = OutputUntilAbort([] {
    fake_os::SetEnvironment("MEMALLOC_TOP_PAD", "x");
    fake_os::SetEnvironment("MEMALLOC_HUGE_CACHE", "1M");
    fake_os::SetEnvironment("MEMALLOC_FOO", "x");
    fake_os::SetEnvironment("MEMALLOC_SOFT_LIMIT", "1G");
    Allocate(1);
    EXPECT_EQ(GetOption(Option::kTopPad), kMiB);
    EXPECT_EQ(GetOption(Option::kHugeCache), kMiB);
    EXPECT_EQ(GetOption(Option::kSoftLimit), 1024 * kMiB);
    abort();
  });
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 2) << output;
}

// ---- the program's options ----

CORE_TEST(ProgramsOptions, AreReadAtTheFirstUse) {
  strcpy(memalloc_options,
         "purge_delay=500ms, huge_pages = never ,,top_pad=2M,");
  fake_os::SetEnvironment("MEMALLOC_TOP_PAD", "3M");
  Allocate(1);
  EXPECT_EQ(Printed("purge_delay"), "500ms");
  EXPECT_EQ(Printed("huge_pages"), "never");
  EXPECT_EQ(Printed("top_pad"), "3M") << "the environment overrules them";
}

TEST(ProgramsOptions, MistakesAreTold) {
  const std::string output = OutputUntilAbort([] {
    strcpy(memalloc_options, "top_pads=1,top_pad,huge_cache=2X,soft_limit=3M");
    Allocate(1);
    EXPECT_EQ(GetOption(Option::kSoftLimit), 3 * kMiB);
    abort();
  });
  EXPECT_EQ(output,
            "memalloc: memalloc_options: top_pads: no such option (top_pad?); "
            "it is ignored, see docs/errors.md#unknown-option\n"
            "memalloc: memalloc_options: top_pad=: wants bytes such as 64M, at "
            "most 64T; it is ignored, see docs/errors.md#bad-value\n"
            "memalloc: memalloc_options: huge_cache=2X: wants bytes such as "
            "64M, at most 64T; it is ignored, see docs/errors.md#bad-value\n");
}

// ---- the control group ----

constexpr char kNoGroup[] =
    "memalloc: cgroup_limit: the control group's memory.max cannot be read; it "
    "is ignored, see docs/errors.md#no-cgroup-limit\n";

void SetGroup(const std::string& path) {
  fake_os::SetFile("/proc/self/cgroup", "1:name=x:/other\n0::" + path + "\n");
  fake_os::SetEnvironment("MEMALLOC_CGROUP_LIMIT", "1");
}
void SetGroupsFile(const std::string& file, const std::string& text) {
  fake_os::SetFile("/sys/fs/cgroup" + file, text + "\n");
}

CORE_TEST(CgroupLimits, AreTheGroups) {
  SetGroup("/a/b");
  SetGroupsFile("/a/b/memory.high", "104857600");
  SetGroupsFile("/a/b/memory.max", "167772160");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kSoftLimit), 100 * kMiB);
  EXPECT_EQ(GetOption(Option::kHardLimit), 150 * kMiB) << "less a sixteenth";
}

CORE_TEST(CgroupLimits, AreNotAskedForUnlessSaid) {
  SetGroup("/a");
  SetGroupsFile("/a/memory.max", "167772160");
  fake_os::SetEnvironment("MEMALLOC_CGROUP_LIMIT", "0");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kHardLimit), 0U);
}

CORE_TEST(CgroupLimits, MaxIsNone) {
  SetGroup("/a");
  SetGroupsFile("/a/memory.high", "max");
  SetGroupsFile("/a/memory.max", "max");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kSoftLimit), 0U);
  EXPECT_EQ(GetOption(Option::kHardLimit), 0U);
}

// In a container the group is the top.
CORE_TEST(CgroupLimits, OfTheTop) {
  SetGroup("/");
  SetGroupsFile("/memory.max", "16777216");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kHardLimit), 15 * kMiB);
}

CORE_TEST(CgroupLimits, TheLeastOfAllGroupsAboveCounts) {
  SetGroup("/a/b/c");
  SetGroupsFile("/a/b/c/memory.high", "max");
  SetGroupsFile("/a/b/c/memory.max", "33554432");
  SetGroupsFile("/a/b/memory.high", "4194304");
  SetGroupsFile("/a/b/memory.max", "max");
  SetGroupsFile("/a/memory.high", "8388608");
  SetGroupsFile("/a/memory.max", "16777216");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kSoftLimit), 4 * kMiB);
  EXPECT_EQ(GetOption(Option::kHardLimit), 15 * kMiB);
}

CORE_TEST(CgroupLimits, LowerWhatIsSetAndNeverRaiseIt) {
  SetGroup("/a");
  SetGroupsFile("/a/memory.high", "4194304");
  SetGroupsFile("/a/memory.max", "16777216");
  fake_os::SetEnvironment("MEMALLOC_SOFT_LIMIT", "5M");
  fake_os::SetEnvironment("MEMALLOC_HARD_LIMIT", "6M");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kSoftLimit), 4 * kMiB);
  EXPECT_EQ(GetOption(Option::kHardLimit), 6 * kMiB);
}

CORE_TEST(CgroupLimits, ByCall) {
  fake_os::SetFile("/proc/self/cgroup", "0::/a\n");
  SetGroupsFile("/a/memory.max", "0");
  Allocate(1);
  EXPECT_EQ(GetOption(Option::kHardLimit), 0U);
  EXPECT_EQ(SetOptionByName("cgroup_limit", "1"), 0);
  EXPECT_EQ(GetOption(Option::kHardLimit), 1U) << "0 would be none";
}

TEST(CgroupLimits, WhatCannotBeReadIsTold) {
  for (const char* groups :
       {"", "1:memory:/x\n", "0::/a\n", "0::/a", "0:", "0::\n"}) {
    SCOPED_TRACE(groups);
    const std::string output = OutputUntilAbort([groups] {
      fake_os::SetEnvironment("MEMALLOC_CGROUP_LIMIT", "1");
      fake_os::SetFile("/proc/self/cgroup", groups);
      Allocate(1);
      EXPECT_EQ(GetOption(Option::kSoftLimit), 0U);
      EXPECT_EQ(GetOption(Option::kHardLimit), 0U);
      abort();
    });
    EXPECT_EQ(output, kNoGroup);
  }
}

CORE_TEST(CgroupLimits, LongPathsAreNotWrittenOver) {
  for (const size_t length : {500, 511, 512, 600, 5000}) {
    SetGroup("/" + std::string(length - 1, 'a'));
    SetGroupsFile("/memory.max", "16777216");
    EXPECT_EQ(SetOptionByName("cgroup_limit", "1"), 0);
  }
}

}  // namespace
}  // namespace memalloc
