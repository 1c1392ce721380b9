// Symbol tables; see symbols.h. The file is somebody else's: nothing in it is
// believed.

#include "memalloc/observe/symbols.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include <algorithm>

#include "memalloc/observe/mapped_memory.h"
#include "memalloc/os/os.h"

namespace memalloc {

SymbolFile::SymbolFile(const Mapping& mapping) : mapping_(mapping) {
  if (mapping.path_size == 0 || mapping.path[0] != '/') return;
  // Stacks are small.
  const MappedMemory memory(mapping.path_size + 1);
  char* path = memory.As<char>();
  if (path == nullptr) return;
  memcpy(path, mapping.path, mapping.path_size);
  path[mapping.path_size] = '\0';
  file_ = os::MapFile(path, &size_);
}

SymbolFile::~SymbolFile() {
  if (file_ != 0) os::Unmap(file_, size_);
}

bool SymbolFile::FindBias(uintptr_t* bias) const {
  const auto* header = At<ElfW(Ehdr)>(0, 1);
  if (header == nullptr || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return false;
  }
  const auto* segments = At<ElfW(Phdr)>(header->e_phoff, header->e_phnum);
  if (segments == nullptr) return false;
  for (size_t i = 0; i < header->e_phnum; ++i) {
    const ElfW(Phdr)& segment = segments[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    // Mappings begin at pages, segments need not.
    if (mapping_.offset + (mapping_.end - mapping_.start) <= segment.p_offset ||
        mapping_.offset >= segment.p_offset + segment.p_filesz) {
      continue;
    }
    *bias =
        mapping_.start - mapping_.offset - (segment.p_vaddr - segment.p_offset);
    return true;
  }
  return false;
}

void SymbolFile::Find(const uintptr_t* addresses, size_t count,
                      const char** names) const {
  uintptr_t bias;
  if (!FindBias(&bias)) return;
  const auto* header = At<ElfW(Ehdr)>(0, 1);
  const auto* sections = At<ElfW(Shdr)>(header->e_shoff, header->e_shnum);
  if (sections == nullptr) return;
  // Stripped files have the dynamic symbols only.
  const ElfW(Shdr)* table = nullptr;
  for (size_t i = 0; i < header->e_shnum; ++i) {
    const bool is_full = sections[i].sh_type == SHT_SYMTAB;
    if (is_full || (sections[i].sh_type == SHT_DYNSYM && table == nullptr)) {
      table = &sections[i];
    }
    if (is_full) break;
  }
  if (table == nullptr || table->sh_link >= header->e_shnum) return;
  const ElfW(Shdr)& text = sections[table->sh_link];
  const size_t symbol_count = table->sh_size / sizeof(ElfW(Sym));
  const auto* symbols = At<ElfW(Sym)>(table->sh_offset, symbol_count);
  const char* strings = At<char>(text.sh_offset, text.sh_size);
  if (symbols == nullptr || strings == nullptr || text.sh_size == 0 ||
      strings[text.sh_size - 1] != '\0') {
    return;
  }
  for (size_t i = 0; i < symbol_count; ++i) {
    const ElfW(Sym)& symbol = symbols[i];
    const unsigned type = symbol.st_info & 15;
    const bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
    if (!is_function || symbol.st_shndx == SHN_UNDEF ||
        symbol.st_name >= text.sh_size) {
      continue;
    }
    const uintptr_t start = symbol.st_value + bias;
    const uintptr_t* end = addresses + count;
    for (const uintptr_t* found = std::lower_bound(addresses, end, start);
         found != end && *found - start < symbol.st_size; ++found) {
      names[found - addresses] = strings + symbol.st_name;
    }
  }
}

}  // namespace memalloc
