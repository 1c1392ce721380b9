// gzip; see gzip_writer.h.

#include "memalloc/observe/gzip_writer.h"

#include <string.h>

#include "memalloc/base/math.h"

namespace memalloc {
namespace {

// The remainders of four bits, for the check sum of RFC 1952, section 8.
struct CrcTable {
  uint32_t of[16];

  constexpr CrcTable() : of() {
    for (uint32_t i = 0; i < 16; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 4; ++bit) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
      }
      of[i] = crc;
    }
  }
};
constexpr CrcTable kCrcTable;

uint32_t UpdateCrc(uint32_t crc, const unsigned char* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    crc ^= data[i];
    crc = (crc >> 4) ^ kCrcTable.of[crc & 15];
    crc = (crc >> 4) ^ kCrcTable.of[crc & 15];
  }
  return crc;
}

}  // namespace

GzipWriter::GzipWriter(ReportWriter& out) : out_(out) {
  // Deflate, no flags, no time, made by no known system.
  constexpr unsigned char kHeader[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
  out_.Bytes(kHeader, sizeof(kHeader));
}

GzipWriter::~GzipWriter() {
  WriteBlock(/*is_last=*/true);
  Number(~crc_, 4);
  Number(total_, 4);
}

void GzipWriter::Bytes(const void* data, size_t bytes) {
  const auto* from = static_cast<const unsigned char*>(data);
  crc_ = UpdateCrc(crc_, from, bytes);
  total_ += static_cast<uint32_t>(bytes);
  while (bytes > 0) {
    if (size_ == kCapacity) WriteBlock(/*is_last=*/false);
    const size_t part = Min(bytes, kCapacity - size_);
    memcpy(buffer_ + size_, from, part);
    size_ += part;
    from += part;
    bytes -= part;
  }
}

void GzipWriter::WriteBlock(bool is_last) {
  Number(is_last ? 1 : 0, 1);
  const auto size = static_cast<uint32_t>(size_);
  Number(size, 2);
  Number(~size, 2);
  out_.Bytes(buffer_, size_);
  size_ = 0;
}

void GzipWriter::Number(uint32_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    out_.Char(static_cast<char>(value >> (8 * i) & 255));
  }
}

}  // namespace memalloc
