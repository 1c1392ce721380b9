// InspectElf on real, hand-made and damaged files.
//
// The hand-made files are built from <elf.h> structures, one defect each, and
// the failure's text is compared. The damaged ones are thousands of variants of
// a real program: any answer is right but a crash, and under
// --config=asan an overrun.

#include "tools/run/elf_inspect.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <random>
#include <string>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

using run_testing::DataFile;
using run_testing::ReadFile;
using Kind = ElfFile::Kind;

absl::StatusOr<ElfFile> Inspect(const std::string& contents) {
  const int fd = memfd_create("elf", MFD_CLOEXEC);
  EXPECT_EQ(write(fd, contents.data(), contents.size()),
            static_cast<ssize_t>(contents.size()));
  absl::StatusOr<ElfFile> file = InspectElf(fd);
  DefinesMalloc(fd);
  close(fd);
  return file;
}

std::string Error(const std::string& contents) {
  const absl::StatusOr<ElfFile> file = Inspect(contents);
  if (file.ok()) return "no error";
  EXPECT_EQ(ExitStatus(file.status()), 126);
  return std::string(file.status().message());
}

Kind KindOf(const std::string& contents) {
  const absl::StatusOr<ElfFile> file = Inspect(contents);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? file->kind : Kind::kUnparsed;
}

// A file of this machine's format with one segment, laid out as
// header, program header, payload.
struct HandMade {
  ElfW(Ehdr) header = {};
  ElfW(Phdr) segment = {};
  std::string payload;

  HandMade() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
    header.e_ident[EI_DATA] =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    header.e_type = ET_DYN;
    header.e_machine = EM_AARCH64;
    header.e_phentsize = sizeof(segment);
    header.e_phnum = 1;
    header.e_phoff = sizeof(header);
  }

  void SetPayload(uint32_t type, std::string bytes) {
    payload = std::move(bytes);
    segment.p_type = type;
    segment.p_offset = sizeof(header) + sizeof(segment);
    segment.p_filesz = payload.size();
  }

  std::string Bytes() const {
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
    bytes.append(reinterpret_cast<const char*>(&segment), sizeof(segment));
    return bytes + payload;
  }
};

std::string DynamicEntries(std::initializer_list<ElfW(Dyn)> entries) {
  std::string bytes;
  for (const ElfW(Dyn) & entry : entries) {
    bytes.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
  }
  return bytes;
}

ElfW(Dyn) Entry(int64_t tag, uint64_t value) {
  ElfW(Dyn) entry = {};
  entry.d_tag = static_cast<decltype(entry.d_tag)>(tag);
  entry.d_un.d_val = static_cast<decltype(entry.d_un.d_val)>(value);
  return entry;
}

TEST(ElfInspectTest, RealFiles) {
  const absl::StatusOr<ElfFile> probe =
      Inspect(ReadFile(DataFile("testing/run/probe")));
  ASSERT_TRUE(probe.ok()) << probe.status();
  EXPECT_EQ(probe->kind, Kind::kDynamic);
  EXPECT_EQ(access(probe->interpreter.c_str(), X_OK), 0) << probe->interpreter;
  for (const char* program :
       {"testing/run/static_program", "testing/run/static_pie_program"}) {
    const absl::StatusOr<ElfFile> file = Inspect(ReadFile(DataFile(program)));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->kind, Kind::kStatic) << program;
    EXPECT_TRUE(file->abi == probe->abi) << program;
    EXPECT_EQ(file->interpreter, "") << program;
  }
}

TEST(ElfInspectTest, Magic) {
  EXPECT_TRUE(
      HasElfMagic("\x7f"
                  "ELF"));
  EXPECT_TRUE(
      HasElfMagic("\x7f"
                  "ELF..."));
  EXPECT_FALSE(
      HasElfMagic("\x7f"
                  "EL"));
  EXPECT_FALSE(HasElfMagic(""));
  EXPECT_EQ(Error(std::string(100, 'x')), "the ELF header has no magic number");
}

