/* memalloc's own calls, for C and C++. What malloc(3) and the C++ standard
 * name keeps its names and is not declared here.
 *
 * The functions are declared weak: a program that is not linked to memalloc
 * sees null addresses and may ask before it calls, as in
 *   if (memalloc_owns != NULL && memalloc_owns(p)) ...
 * All are thread-safe and leave errno alone.
 */

#ifndef MEMALLOC_MEMALLOC_H_
#define MEMALLOC_MEMALLOC_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef MEMALLOC_BUILDING
#define MEMALLOC_API __attribute__((visibility("default")))
#else
#define MEMALLOC_API __attribute__((weak))
#endif

/* Tells the compiler that what the pointer points to need not be written. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11 && \
    !defined(MEMALLOC_BUILDING)
#define MEMALLOC_NOT_READ(n) __attribute__((access(none, n)))
#else
#define MEMALLOC_NOT_READ(n)
#endif

/* The version, "major.minor.patch". */
MEMALLOC_API const char* memalloc_version(void);

/* 1 if `pointer` lies in memory that memalloc manages (in an allocation or
 * not), 0 otherwise. The pointer is not followed. Of addresses near memory of
 * memalloc it takes the heap's lock. If it is called while this thread holds
 * that (by a signal handler, or in gdb), 1 means that the address lies within
 * 16 MiB of such memory. */
MEMALLOC_API int memalloc_owns(const void* pointer) MEMALLOC_NOT_READ(1);

/* How many bytes malloc makes usable for a request of `size` bytes, or
 * aligned_alloc at a multiple of `alignment`, a power of two: what
 * malloc_usable_size says of such an allocation if it is new and not guarded.
 * An alignment of 0 is malloc's. Returns 0 if no allocation is so large. */
MEMALLOC_API size_t memalloc_good_size(size_t size, size_t alignment);

/* Walks the heap and checks its invariants, under its lock: milliseconds per
 * gigabyte. Returns 1; an inconsistent heap ends the process with a line on
 * stderr. For tests and debuggers (gdb: call memalloc_check_heap()). */
MEMALLOC_API int memalloc_check_heap(void);

struct memalloc_summary {
  uint64_t live_bytes;     /* handed out to the program, cells rounded up */
  uint64_t peak_bytes;     /* peak of what blocks in use span */
  uint64_t heap_bytes;     /* backed address space: blocks and free granules */
  uint64_t arenas;         /* 16 MiB regions in use */
  uint64_t blocks;         /* blocks in use */
  uint64_t threads;        /* threads with a heap of their own */
  uint64_t rss_bytes;      /* resident bytes of the whole process */
  uint64_t peak_rss_bytes; /* their peak */
};

/* Fills in a summary of the process; takes the heap's lock for as long as
 * memalloc_check_heap and reads /proc/self/statm. */
MEMALLOC_API void memalloc_get_summary(struct memalloc_summary* summary);

/* Bytes of address space that memalloc has backed by memory, and how many of
 * them are in resident pages. */
struct memalloc_extent {
  uint64_t bytes;
  uint64_t resident;
};

/* Of one size class. Counts are of cells where it does not say otherwise. */
struct memalloc_class_statistics {
  uint64_t cell_size;            /* bytes */
  uint64_t blocks;               /* blocks of such cells */
  struct memalloc_extent memory; /* of the blocks */
  uint64_t live;                 /* the program has them */
  uint64_t at_hand;     /* threads have them ready, in bins and magazines */
  uint64_t travelling;  /* freed, on their way to the thread that owns them */
  uint64_t free;        /* in their blocks */
  uint64_t purged;      /* free, their page was given back */
  uint64_t uncarved;    /* not used yet */
  uint64_t allocations; /* so far */
  uint64_t frees;       /* so far */
};

#define MEMALLOC_SIZE_CLASSES 80

/* Where the memory is. Fields are only ever added, at the end. */
struct memalloc_statistics {
  uint64_t milliseconds;    /* of a clock that only goes on: for rates between
                               two snapshots */
  uint64_t knows_residents; /* 0 if the kernel would not say which pages are
                               resident: all count as resident then */

  struct memalloc_extent total; /* the sum of these parts: */
  /* In use by the program; cells and large blocks rounded up. */
  struct memalloc_extent live_cells;
  struct memalloc_extent live_large;
  struct memalloc_extent live_huge;
  struct memalloc_extent guarded; /* guarded allocations and their records; only
                                     what is resident */
  /* Free, ready for the next malloc of a thread, or on their way to one. */
  struct memalloc_extent bins;
  struct memalloc_extent magazines;
  struct memalloc_extent large_magazines;
  struct memalloc_extent travelling;
  /* Free. */
  struct memalloc_extent free_cells;
  struct memalloc_extent purged_cells;
  struct memalloc_extent uncarved; /* ends of blocks, too short for a cell, as
                                      well */
  struct memalloc_extent free_runs;
  struct memalloc_extent huge_spare;
  struct memalloc_extent huge_cache;
  /* memalloc's own. */
  struct memalloc_extent tables; /* headers, in arenas and of huge blocks */
  struct memalloc_extent thread_heaps;
  struct memalloc_extent address_map;
  struct memalloc_extent profile; /* stacks and samples; resident only */

