/* jemalloc's calls on memalloc: a program that includes <jemalloc/jemalloc.h>
 * compiles and links as it is. What each promises is in jemalloc(3); here
 * stands what differs.
 *
 * All are thread-safe, but not for signal handlers. Sizes are bytes. Where
 * there is no memalloc (a build with a sanitizer, or memalloc_compat.so without
 * memalloc.so) the sizes and blocks are those of the malloc in charge, and
 * mallctl knows no name.
 */

#ifndef MEMALLOC_COMPAT_JEMALLOC_JEMALLOC_H_
#define MEMALLOC_COMPAT_JEMALLOC_JEMALLOC_H_

#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

/* The interface is that of this version. */
#define JEMALLOC_VERSION "5.3.0-0-gmemalloc"
#define JEMALLOC_VERSION_MAJOR 5
#define JEMALLOC_VERSION_MINOR 3
#define JEMALLOC_VERSION_BUGFIX 0
#define JEMALLOC_VERSION_NREV 0
#define JEMALLOC_VERSION_GID "memalloc"

/* Flags of the calls whose names end in x. The lowest six bits are the
 * logarithm of the alignment, a power of two; 0 is malloc's, 16. */
#define MALLOCX_LG_ALIGN(lg) ((int)(lg))
#define MALLOCX_ALIGN(bytes) ((int)(__builtin_ffsll((long long)(bytes)) - 1))
#define MALLOCX_ZERO ((int)0x40)
/* Without effect: threads have no caches that a program could choose, and
 * arenas belong to all. */
#define MALLOCX_TCACHE(tc) ((int)(((tc) + 2) << 8))
#define MALLOCX_TCACHE_NONE MALLOCX_TCACHE(-1)
#define MALLOCX_ARENA(a) ((((int)(a)) + 1) << 20)

/* Names all arenas, in decimal for names that are made by the preprocessor. */
#define MALLCTL_ARENAS_ALL 4096

#ifdef __cplusplus
extern "C" {
#endif

/* `size` bytes as the flags say; null and ENOMEM if there are none. free takes
 * the result, and dallocx what malloc returned. Size 0 is allowed. */
void* mallocx(size_t size, int flags) __attribute__((malloc, alloc_size(1)));

/* Resizes, with the contents; the block may move. With MALLOCX_ZERO what comes
 * behind the bytes that were usable is zero, to the end of what is usable now.
 * Null and ENOMEM: the old block is as it was. `size` 0 is 1. */
void* rallocx(void* pointer, size_t size, int flags)
    __attribute__((alloc_size(2)));

/* Never resizes: returns the size that the block has. */
size_t xallocx(void* pointer, size_t size, size_t extra, int flags);

/* malloc_usable_size. */
size_t sallocx(const void* pointer, int flags);

/* What sallocx would say of mallocx(size, flags), which is not called: exactly,
 * as long as no guarded allocations are asked for. 0 if there is no such. */
size_t nallocx(size_t size, int flags);

/* free. The flags are ignored; with sdallocx the alignment counts, and `size`,
 * which may be what was asked for or what nallocx says of it, is compared with
 * the block: a wrong one ends the process (docs/errors.md#size-mismatch). The
 * hardened build takes what was asked for only. */
void dallocx(void* pointer, int flags);
void sdallocx(void* pointer, size_t size, int flags);

/* Reads and writes what docs/moving.md lists. 0, or
 *   ENOENT  there is no such name here
 *   EINVAL  *oldlenp or newlen is not the size of the value; as much of it as
 *           fits was written to *oldp, and *oldlenp says how much
 *   EPERM   it cannot be read, or not written
 *   EFAULT  writing failed
 * errno is not set. Figures are those of the last write to "epoch", or of the
 * first read; of a heap above 64 MiB a new look at it is taken at most once a
 * second for each GiB, as a look takes some milliseconds for each. */
int mallctl(const char* name, void* oldp, size_t* oldlenp, void* newp,
            size_t newlen);

/* The same in two steps. Each number in a name stands in its place in the MIB
 * and may be changed; parts of names have no MIB: ENOENT. EINVAL if *miblenp is
 * less than the name has parts. */
int mallctlnametomib(const char* name, size_t* mibp, size_t* miblenp);
int mallctlbymib(const size_t* mib, size_t miblen, void* oldp, size_t* oldlenp,
                 void* newp, size_t newlen);

/* Hands memalloc's statistics (docs/observability.md#statistics) to `write_cb`,
 * piece by piece, or writes them to standard error if that is null. They are
 * text, or JSON if `opts` has a J; other letters are ignored. */
void malloc_stats_print(void (*write_cb)(void* opaque, const char* text),
                        void* opaque, const char* opts);

#ifdef __cplusplus
}
#endif

#ifndef JEMALLOC_NO_RENAME
#define je_malloc malloc
#define je_calloc calloc
#define je_realloc realloc
#define je_free free
#define je_aligned_alloc aligned_alloc
#define je_posix_memalign posix_memalign
#define je_memalign memalign
#define je_valloc valloc
#define je_malloc_usable_size malloc_usable_size
#define je_mallocx mallocx
#define je_rallocx rallocx
#define je_xallocx xallocx
#define je_sallocx sallocx
#define je_nallocx nallocx
#define je_dallocx dallocx
#define je_sdallocx sdallocx
#define je_mallctl mallctl
#define je_mallctlnametomib mallctlnametomib
#define je_mallctlbymib mallctlbymib
#define je_malloc_stats_print malloc_stats_print
#endif

#endif /* MEMALLOC_COMPAT_JEMALLOC_JEMALLOC_H_ */
