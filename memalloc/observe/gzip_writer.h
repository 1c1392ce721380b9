// A report in the gzip format (RFC 1952), not compressed: in blocks that are
// stored as they are. Layer: observe.

#ifndef MEMALLOC_OBSERVE_GZIP_WRITER_H_
#define MEMALLOC_OBSERVE_GZIP_WRITER_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/report_writer.h"

namespace memalloc {

class GzipWriter {
 public:
  explicit GzipWriter(ReportWriter& out);
  // Ends the format.
  ~GzipWriter();
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;

  void Bytes(const void* data, size_t bytes);

 private:
  static constexpr size_t kCapacity = 8192;

  void WriteBlock(bool is_last);
  void Number(uint32_t value, size_t bytes);  // little-endian

  ReportWriter& out_;
  uint32_t crc_ = ~uint32_t{0};
  uint32_t total_ = 0;
  size_t size_ = 0;
  unsigned char buffer_[kCapacity];
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_GZIP_WRITER_H_
