// A line of JSON, one object, written field by field. Layer: observe.
//
// Names and words must need no escape in JSON.

#ifndef MEMALLOC_OBSERVE_JSON_LINE_H_
#define MEMALLOC_OBSERVE_JSON_LINE_H_

#include <stdint.h>

#include "memalloc/observe/report_writer.h"

namespace memalloc {

class JsonLine {
 public:
  explicit JsonLine(ReportWriter& out) : out_(out) { out_.Char('{'); }
  ~JsonLine() { out_.Text("}\n"); }
  JsonLine(const JsonLine&) = delete;
  JsonLine& operator=(const JsonLine&) = delete;

  JsonLine& Number(const char* name, uint64_t value) {
    Name(name);
    out_.Decimal(value);
    return *this;
  }
  JsonLine& Flag(const char* name, bool value) {
    Name(name);
    out_.Text(value ? "true" : "false");
    return *this;
  }
  JsonLine& Word(const char* name, const char* value) {
    Name(name);
    out_.Char('"').Text(value).Char('"');
    return *this;
  }
  // As text: numbers of JSON are exact up to 2^53 only.
  JsonLine& Address(const char* name, uintptr_t value) {
    Name(name);
    out_.Text("\"0x").Hex(value).Char('"');
    return *this;
  }
  JsonLine& Null(const char* name) {
    Name(name);
    out_.Text("null");
    return *this;
  }

  // The name of a value that the caller writes.
  void Name(const char* name) {
    if (!is_first_) out_.Char(',');
    is_first_ = false;
    out_.Char('"').Text(name).Text("\":");
  }

 private:
  ReportWriter& out_;
  bool is_first_ = true;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_JSON_LINE_H_
