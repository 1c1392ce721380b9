// Flags that have the program leave a report in a file: it is there, and the
// last line says where.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ReportFilesTest : public ::testing::Test {
 protected:
  ReportFilesTest() { options_.directory = scratch_.path(); }

  void ExpectHeapMap(const std::string& path) {
    const std::string text = ReadFile(path);
    EXPECT_THAT(text, StartsWith("{\"memalloc_heap_map\":1,"));
    EXPECT_THAT(text, HasSubstr("\n{\"end\":true,"));
  }

  ScratchDirectory scratch_;
  StartOptions options_;
};

TEST_F(ReportFilesTest, HeapMapInTheCallersDirectory) {
  const Result result =
      RunRunner({"--heap-map=map", "bash", "-c", "cd /; exit 7"}, options_);
  EXPECT_EQ(result.ExitStatus(), 7);
  EXPECT_EQ(result.errors,
            "memalloc_run: heap map in " + scratch_ / "map" + "\n");
  ExpectHeapMap(scratch_ / "map");
}

TEST_F(ReportFilesTest, HeapMapOfEachProcess) {
  const Result result =
      RunRunner({"--stats", "--heap-map=" + scratch_ / "of.%p", "bash", "-c",
                 "ls; echo $$"},
                options_);
  EXPECT_EQ(result.ExitStatus(), 0);
  const std::string process = result.output.substr(0, result.output.find('\n'));
  EXPECT_THAT(result.errors, HasSubstr("peak RSS"));
  const std::string own = scratch_ / "of." + process;
  EXPECT_THAT(result.errors,
              EndsWith("memalloc_run: heap map in " + own + "\n"));
  ExpectHeapMap(own);
  size_t maps = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(scratch_.path())) {
    ExpectHeapMap(entry.path());
    ++maps;
  }
  EXPECT_EQ(maps, 2U) << "of bash and of ls";
}

// As /dev/stdout is.
TEST_F(ReportFilesTest, APipeIsWrittenToAndStays) {
  const std::string pipe = scratch_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int end = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(end, 0);
  RunRunner({"--heap-map=pipe", ProbePath(), "allocate", "1"}, options_);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  char text[65536];
  const ssize_t size = read(end, text, sizeof(text));
  close(end);
  ASSERT_GT(size, 0);
  EXPECT_THAT(std::string(text, static_cast<size_t>(size)),
              StartsWith("{\"memalloc_heap_map\":1,"));
}

TEST_F(ReportFilesTest, SaysThatThereIsNone) {
  scratch_.Write("map", "of another run");
  const Result result =
      RunRunner({"--heap-map=map", "bash", "-c", "kill -9 $$"}, options_);
  EXPECT_EQ(result.Signal(), 9);
  EXPECT_EQ(result.errors, "memalloc_run: no heap map: " + scratch_ / "map" +
                               " was not written\n");
}

}  // namespace
}  // namespace memalloc::run_testing
