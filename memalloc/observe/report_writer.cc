// The writer of reports; see report_writer.h.

#include "memalloc/observe/report_writer.h"

#include <errno.h>
#include <string.h>

#include <atomic>

#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/path_options.h"

namespace memalloc {

namespace {

// Of this process, so that each has a file of its own.
std::atomic<uint32_t> g_files{0};

}  // namespace

ReportWriter::ReportWriter(const char* path) {
  if (strcmp(path, kStderr) == 0) {
    descriptor_ = os::kStderrDescriptor;
  } else if (os::IsSpecialFile(path)) {
    descriptor_ = os::OpenSpecial(path, &error_);
  } else {
    OpenFile(path);
  }
}

ReportWriter::ReportWriter(const MappedMemory& memory) : memory_(&memory) {
  if (memory.As<char>() == nullptr) error_ = ENOMEM;
}

ReportWriter::~ReportWriter() {
  Close();
  if (temporary_.size() != 0) os::Unlink(temporary_.data());
}

// Under a name of its own: a reader sees a whole report or the one before, and
// a link that somebody put there is not followed.
void ReportWriter::OpenFile(const char* path) {
  memcpy(path_.text, path, Min(strlen(path), Path::kMaxLength));
  LineBuffer name;
  name.Text(path).Char('.').Decimal(static_cast<uint64_t>(os::ProcessId()));
  name.Char('-').Decimal(g_files.fetch_add(1, std::memory_order_relaxed));
  name.Text(".tmp").Char('\0');
  descriptor_ = os::OpenNew(name.data(), &error_);
  if (error_ == EEXIST) {  // of a process that was killed
    os::Unlink(name.data());
    descriptor_ = os::OpenNew(name.data(), &error_);
  }
  if (error_ == 0) temporary_ = name;
}

void ReportWriter::Close() {
  if (descriptor_ > os::kStderrDescriptor) os::Close(descriptor_);
  descriptor_ = -1;
}

ReportWriter& ReportWriter::Text(const char* text) {
  return Bytes(text, strlen(text));
}

ReportWriter& ReportWriter::Quoted(const char* text) {
  Char('"');
  for (; *text != '\0'; ++text) {
    const bool is_plain =
        *text >= ' ' && *text <= '~' && *text != '"' && *text != '\\';
    Char(is_plain ? *text : '_');
  }
  return Char('"');
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

void ReportWriter::Flush() {
  if (error_ == 0) error_ = WriteBuffer();
  size_ = 0;
}

int ReportWriter::WriteBuffer() {
  if (memory_ == nullptr) return os::WriteAll(descriptor_, buffer_, size_);
  if (size_ > memory_->bytes() - used_memory_) return ENOSPC;
  memcpy(memory_->As<char>() + used_memory_, buffer_, size_);
  used_memory_ += size_;
  return 0;
}

int ReportWriter::Finish() {
  Flush();
  Close();
  if (error_ == 0 && temporary_.size() != 0) {
    error_ = os::Rename(temporary_.data(), path_.text);
    if (error_ == 0) temporary_ = LineBuffer();
  }
  return error_;
}

}  // namespace memalloc
