// The options: read once from the program's own text and from the environment,
// changed by calls later. Layer: runtime.
//
// base/options.h is the table of their values, docs/tuning.md explains them.
// What cannot be understood is told on stderr, a line each, and has no effect.

#ifndef MEMALLOC_RUNTIME_OPTIONS_H_
#define MEMALLOC_RUNTIME_OPTIONS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/options.h"

namespace memalloc {

// Reads the program's defaults and the environment; the latter not in a
// program with raised privileges. Called once, at the first use.
void ReadOptions();

// Sets an option as `value` says. 0, ENOENT without such an option, EINVAL for
// no value of it.
int SetOptionByName(const char* name, const char* value);

// Writes the option's value as SetOptionByName takes it into `text`, cut to
// `size` bytes with the zero behind it. Its full length; -1 without such an
// option.
int PrintOption(const char* name, char* text, size_t size);

}  // namespace memalloc

#endif  // MEMALLOC_RUNTIME_OPTIONS_H_
