// Implementation of elf_inspect.h, with the structures of <elf.h>.
//
// The limits are the kernel's where it has one (fs/binfmt_elf.c: program
// headers of 64 KiB, an interpreter of PATH_MAX), so that a file which the
// kernel runs is never called malformed here. Every read goes through
// Reader, the only place that turns an offset of the file into bytes.

#include "tools/run/elf_inspect.h"

#include <elf.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

using Ehdr = ElfW(Ehdr);
using Phdr = ElfW(Phdr);
using Dyn = ElfW(Dyn);
using Shdr = ElfW(Shdr);
using Sym = ElfW(Sym);

constexpr uint8_t kNativeClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
constexpr uint8_t kNativeByteOrder =
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

constexpr size_t kMaxProgramHeaders = 65536 / sizeof(Phdr);
// Real dynamic sections have some dozens of entries.
constexpr size_t kMaxDynamicEntries = 4096;
// The largest libraries have some hundred thousand symbols.
constexpr size_t kMaxSymbols = size_t{1} << 20;
constexpr size_t kMaxNames = size_t{64} << 20;

// Checked access to the bytes of the file.
class Reader {
 public:
  Reader(int fd, uint64_t size) : fd_(fd), size_(size) {}

  // Fills `buffer` from `offset`; `part` names it in the failure.
  absl::Status Read(uint64_t offset, void* buffer, size_t length,
                    absl::string_view part) const {
    if (offset > size_ || length > size_ - offset) {
      return CannotRun(absl::StrCat(part, " ends after the end of the file"));
    }
    char* to = static_cast<char*>(buffer);
    while (length > 0) {
      const ssize_t count = pread(fd_, to, length, static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        return CannotRun(
            absl::StrCat(part, count < 0 ? absl::StrCat(": ", ErrnoText(errno))
                                         : " ends after the end of the file"));
      }
      to += count;
      offset += static_cast<size_t>(count);
      length -= static_cast<size_t>(count);
    }
    return absl::OkStatus();
  }

 private:
  const int fd_;
  const uint64_t size_;
};

// e_machine of a file in either byte order; it has the same place in both
// classes.
uint16_t Machine(const unsigned char* header, uint8_t byte_order) {
  const unsigned char* field = header + offsetof(Elf32_Ehdr, e_machine);
  static_assert(offsetof(Elf32_Ehdr, e_machine) ==
                offsetof(Elf64_Ehdr, e_machine));
  return byte_order == ELFDATA2MSB
             ? static_cast<uint16_t>(field[0] << 8 | field[1])
             : static_cast<uint16_t>(field[1] << 8 | field[0]);
}

absl::StatusOr<std::string> ReadInterpreter(const Reader& reader,
                                            const Phdr& segment) {
  if (segment.p_filesz < 2 || segment.p_filesz > PATH_MAX) {
    return CannotRun("PT_INTERP has an impossible size");
  }
  std::string path(segment.p_filesz, '\0');
  absl::Status status =
      reader.Read(segment.p_offset, path.data(), path.size(), "PT_INTERP");
  if (!status.ok()) return status;
  if (path.back() != '\0') return CannotRun("PT_INTERP is not terminated");
  path.resize(std::strlen(path.c_str()));
  if (path.empty()) return CannotRun("PT_INTERP is empty");
  return path;
}

// Tells a static position-independent program from a shared library: the
// linker marks the program with DF_1_PIE, and gives only the library a name.
absl::StatusOr<ElfFile::Kind> KindWithoutInterpreter(
    const Reader& reader, const std::vector<Phdr>& segments) {
  bool named = false;
  bool program = false;
  for (const Phdr& segment : segments) {
    if (segment.p_type != PT_DYNAMIC) continue;
    size_t count = segment.p_filesz / sizeof(Dyn);
    if (count > kMaxDynamicEntries) count = kMaxDynamicEntries;
    std::vector<Dyn> entries(count);
    absl::Status status = reader.Read(segment.p_offset, entries.data(),
                                      count * sizeof(Dyn), "PT_DYNAMIC");
    if (!status.ok()) return status;
    for (const Dyn& entry : entries) {
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_SONAME) named = true;
      if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_PIE) != 0) {
        program = true;
      }
    }
  }
  return named && !program ? ElfFile::Kind::kSharedLibrary
                           : ElfFile::Kind::kStatic;
}

absl::Status ParseNative(const Reader& reader, ElfFile& file) {
  Ehdr header;
  absl::Status status =
      reader.Read(0, &header, sizeof(header), "the ELF header");
  if (!status.ok()) return status;
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    file.kind = ElfFile::Kind::kOther;
    return absl::OkStatus();
  }
  if (header.e_phentsize != sizeof(Phdr)) {
    return CannotRun("its program headers have an unknown size");
  }
  if (header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders) {
    return CannotRun("it has no program headers or too many");
  }
  std::vector<Phdr> segments(header.e_phnum);
  status =
      reader.Read(header.e_phoff, segments.data(),
                  segments.size() * sizeof(Phdr), "the program header table");
  if (!status.ok()) return status;
  for (const Phdr& segment : segments) {
    if (segment.p_type != PT_INTERP) continue;
    // The kernel too takes the first and ignores others.
    absl::StatusOr<std::string> path = ReadInterpreter(reader, segment);
    if (!path.ok()) return path.status();
    file.kind = ElfFile::Kind::kDynamic;
    file.interpreter = *std::move(path);
    return absl::OkStatus();
  }
  file.kind = ElfFile::Kind::kStatic;
  if (header.e_type == ET_DYN) {
    absl::StatusOr<ElfFile::Kind> kind =
        KindWithoutInterpreter(reader, segments);
    if (!kind.ok()) return kind.status();
    file.kind = *kind;
  }
  return absl::OkStatus();
}

