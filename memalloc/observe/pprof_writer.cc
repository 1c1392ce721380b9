// profile.proto; see pprof_writer.h. The numbers are those of its fields.

#include "memalloc/observe/pprof_writer.h"

#include <string.h>

#include <algorithm>

#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/symbols.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

enum ProfileField : unsigned {
  kSampleTypeField = 1,
  kSampleField = 2,
  kMappingField = 3,
  kLocationField = 4,
  kFunctionField = 5,
  kStringField = 6,
  kTimeField = 9,
  kPeriodTypeField = 11,
  kPeriodField = 12,
  kCommentField = 13,
  kDefaultTypeField = 14,
};

// Within the call, from the address behind it.
uintptr_t CallOf(uintptr_t frame) { return frame - 1; }

// A varint takes ten bytes at most.
constexpr size_t kMaxVarint = 10;

size_t EncodeVarint(uint64_t value, char* bytes) {
  size_t size = 0;
  for (; value >= 128; value >>= 7) {
    bytes[size++] = static_cast<char>(value | 128);
  }
  bytes[size++] = static_cast<char>(value);
  return size;
}

// Wire types.
constexpr unsigned kNumberType = 0;
constexpr unsigned kBytesType = 2;
uint64_t KeyOf(unsigned field, unsigned type) { return field << 3 | type; }

bool HasPrefix(const Mapping& mapping, const char* prefix) {
  const size_t size = strlen(prefix);
  return mapping.path_size >= size && memcmp(mapping.path, prefix, size) == 0;
}

// Without what the kernel adds.
size_t PathSize(const Mapping& mapping) {
  constexpr char kDeleted[] = " (deleted)";
  constexpr size_t kSize = sizeof(kDeleted) - 1;
  const size_t size = mapping.path_size;
  const bool is_deleted =
      size > kSize && memcmp(mapping.path + size - kSize, kDeleted, kSize) == 0;
  return is_deleted ? size - kSize : size;
}

}  // namespace

// ---- messages ----

void ProtoMessage::Varint(uint64_t value) {
  if (size_ + kMaxVarint <= kCapacity) {
    size_ += EncodeVarint(value, data_ + size_);
  }
}

ProtoMessage& ProtoMessage::Number(unsigned field, uint64_t value) {
  Varint(KeyOf(field, kNumberType));
  Varint(value);
  return *this;
}

ProtoMessage& ProtoMessage::Message(unsigned field,
                                    const ProtoMessage& message) {
  if (size_ + 2 * kMaxVarint + message.size_ > kCapacity) return *this;
  Varint(KeyOf(field, kBytesType));
  Varint(message.size_);
  memcpy(data_ + size_, message.data_, message.size_);
  size_ += message.size_;
  return *this;
}

// ---- the profile ----

PprofWriter::PprofWriter(ReportWriter& out, const SampleType* types,
                         size_t type_count, uint64_t period)
    : out_(out), type_count_(type_count) {
  String("");
  for (size_t i = 0; i < type_count; ++i) {
    const uint64_t type = String(types[i].type);
    const uint64_t unit = String(types[i].unit);
    Message(kSampleTypeField, ProtoMessage().Number(1, type).Number(2, unit));
    if (i + 1 < type_count) continue;
    ProtoMessage rest;
    rest.Number(kDefaultTypeField, type);
    out_.Bytes(rest.data(), rest.size());
  }
  const uint64_t space = String("space");
  const uint64_t bytes = String("bytes");
  Message(kPeriodTypeField, ProtoMessage().Number(1, space).Number(2, bytes));
  ProtoMessage rest;
  rest.Number(kPeriodField, period);
  rest.Number(kTimeField, os::NowOnTheCalendar());
  out_.Bytes(rest.data(), rest.size());
}

void PprofWriter::Field(unsigned field, const char* data, size_t size) {
  char head[2 * kMaxVarint];
  size_t length = EncodeVarint(KeyOf(field, kBytesType), head);
  length += EncodeVarint(size, head + length);
  out_.Bytes(head, length);
  out_.Bytes(data, size);
}

