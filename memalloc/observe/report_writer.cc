// The writer of reports; see report_writer.h.

#include "memalloc/observe/report_writer.h"

#include <string.h>

#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/path_options.h"

namespace memalloc {

ReportWriter::ReportWriter(const char* path) {
  descriptor_ = strcmp(path, kStderr) == 0 ? os::kStderrDescriptor
                                           : os::OpenToWrite(path, &error_);
}

ReportWriter::~ReportWriter() {
  Flush();
  if (descriptor_ >= 0 && descriptor_ != os::kStderrDescriptor) {
    os::Close(descriptor_);
  }
}

ReportWriter& ReportWriter::Text(const char* text) {
  return Bytes(text, strlen(text));
}

ReportWriter& ReportWriter::Decimal(uint64_t value) {
  LineBuffer digits;
  digits.Decimal(value);
  return Bytes(digits.data(), digits.size());
}

ReportWriter& ReportWriter::Hex(uint64_t value) {
  int shift = 60;
  while (shift > 0 && (value >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) {
    Char("0123456789abcdef"[(value >> shift) & 15]);
  }
  return *this;
}

ReportWriter& ReportWriter::Bytes(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    if (size_ == kCapacity) Flush();
    const size_t part = Min(bytes, kCapacity - size_);
    memcpy(buffer_ + size_, from, part);
    size_ += part;
    from += part;
    bytes -= part;
  }
  return *this;
}

int ReportWriter::Flush() {
  if (error_ == 0) error_ = os::WriteAll(descriptor_, buffer_, size_);
  size_ = 0;
  return error_;
}

}  // namespace memalloc