// Whether the section, a table of dynamic symbols, defines malloc.
bool SectionDefinesMalloc(const Reader& reader, const Shdr& symbols,
                          const Shdr& names) {
  std::vector<Sym> entries(
      std::min<size_t>(symbols.sh_size / sizeof(Sym), kMaxSymbols));
  std::string texts(std::min<size_t>(names.sh_size, kMaxNames), '\0');
  if (!reader
           .Read(symbols.sh_offset, entries.data(),
                 entries.size() * sizeof(Sym), "the symbols")
           .ok() ||
      !reader.Read(names.sh_offset, texts.data(), texts.size(), "their names")
           .ok()) {
    return false;
  }
  return std::any_of(entries.begin(), entries.end(), [&](const Sym& symbol) {
    return symbol.st_shndx != SHN_UNDEF && symbol.st_name < texts.size() &&
           std::strcmp(texts.c_str() + symbol.st_name, "malloc") == 0;
  });
}

struct MachineName {
  uint16_t machine;
  const char* name;
};

constexpr MachineName kMachineNames[] = {
    {EM_386, "x86"},     {EM_X86_64, "x86-64"},   {EM_ARM, "ARM"},
    {EM_PPC, "PowerPC"}, {EM_AARCH64, "AArch64"}, {EM_PPC64, "PowerPC"},
    {EM_S390, "S/390"},  {EM_RISCV, "RISC-V"},    {EM_MIPS, "MIPS"},
    {EM_SPARC, "SPARC"}, {EM_SPARCV9, "SPARC"},   {EM_IA_64, "Itanium"}};

}  // namespace

bool HasElfMagic(absl::string_view start) {
  return absl::StartsWith(start, absl::string_view(ELFMAG, SELFMAG));
}

absl::StatusOr<ElfFile> InspectElf(int fd) {
  struct stat file_stat;
  if (fstat(fd, &file_stat) != 0) return CannotRun(ErrnoText(errno));
  const Reader reader(fd, static_cast<uint64_t>(file_stat.st_size));
  // The shortest header there is; enough for what all classes share.
  unsigned char ident[sizeof(Elf32_Ehdr)];
  absl::Status status = reader.Read(0, ident, sizeof(ident), "the ELF header");
  if (!status.ok()) return status;
  if (std::memcmp(ident, ELFMAG, SELFMAG) != 0) {
    return CannotRun("the ELF header has no magic number");
  }
  ElfFile file;
  file.abi.elf_class = ident[EI_CLASS];
  file.abi.byte_order = ident[EI_DATA];
  if (file.abi.elf_class != ELFCLASS32 && file.abi.elf_class != ELFCLASS64) {
    return CannotRun("its class is neither 32 nor 64 bits");
  }
  if (file.abi.byte_order != ELFDATA2LSB &&
      file.abi.byte_order != ELFDATA2MSB) {
    return CannotRun("its byte order is unknown");
  }
  file.abi.machine = Machine(ident, file.abi.byte_order);
  if (file.abi.elf_class == kNativeClass &&
      file.abi.byte_order == kNativeByteOrder) {
    status = ParseNative(reader, file);
    if (!status.ok()) return status;
  }
  return file;
}

bool DefinesMalloc(int fd) {
  struct stat file_stat;
  const absl::StatusOr<ElfFile> file = InspectElf(fd);
  if (!file.ok() || file->kind == ElfFile::Kind::kUnparsed ||
      fstat(fd, &file_stat) != 0) {
    return false;
  }
  const Reader reader(fd, static_cast<uint64_t>(file_stat.st_size));
  Ehdr header;
  if (!reader.Read(0, &header, sizeof(header), "the ELF header").ok() ||
      header.e_shentsize != sizeof(Shdr)) {
    return false;
  }
  std::vector<Shdr> sections(header.e_shnum);
  if (!reader
           .Read(header.e_shoff, sections.data(),
                 sections.size() * sizeof(Shdr), "the section header table")
           .ok()) {
    return false;
  }
  return std::any_of(
      sections.begin(), sections.end(), [&](const Shdr& section) {
        return section.sh_type == SHT_DYNSYM &&
               section.sh_link < sections.size() &&
               SectionDefinesMalloc(reader, section, sections[section.sh_link]);
      });
}

std::string AbiName(const ElfAbi& abi) {
  std::string name = absl::StrCat("machine ", abi.machine);
  for (const MachineName& known : kMachineNames) {
    if (known.machine == abi.machine) name = known.name;
  }
  return absl::StrCat(abi.elf_class == ELFCLASS64 ? "64" : "32", "-bit ", name,
                      abi.byte_order == ELFDATA2MSB ? " (big-endian)" : "");
}

}  // namespace memalloc::run
