/* A report of memalloc without a file, for C and C++. Programs have this folder
 * in their include path: no plainer name. */

#ifndef MEMALLOC_COMPAT_MEMALLOC_REPORT_H_
#define MEMALLOC_COMPAT_MEMALLOC_REPORT_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Hands the report `kind` of memalloc_write_report to `write`, piece by piece;
 * behind each stands a zero that does not count. Returns 0, or the errno value
 * for which there is no report: ENOENT without such a kind or without memalloc,
 * or why memory could not be had. Needs /proc, and a descriptor while it runs.
 * Thread-safe; `write` may allocate. */
int memalloc_read_report(const char* kind,
                         void (*write)(void* argument, const char* data,
                                       size_t size),
                         void* argument);

#ifdef __cplusplus
}
#endif

#endif /* MEMALLOC_COMPAT_MEMALLOC_REPORT_H_ */
