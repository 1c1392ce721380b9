/* gperftools' MallocExtension for C, on memalloc, for programs that include
 * <gperftools/malloc_extension_c.h>. Sizes are bytes. All are thread-safe, but
 * not for signal handlers, and leave errno alone.
 */

#ifndef MEMALLOC_COMPAT_GPERFTOOLS_MALLOC_EXTENSION_C_H_
#define MEMALLOC_COMPAT_GPERFTOOLS_MALLOC_EXTENSION_C_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Checks the whole heap, whatever is asked: 1, or the process ends with a line
 * on standard error (docs/errors.md#heap-corruption). */
int MallocExtension_VerifyAllMemory(void);
int MallocExtension_VerifyNewMemory(const void* p);
int MallocExtension_VerifyArrayNewMemory(const void* p);
int MallocExtension_VerifyMallocMemory(const void* p);

/* memalloc's statistics as text (docs/observability.md#statistics), cut to the
 * buffer and with a zero behind. */
void MallocExtension_GetStats(char* buffer, int buffer_length);

/* The properties of docs/moving.md: 1, or 0 if there is no such property, or it
 * cannot be set to that. Of a heap above 64 MiB a new look at it is taken at
 * most once a second for each GiB. */
int MallocExtension_GetNumericProperty(const char* property, size_t* value);
int MallocExtension_SetNumericProperty(const char* property, size_t value);

/* Nothing: what a thread does not use is given back by others. */
void MallocExtension_MarkThreadIdle(void);
void MallocExtension_MarkThreadBusy(void);
void MallocExtension_MarkThreadTemporarilyIdle(void);

/* Both give back all free memory: malloc_trim(0). */
void MallocExtension_ReleaseToSystem(size_t num_bytes);
void MallocExtension_ReleaseFreeMemory(void);

/* memalloc's option purge_delay, as a rate: memory goes back 1/rate seconds
 * after its last use, or never at a rate of 0. The rate read is 1000 at most.
 */
void MallocExtension_SetMemoryReleaseRate(double rate);
double MallocExtension_GetMemoryReleaseRate(void);

/* How many bytes malloc makes usable for `size`; `size` if there can be no such
 * allocation. */
size_t MallocExtension_GetEstimatedAllocatedSize(size_t size);
/* malloc_usable_size. */
size_t MallocExtension_GetAllocatedSize(const void* p);
/* 0: what a single thread has ready is not counted. */
size_t MallocExtension_GetThreadCacheSize(void);

typedef enum {
  MallocExtension_kUnknownOwnership = 0,
  MallocExtension_kOwned,
  MallocExtension_kNotOwned
} MallocExtension_Ownership;

/* Owned is any address in memory of memalloc, allocated or not. */
MallocExtension_Ownership MallocExtension_GetOwnership(const void* p);

#ifdef __cplusplus
}
#endif

#endif /* MEMALLOC_COMPAT_GPERFTOOLS_MALLOC_EXTENSION_C_H_ */
