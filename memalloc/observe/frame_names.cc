// Places of frames; see frame_names.h.

#include "memalloc/observe/frame_names.h"

#include <string.h>

#include <algorithm>

#include "memalloc/observe/symbols.h"

namespace memalloc {
namespace {

// Room for the functions' names: what is more is left out.
size_t NamesRoom(size_t frames) { return (size_t{1} << 20) + 256 * frames; }

bool IsBefore(const FramePlace& place, uintptr_t address) {
  return place.address < address;
}

}  // namespace

FrameNames::FrameNames(const uintptr_t* frames, size_t count)
    : count_(count),
      places_(count * sizeof(FramePlace)),
      names_(NamesRoom(count)) {
  auto* next = places_.As<FramePlace>();
  if (next == nullptr) count_ = 0;
  for (size_t i = 0; i < count_; ++i) {
    next[i] = FramePlace();
    next[i].address = frames[i] - 1;
  }
  const FramePlace* end = next + count_;
  Mapping mapping;
  while (next != end && mappings_.Next(&mapping)) {
    if (!mapping.is_executable || mapping.path_size == 0) continue;
    next = std::lower_bound(next, next + (end - next), mapping.start, IsBefore);
    FramePlace* behind =
        std::lower_bound(next, next + (end - next), mapping.end, IsBefore);
    LookInto(mapping, next, static_cast<size_t>(behind - next));
    next = behind;
  }
}

void FrameNames::LookInto(const Mapping& mapping, FramePlace* places,
                          size_t count) {
  const MappedMemory memory(count * (sizeof(uintptr_t) + sizeof(char*)));
  auto* addresses = memory.As<uintptr_t>();
  if (count == 0 || addresses == nullptr) return;
  auto* names = reinterpret_cast<const char**>(addresses + count);
  for (size_t i = 0; i < count; ++i) addresses[i] = places[i].address;
  const SymbolFile file(mapping);
  uintptr_t bias = 0;
  if (!file.FindBias(&bias)) bias = mapping.start - mapping.offset;
  file.Find(addresses, count, names);
  for (size_t i = 0; i < count; ++i) {
    places[i].file = {mapping.path, mapping.path_size};
    places[i].offset = places[i].address - bias;
    if (names[i] == nullptr) continue;
    const bool is_last = i > 0 && names[i] == names[i - 1];
    places[i].function = is_last ? places[i - 1].function : Copy(names[i]);
  }
}

Span FrameNames::Copy(const char* name) {
  const size_t size = strlen(name);
  char* text = names_.As<char>();
  if (text == nullptr || size > names_.bytes() - names_size_) return {"", 0};
  text += names_size_;
  std::copy(name, name + size, text);
  names_size_ += size;
  return {text, size};
}

FramePlace FrameNames::Find(uintptr_t frame) const {
  const auto* first = places_.As<FramePlace>();
  const FramePlace* found =
      std::lower_bound(first, first + count_, frame - 1, IsBefore);
  if (found != first + count_ && found->address == frame - 1) return *found;
  FramePlace unknown;
  unknown.address = frame - 1;
  return unknown;
}

}  // namespace memalloc
