// A line of text built without malloc, stdio or locale: for messages of the
// allocator and for its exit summary. Layer: base.
//
// What does not fit is cut off; a line never overflows and always keeps room
// for its newline. Not thread-safe: a LineBuffer lives on one stack.

#ifndef MEMALLOC_BASE_LINE_BUFFER_H_
#define MEMALLOC_BASE_LINE_BUFFER_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

class LineBuffer {
 public:
  LineBuffer& Text(const char* text) {
    while (*text != '\0') Char(*text++);
    return *this;
  }

  LineBuffer& Char(char c) {
    if (size_ < kCapacity - 1) data_[size_++] = c;
    return *this;
  }

  LineBuffer& Decimal(uint64_t value) {
    char digits[20];
    int n = 0;
    do {
      digits[n++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (n > 0) Char(digits[--n]);
    return *this;
  }

  LineBuffer& Pointer(const void* pointer) {
    const uint64_t value = reinterpret_cast<uintptr_t>(pointer);
    Text("0x");
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) {
      Char("0123456789abcdef"[(value >> shift) & 15]);
    }
    return *this;
  }

  // Ends the line; the text then goes out in one write.
  LineBuffer& EndLine() {
    data_[size_++] = '\n';
    return *this;
  }

  const char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kCapacity = 400;

  char data_[kCapacity];
  size_t size_ = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_BASE_LINE_BUFFER_H_
