// JSON, written value by value. Layer: observe.

#ifndef MEMALLOC_OBSERVE_JSON_H_
#define MEMALLOC_OBSERVE_JSON_H_

#include <stdint.h>

#include "memalloc/observe/report_writer.h"

namespace memalloc {

// Puts the commas between what objects and arrays hold. A value of an object
// has a name, one of an array has none; names must need no escape.
class Json {
 public:
  // `comma` may bring a new line along.
  Json(ReportWriter& out, const char* comma) : out_(out), comma_(comma) {}

  // Of an object or array: its first bracket and its last.
  Json& Begin(char bracket, const char* name = nullptr) {
    Next(name).Char(bracket);
    is_first_ = true;
    return *this;
  }
  Json& End(char bracket) {
    out_.Char(bracket);
    is_first_ = false;
    return *this;
  }

  Json& Number(const char* name, uint64_t value) {
    Next(name).Decimal(value);
    return *this;
  }
  Json& Flag(const char* name, bool value) {
    Next(name).Text(value ? "true" : "false");
    return *this;
  }
  Json& Word(const char* name, const char* value) {
    Next(name).Quoted(value);
    return *this;
  }
  // As text: numbers of JSON are exact up to 2^53 only.
  Json& Address(const char* name, uintptr_t value) {
    Next(name).Text("\"0x").Hex(value).Char('"');
    return *this;
  }
  Json& Null(const char* name) {
    Next(name).Text("null");
    return *this;
  }

 private:
  ReportWriter& Next(const char* name) {
    if (!is_first_) out_.Text(comma_);
    is_first_ = false;
    return name == nullptr ? out_ : out_.Char('"').Text(name).Text("\":");
  }

  ReportWriter& out_;
  const char* comma_;
  bool is_first_ = true;
};

// A line that is an object; it ends with this.
class JsonLine : public Json {
 public:
  explicit JsonLine(ReportWriter& out) : Json(out, ","), out_(out) {
    Begin('{');
  }
  ~JsonLine() {
    End('}');
    out_.Char('\n');
  }
  JsonLine(const JsonLine&) = delete;
  JsonLine& operator=(const JsonLine&) = delete;

 private:
  ReportWriter& out_;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_JSON_H_
