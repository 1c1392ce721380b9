// Where a report is written to: a file, standard error, or memory. Layer:
// observe.
//
// Text is gathered and goes out in large pieces, so that a report may be
// written line by line. Nothing is allocated. Not thread-safe: a writer lives
// on one stack. After a failure the rest is dropped.

#ifndef MEMALLOC_OBSERVE_REPORT_WRITER_H_
#define MEMALLOC_OBSERVE_REPORT_WRITER_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/line_buffer.h"
#include "memalloc/observe/mapped_memory.h"
#include "memalloc/runtime/path_options.h"

namespace memalloc {

class ReportWriter {
 public:
  // "stderr" is standard error. Any other path gets a new file of mode 0600 in
  // the end, and keeps what it has until then; a pipe and the like are written
  // to as they are.
  explicit ReportWriter(const char* path);
  // Gathers the report there: for what is told while a lock is held.
  explicit ReportWriter(const MappedMemory& memory);
  // Drops the file if Finish was not called.
  ~ReportWriter();
  ReportWriter(const ReportWriter&) = delete;
  ReportWriter& operator=(const ReportWriter&) = delete;

  ReportWriter& Text(const char* text);
  ReportWriter& Char(char c) { return Bytes(&c, 1); }
  // Between quotes; what needs an escape there, and no ASCII, becomes a _.
  ReportWriter& Quoted(const char* text);
  ReportWriter& Decimal(uint64_t value);
  // Without 0x in front.
  ReportWriter& Hex(uint64_t value);
  ReportWriter& Bytes(const void* data, size_t bytes);

  // Writes what was gathered.
  void Flush();

  // Lets it fail with an errno value.
  void Fail(int error) {
    if (error_ == 0) error_ = error;
  }
  // What was written to memory.
  size_t size_in_memory() const { return used_memory_; }

  // Ends the report. The error, an errno value; 0 for none.
  int Finish();

 private:
  static constexpr size_t kCapacity = 4096;

  void OpenFile(const char* path);
  int WriteBuffer();
  void Close();

  const MappedMemory* memory_ = nullptr;  // instead of a file
  size_t used_memory_ = 0;
  Path path_ = {};
  LineBuffer temporary_;  // the file's name until it is whole; empty for none
  int descriptor_ = -1;
  int error_ = 0;
  size_t size_ = 0;
  char buffer_[kCapacity];
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_REPORT_WRITER_H_
