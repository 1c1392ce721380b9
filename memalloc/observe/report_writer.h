// Where a report is written to: a file, or standard error. Layer: observe.
//
// Text is gathered and goes out in large pieces, so that a report may be
// written line by line. Nothing is allocated. Not thread-safe: a writer lives
// on one stack. After a failure the rest is dropped.

#ifndef MEMALLOC_OBSERVE_REPORT_WRITER_H_
#define MEMALLOC_OBSERVE_REPORT_WRITER_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

class ReportWriter {
 public:
  // Makes the file with mode 0600, or empties it; "stderr" is standard error.
  explicit ReportWriter(const char* path);
  // Closes the file.
  ~ReportWriter();
  ReportWriter(const ReportWriter&) = delete;
  ReportWriter& operator=(const ReportWriter&) = delete;

  ReportWriter& Text(const char* text);
  ReportWriter& Char(char c) { return Bytes(&c, 1); }
  ReportWriter& Decimal(uint64_t value);
  // Without 0x in front.
  ReportWriter& Hex(uint64_t value);
  ReportWriter& Bytes(const void* data, size_t bytes);

  // Writes what was gathered. The error, an errno value; 0 for none.
  int Flush();

 private:
  static constexpr size_t kCapacity = 4096;

  int descriptor_ = -1;
  int error_ = 0;
  size_t size_ = 0;
  char buffer_[kCapacity];
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_REPORT_WRITER_H_
