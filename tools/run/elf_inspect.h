// Reads from an ELF file what decides whether it can take a preload.
//
// Files come from anywhere, so nothing in them is believed: every offset and
// size is checked against the file's size before it is used, every loop and
// every buffer is bounded by a constant, and the file is read with pread()
// (a mapping would fault when the file shrinks). A malformed file is a failure
// with a text, never a crash; testing/run feeds it damaged files by the
// thousand. Files of another class or byte order are recognised, not parsed.
// Used by preload_check.cc, preload_library.cc and compare_allocators.cc.

#ifndef TOOLS_RUN_ELF_INSPECT_H_
#define TOOLS_RUN_ELF_INSPECT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace memalloc::run {

// What machine code a file is for: the fields of e_ident and e_machine.
struct ElfAbi {
  uint8_t elf_class = 0;
  uint8_t byte_order = 0;
  uint16_t machine = 0;

  bool operator==(const ElfAbi& other) const {
    return elf_class == other.elf_class && byte_order == other.byte_order &&
           machine == other.machine;
  }
};

struct ElfFile {
  enum class Kind {
    kDynamic,        // has an interpreter, the dynamic loader
    kStatic,         // a program that runs without one
    kSharedLibrary,  // not a program
    kOther,          // an object file or a core dump
    kUnparsed,       // class or byte order are not this machine's
  };
  ElfAbi abi;
  Kind kind = Kind::kUnparsed;
  // PT_INTERP; empty unless kDynamic.
  std::string interpreter;
};

// Whether a file that begins with `start` claims to be an ELF file.
bool HasElfMagic(absl::string_view start);

// Inspects the open file; its file position does not matter. A failure's text
// follows "it is a malformed ELF file: ".
absl::StatusOr<ElfFile> InspectElf(int fd);

// Whether the open file is a shared object for this machine that defines malloc
// for others, by its dynamic symbols. False if it is malformed.
bool DefinesMalloc(int fd);

// For people: "64-bit x86-64".
std::string AbiName(const ElfAbi& abi);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_ELF_INSPECT_H_
