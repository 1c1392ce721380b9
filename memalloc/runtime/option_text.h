// The options as text: names, values, and what a wrong value is told. Layer:
// runtime.
//
// Nothing here has state, and nothing allocates: it runs inside the first
// malloc of the process.

#ifndef MEMALLOC_RUNTIME_OPTION_TEXT_H_
#define MEMALLOC_RUNTIME_OPTION_TEXT_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memalloc/base/line_buffer.h"
#include "memalloc/base/options.h"

namespace memalloc {

// A part of a text, without a zero behind it.
struct Span {
  const char* data;
  size_t size;
};

inline Span SpanOf(const char* text) { return {text, strlen(text)}; }

// How a name is written: "purge_delay", or "PURGE_DELAY" in the environment.
enum class Case { kLower, kUpper };

bool IsName(Span name, const char* known, Case letters);

// The option of that name; kNumOptions if there is none.
size_t FindOption(Span name, Case letters);
// The same of those that are paths; kNumPathOptions if there is none.
size_t FindPathOption(Span name, Case letters);

// Whether `name` is that of a tool's variable in the environment.
bool IsToolsVariable(Span name);

// The name (in small letters) that was meant, if one is no more than two
// letters away; null otherwise.
const char* NearestName(Span name);

// False if the text is no value of the option.
bool ParseValue(const OptionInfo& info, Span text, uint64_t* value);

// The value as ParseValue reads it.
void AppendValue(const OptionInfo& info, uint64_t value, LineBuffer& line);

// What values of the option look like, for a message.
void AppendWanted(const OptionInfo& info, LineBuffer& line);

}  // namespace memalloc

#endif  // MEMALLOC_RUNTIME_OPTION_TEXT_H_
