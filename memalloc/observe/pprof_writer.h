// A profile in the format of pprof: profile.proto of github.com/google/pprof,
// in protocol buffers' wire format, in gzip. Layer: observe.
//
// It has addresses, and says which files are mapped where: who reads it turns
// these into names.

#ifndef MEMALLOC_OBSERVE_PPROF_WRITER_H_
#define MEMALLOC_OBSERVE_PPROF_WRITER_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/gzip_writer.h"
#include "memalloc/observe/mappings.h"
#include "memalloc/observe/report_writer.h"

namespace memalloc {

// One message of protocol buffers. What does not fit is left out.
class ProtoMessage {
 public:
  ProtoMessage& Number(unsigned field, uint64_t value);
  ProtoMessage& Message(unsigned field, const ProtoMessage& message);

  const char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kCapacity = 1024;

  void Varint(uint64_t value);

  char data_[kCapacity];
  size_t size_ = 0;
};

// What is measured, as in {"inuse_space", "bytes"}.
struct SampleType {
  const char* type;
  const char* unit;
};

class PprofWriter {
 public:
  // The last of the types is what a reader shows first. An allocation is
  // sampled in each `period` bytes.
  PprofWriter(ReportWriter& out, const SampleType* types, size_t type_count,
              uint64_t period);
  PprofWriter(const PprofWriter&) = delete;
  PprofWriter& operator=(const PprofWriter&) = delete;

  // The number of a text; 0 is that of "".
  uint64_t String(const char* text, size_t size);
  uint64_t String(const char* text);

  // `frames` are return addresses, the innermost first; `key` and `label`, if
  // not 0, a text beside the values.
  void Sample(const uintptr_t* frames, size_t depth, const int64_t* values,
              uint64_t key, uint64_t label);
  // The frames of all samples, each once, in order.
  void Locations(const uintptr_t* frames, size_t count);
  void Comment(const char* text);

 private:
  void LocationsOf(const Mapping& mapping, uint64_t number,
                   const uintptr_t* addresses, size_t count);
  void Location(uintptr_t address, uint64_t mapping, uint64_t function);
  void Message(unsigned field, const ProtoMessage& message);
  void Field(unsigned field, const char* data, size_t size);

  GzipWriter out_;
  size_t type_count_;
  uint64_t strings_ = 0;    // so far
  uint64_t functions_ = 0;  // so far
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_PPROF_WRITER_H_