  /* How much of live_cells was not asked for but came by rounding up: an
   * estimate, half a step between size classes for each cell. */
  uint64_t rounding_estimate;

  uint64_t process_resident_bytes; /* all of the process */
  uint64_t process_peak_resident_bytes;
  uint64_t peak_block_bytes; /* the most that blocks in use spanned */
  uint64_t heap_bytes;       /* granules and huge mappings */
  uint64_t arenas;
  uint64_t blocks; /* in use, of all kinds */
  uint64_t large_blocks;
  uint64_t huge_blocks;

  /* So far, of all sizes, and of large and huge blocks. What a thread has in a
   * bin counts as neither. */
  uint64_t allocations;
  uint64_t frees;
  uint64_t large_allocations;
  uint64_t large_frees;
  uint64_t huge_allocations;
  uint64_t huge_frees;

  uint64_t threads;      /* with a heap of their own */
  uint64_t parked_heaps; /* of ended threads, as they were */
  uint64_t idle_heaps;   /* of ended threads, empty */

  /* So far. */
  uint64_t lock_acquisitions;
  uint64_t lock_waits; /* that had to wait for another thread */
  uint64_t purged_bytes;
  uint64_t purge_calls;
  /* System calls so far, by kind. */
  uint64_t brk_calls;
  uint64_t mmap_calls;
  uint64_t munmap_calls;
  uint64_t mremap_calls;
  uint64_t madvise_calls;
  uint64_t mprotect_calls;
  uint64_t mincore_calls;
  uint64_t futex_calls; /* not those of the locks */
  uint64_t file_calls;

  struct memalloc_class_statistics classes[MEMALLOC_SIZE_CLASSES];
};

/* Fills in the first `size` bytes, sizeof(struct memalloc_statistics) as the
 * caller knows it: what this library does not know of is zero. Takes the heap's
 * lock for some milliseconds per gigabyte. What other threads work on meanwhile
 * is a little off; the parts sum to the total nevertheless. */
MEMALLOC_API void memalloc_get_statistics(
    struct memalloc_statistics* statistics, size_t size);

/* Writes a report about the heap (docs/observability.md) to the file at `path`,
 * which is made with mode 0600 or emptied; %p in it becomes the process's id,
 * and "stderr" is standard error. `kind` is one of
 *   "stats"             where the memory is, as text
 *   "stats_json"        the same as JSON
 *   "stats_prometheus"  the same for Prometheus
 *   "heap_map"          all blocks and free runs, for tools/heap_map
 *   "profile"           who allocated what lives, and in all; for pprof
 *   "profile_growth"    the same since memalloc_mark_profile
 *   "profile_peak"      the same of when most lived
 *   "profile_lifetimes" what was freed, by how long it lived
 *   "leaks"             what can no longer be reached, by stacks
 * Returns 0, ENOENT without such a kind, EINVAL for a null pointer, or why the
 * file could not be written. Not for signal handlers. */
MEMALLOC_API int memalloc_write_report(const char* kind, const char* path);

/* Free memory goes back to the system by itself while the program allocates or
 * frees now and then, about a second after its last use. For a program that may
 * do neither for long, this starts a thread that sees to it: 0, or an errno
 * value. It blocks all signals. Once is enough; a forked child has none and may
 * start its own. */
MEMALLOC_API int memalloc_start_background_thread(void);

/* Ends that thread, if it runs, and waits for its end. */
MEMALLOC_API void memalloc_stop_background_thread(void);

/* Sets an option of docs/tuning.md, such as ("purge_delay", "500ms"), from now
 * on; a variable of the environment is overruled. Returns 0, ENOENT if there is
 * no such option, ENOTSUP if it is for the hardened build and this is another,
 * EINVAL if `value` is none for it, or what memalloc_start_background_thread
 * returns if that is set. */
MEMALLOC_API int memalloc_set_option(const char* name, const char* value);

/* Writes the option's value, as memalloc_set_option takes it, into the `size`
 * bytes at `value`, as snprintf(3) does: cut if need be, and with a zero behind
 * it unless `size` is 0. Returns its full length; -1 if there is no such
 * option. */
MEMALLOC_API int memalloc_get_option(const char* name, char* value,
                                     size_t size);

/* Growth of the heap profile is counted from now on: the report
 * "profile_growth" of memalloc_write_report. */
MEMALLOC_API void memalloc_mark_profile(void);

/* A program may define this text: options that it starts with, as in
 *   const char memalloc_options[] = "purge_delay=500ms,huge_pages=never";
 * The environment overrules it. With memalloc.so the program must export it
 * (-Wl,--export-dynamic-symbol=memalloc_options). Not defined here. */
extern __attribute__((visibility("default"))) const char memalloc_options[];

#ifdef __cplusplus
}
#endif

#endif /* MEMALLOC_MEMALLOC_H_ */