TEST(ElfInspectTest, OtherClassesAndByteOrdersAreNamedNotParsed) {
  HandMade made;
  made.header.e_ident[EI_CLASS] = sizeof(void*) == 8 ? ELFCLASS32 : ELFCLASS64;
  absl::StatusOr<ElfFile> file = Inspect(made.Bytes());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->kind, Kind::kUnparsed);

  std::string big_endian(sizeof(Elf32_Ehdr), '\0');
  big_endian.replace(0, SELFMAG, ELFMAG);
  big_endian[EI_CLASS] = ELFCLASS32;
  big_endian[EI_DATA] = ELFDATA2MSB;
  big_endian[offsetof(Elf32_Ehdr, e_machine) + 1] = EM_PPC;
  file = Inspect(big_endian);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->kind, Kind::kUnparsed);
  EXPECT_EQ(AbiName(file->abi), "32-bit PowerPC (big-endian)");
}

TEST(ElfInspectTest, AbiNames) {
  EXPECT_EQ(AbiName({ELFCLASS64, ELFDATA2LSB, EM_X86_64}), "64-bit x86-64");
  EXPECT_EQ(AbiName({ELFCLASS32, ELFDATA2LSB, EM_X86_64}), "32-bit x86-64");
  EXPECT_EQ(AbiName({ELFCLASS64, ELFDATA2LSB, EM_AARCH64}), "64-bit AArch64");
  EXPECT_EQ(AbiName({ELFCLASS64, ELFDATA2LSB, 4711}), "64-bit machine 4711");
}

TEST(ElfInspectTest, ShortHeaders) {
  const std::string bytes = HandMade().Bytes();
  for (size_t size = SELFMAG; size < sizeof(ElfW(Ehdr)); ++size) {
    EXPECT_EQ(Error(bytes.substr(0, size)),
              "the ELF header ends after the end of the file");
  }
  EXPECT_EQ(Error(bytes.substr(0, sizeof(ElfW(Ehdr)))),
            "the program header table ends after the end of the file");
}

TEST(ElfInspectTest, HeaderDefects) {
  HandMade made;
  made.header.e_ident[EI_CLASS] = 3;
  EXPECT_EQ(Error(made.Bytes()), "its class is neither 32 nor 64 bits");
  made = HandMade();
  made.header.e_ident[EI_DATA] = 0;
  EXPECT_EQ(Error(made.Bytes()), "its byte order is unknown");
  made = HandMade();
  made.header.e_phentsize = 1;
  EXPECT_EQ(Error(made.Bytes()), "its program headers have an unknown size");
  made = HandMade();
  made.header.e_phnum = 0;
  EXPECT_EQ(Error(made.Bytes()), "it has no program headers or too many");
  made.header.e_phnum = 0xffff;
  EXPECT_EQ(Error(made.Bytes()), "it has no program headers or too many");
  for (const uint64_t offset : {uint64_t{100000}, uint64_t{INT64_MAX},
                                uint64_t{UINT64_MAX}, UINT64_MAX - 55}) {
    made = HandMade();
    made.header.e_phoff = static_cast<ElfW(Off)>(offset);
    EXPECT_EQ(Error(made.Bytes()),
              "the program header table ends after the end of the file");
  }
}

TEST(ElfInspectTest, NotPrograms) {
  for (const uint16_t type : {ET_NONE, ET_REL, ET_CORE, 0xfe00}) {
    HandMade made;
    made.header.e_type = type;
    EXPECT_EQ(KindOf(made.Bytes()), Kind::kOther) << type;
  }
}

