// /proc/self/maps, and the notes of what the dynamic linker loaded; see
// mappings.h.

#include "memalloc/observe/mappings.h"

#include <elf.h>
#include <link.h>
#include <string.h>

namespace memalloc {
namespace {

// Takes a hexadecimal number, and one character behind it, off the text.
uint64_t TakeHex(const char** text) {
  uint64_t value = 0;
  for (;; ++*text) {
    const char c = **text;
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<uint64_t>(c - 'a' + 10);
    } else {
      break;
    }
  }
  if (**text != '\0') ++*text;
  return value;
}

// Behind the next blanks.
void SkipField(const char** text) {
  while (**text != ' ' && **text != '\n' && **text != '\0') ++*text;
  while (**text == ' ') ++*text;
}

void ReadBuildId(const ElfW(Nhdr) & note, const char* bytes, BuildId* id) {
  char* text = id->text;
  for (size_t i = 0; i < Min<size_t>(note.n_descsz, BuildId::kMaxBytes); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    *text++ = "0123456789abcdef"[byte >> 4];
    *text++ = "0123456789abcdef"[byte & 15];
  }
  *text = '\0';
}

void LookIntoNotes(const char* notes, size_t size, BuildId* id) {
  constexpr char kGnu[] = "GNU";
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    memcpy(&note, notes, sizeof(note));
    const char* name = notes + sizeof(note);
    const char* bytes = name + RoundUp(note.n_namesz, 4);
    const size_t length =
        sizeof(note) + RoundUp(note.n_namesz, 4) + RoundUp(note.n_descsz, 4);
    if (length > size) return;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(kGnu) &&
        memcmp(name, kGnu, sizeof(kGnu)) == 0) {
      return ReadBuildId(note, bytes, id);
    }
    notes += length;
    size -= length;
  }
}

struct Search {
  uintptr_t address;
  BuildId id;
};

bool Contains(const dl_phdr_info& object, uintptr_t address) {
  for (size_t i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    const uintptr_t start = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= RoundDown(start, 4096) &&
        address < start + segment.p_memsz) {
      return true;
    }
  }
  return false;
}

int OnObject(struct dl_phdr_info* object, size_t /*size*/, void* argument) {
  auto* search = static_cast<Search*>(argument);
  if (!Contains(*object, search->address)) return 0;
  for (size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE || search->id.text[0] != '\0') continue;
    LookIntoNotes(
        reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr),
        segment.p_memsz, &search->id);
  }
  return 1;
}

}  // namespace

Mappings::Mappings() : text_(kTextSize), next_(text_.As<char>()) {
  if (next_ != nullptr) {
    const size_t size =
        os::ReadFile("/proc/self/maps", text_.As<char>(), kTextSize);
    is_whole_ = size > 0 && size < kTextSize - 1;
  }
}

// start-end rwxp offset device inode   path
bool Mappings::Next(Mapping* mapping) {
  if (next_ == nullptr || *next_ == '\0') return false;
  mapping->start = TakeHex(&next_);
  mapping->end = TakeHex(&next_);
  const bool has_rights = strnlen(next_, 4) == 4;
  mapping->is_readable = has_rights && next_[0] == 'r';
  mapping->is_writable = has_rights && next_[1] == 'w';
  mapping->is_executable = mapping->is_readable && next_[2] == 'x';
  mapping->is_private = has_rights && next_[3] == 'p';
  SkipField(&next_);
  mapping->offset = TakeHex(&next_);
  SkipField(&next_);
  SkipField(&next_);
  mapping->path = next_;
  while (*next_ != '\n' && *next_ != '\0') ++next_;
  mapping->path_size = static_cast<size_t>(next_ - mapping->path);
  if (*next_ == '\n') ++next_;
  return true;
}

BuildId BuildIdAt(uintptr_t address) {
  Search search = {address, {}};
  dl_iterate_phdr(&OnObject, &search);
  return search.id;
}

}  // namespace memalloc