void PprofWriter::Message(unsigned field, const ProtoMessage& message) {
  Field(field, message.data(), message.size());
}

uint64_t PprofWriter::String(const char* text, size_t size) {
  Field(kStringField, text, size);
  return strings_++;
}

uint64_t PprofWriter::String(const char* text) {
  return String(text, strlen(text));
}

void PprofWriter::Sample(const uintptr_t* frames, size_t depth,
                         const int64_t* values, uint64_t key, uint64_t label) {
  ProtoMessage sample;
  for (size_t i = 0; i < depth; ++i) sample.Number(1, CallOf(frames[i]));
  for (size_t i = 0; i < type_count_; ++i) {
    sample.Number(2, static_cast<uint64_t>(values[i]));
  }
  if (key != 0) {
    sample.Message(3, ProtoMessage().Number(1, key).Number(2, label));
  }
  Message(kSampleField, sample);
}

void PprofWriter::Comment(const char* text) {
  ProtoMessage rest;
  rest.Number(kCommentField, String(text));
  out_.Bytes(rest.data(), rest.size());
}

void PprofWriter::Locations(const uintptr_t* frames, size_t count) {
  const MappedMemory memory(count * sizeof(uintptr_t));
  auto* addresses = memory.As<uintptr_t>();
  if (addresses == nullptr) return;
  std::transform(frames, frames + count, addresses, &CallOf);
  const uintptr_t* next = addresses;
  const uintptr_t* end = addresses + count;
  uint64_t number = 0;
  Mappings mappings;
  Mapping mapping;
  while (mappings.Next(&mapping)) {
    const bool is_file = HasPrefix(mapping, "/") || HasPrefix(mapping, "[vdso");
    if (!mapping.is_executable || !is_file) continue;
    for (; next < end && *next < mapping.start; ++next) Location(*next, 0, 0);
    const uintptr_t* behind = std::lower_bound(next, end, mapping.end);
    LocationsOf(mapping, ++number, next, static_cast<size_t>(behind - next));
    next = behind;
  }
  for (; next < end; ++next) Location(*next, 0, 0);
}

// The mapping, and the locations in it.
void PprofWriter::LocationsOf(const Mapping& mapping, uint64_t number,
                              const uintptr_t* addresses, size_t count) {
  const uint64_t path = String(mapping.path, PathSize(mapping));
  const uint64_t build_id = String(BuildIdAt(mapping.start).text);
  Message(kMappingField, ProtoMessage()
                             .Number(1, number)
                             .Number(2, mapping.start)
                             .Number(3, mapping.end)
                             .Number(4, mapping.offset)
                             .Number(5, path)
                             .Number(6, build_id));
  const MappedMemory memory(count * sizeof(const char*));
  const char** names = memory.As<const char*>();
  if (count == 0 || names == nullptr) return;
  const SymbolFile file(mapping);
  file.Find(addresses, count, names);
  const char* last_name = nullptr;
  for (size_t i = 0; i < count; ++i) {
    if (names[i] != nullptr && names[i] != last_name) {
      const uint64_t name = String(names[i]);
      Message(kFunctionField, ProtoMessage()
                                  .Number(1, ++functions_)
                                  .Number(2, name)
                                  .Number(3, name));
    }
    last_name = names[i];
    Location(addresses[i], number, last_name == nullptr ? 0 : functions_);
  }
}

// In no mapping, or of no known function, if the number is 0.
void PprofWriter::Location(uintptr_t address, uint64_t mapping,
                           uint64_t function) {
  ProtoMessage location;
  location.Number(1, address);  // serves as its number too
  location.Number(2, mapping);
  location.Number(3, address);
  if (function != 0) location.Message(4, ProtoMessage().Number(1, function));
  Message(kLocationField, location);
}

}  // namespace memalloc