TEST(ElfInspectTest, Interpreter) {
  HandMade made;
  made.SetPayload(PT_INTERP, std::string("/lib/ld.so\0junk\0", 16));
  const absl::StatusOr<ElfFile> file = Inspect(made.Bytes());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->kind, Kind::kDynamic);
  EXPECT_EQ(file->interpreter, "/lib/ld.so");

  made.SetPayload(PT_INTERP, "/lib/ld.so");
  EXPECT_EQ(Error(made.Bytes()), "PT_INTERP is not terminated");
  made.SetPayload(PT_INTERP, std::string(2, '\0'));
  EXPECT_EQ(Error(made.Bytes()), "PT_INTERP is empty");
  for (const size_t size : {size_t{0}, size_t{1}, size_t{PATH_MAX + 1}}) {
    made.SetPayload(PT_INTERP, std::string(size, '\0'));
    EXPECT_EQ(Error(made.Bytes()), "PT_INTERP has an impossible size");
  }
  made.SetPayload(PT_INTERP, std::string("/lib/ld.so\0", 11));
  made.segment.p_filesz += 1;
  EXPECT_EQ(Error(made.Bytes()), "PT_INTERP ends after the end of the file");
  made.segment.p_offset = static_cast<ElfW(Off)>(-4);
  EXPECT_EQ(Error(made.Bytes()), "PT_INTERP ends after the end of the file");
}

TEST(ElfInspectTest, SharedLibraryOrStaticProgram) {
  HandMade made;
  EXPECT_EQ(KindOf(made.Bytes()), Kind::kStatic) << "nothing is known";
  made.SetPayload(PT_DYNAMIC, DynamicEntries({Entry(DT_SONAME, 1)}));
  EXPECT_EQ(KindOf(made.Bytes()), Kind::kSharedLibrary);
  made.SetPayload(PT_DYNAMIC, DynamicEntries({Entry(DT_SONAME, 1),
                                              Entry(DT_FLAGS_1, DF_1_PIE)}));
  EXPECT_EQ(KindOf(made.Bytes()), Kind::kStatic);
  made.SetPayload(PT_DYNAMIC,
                  DynamicEntries({Entry(DT_NULL, 0), Entry(DT_SONAME, 1)}));
  EXPECT_EQ(KindOf(made.Bytes()), Kind::kStatic) << "the end comes first";
  made.SetPayload(PT_DYNAMIC, DynamicEntries({Entry(DT_SONAME, 1)}));
  made.header.e_type = ET_EXEC;
  EXPECT_EQ(KindOf(made.Bytes()), Kind::kStatic) << "ET_EXEC is a program";
  made.header.e_type = ET_DYN;
  made.segment.p_filesz = static_cast<ElfW(Xword)>(-1);
  EXPECT_EQ(Error(made.Bytes()), "PT_DYNAMIC ends after the end of the file");
}

TEST(ElfInspectTest, EveryTruncationOfARealProgram) {
  const std::string program = ReadFile(DataFile("testing/run/probe"));
  // Densely where the structures are, then in steps.
  for (size_t size = 0; size < program.size();
       size += size < 8192 ? 1 : program.size() / 500 + 1) {
    const absl::StatusOr<ElfFile> file = Inspect(program.substr(0, size));
    if (file.ok()) {
      EXPECT_EQ(file->kind, Kind::kDynamic) << size;
    }
  }
}

TEST(ElfInspectTest, RandomDamageOfRealPrograms) {
  std::mt19937 random(20240501);
  size_t refused = 0;
  size_t understood = 0;
  for (const char* name :
       {"testing/run/probe", "testing/run/static_pie_program"}) {
    // The structures are in the first pages; fewer bytes make a quick test.
    const std::string program = ReadFile(DataFile(name)).substr(0, 16384);
    for (int round = 0; round < 5000; ++round) {
      std::string damaged = program;
      const size_t range = round % 2 == 0 ? 1024 : damaged.size();
      for (unsigned i = random() % 8 + 1; i > 0; --i) {
        // Past the magic number: that case has its own test.
        const size_t at = SELFMAG + random() % (range - SELFMAG);
        damaged[at] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
      }
      if (random() % 4 == 0) damaged.resize(random() % damaged.size());
      Inspect(damaged).ok() ? ++understood : ++refused;
    }
  }
  // Both answers occur, so the damage is neither harmless nor total.
  EXPECT_GT(refused, 100u);
  EXPECT_GT(understood, 100u);
}

}  // namespace
}  // namespace memalloc::run
