// Attributes that show at a declaration what is hot, what is cold and which
// lock guards what. Layer: base; everybody includes it.
//
// The lock annotations are checked by clang (-Wthread-safety); gcc ignores
// them.

#ifndef MEMALLOC_BASE_ATTRIBUTES_H_
#define MEMALLOC_BASE_ATTRIBUTES_H_

// Part of a fast path: always inlined, whatever the optimisation level.
#define MEMALLOC_FAST inline __attribute__((always_inline))
// A slow path: never inlined, so that its frame and its saved registers do
// not weigh on the fast path that tail-calls it.
#define MEMALLOC_SLOW __attribute__((noinline))
// A slow path that the smallest program takes on its first allocation. The
// linker puts these side by side: the kernel maps a file by 64 KiB around each
// page that is needed, so what a program touches is to lie in few places.
#define MEMALLOC_USUAL __attribute__((hot))
// The same of constants: beside those that the dynamic linker writes to.
#define MEMALLOC_USUAL_DATA __attribute__((section(".data.rel.ro.memalloc")))
// A path that a correct program hardly ever takes.
#define MEMALLOC_COLD __attribute__((noinline, cold))

// Of each function that may be the outermost one of ours on the stack when it
// is captured, which begins behind it (observe/stack.cc): one that programs
// call, or that is left by a jump into another. By the section, as the linker
// knows where it lies.
#define MEMALLOC_ENTRY __attribute__((section("memalloc_entry")))

// Of data that the fast paths reach: no indirection through the global offset
// table, and local-exec thread-local storage in an executable.
#define MEMALLOC_HIDDEN __attribute__((visibility("hidden")))

// Thread-local storage that costs no call: at a fixed place from the thread
// pointer, which an executable knows when it is linked, and a shared object
// when it is loaded.
#if defined(__PIC__) && !defined(__PIE__)
#define MEMALLOC_TLS __thread __attribute__((tls_model("initial-exec")))
#else
#define MEMALLOC_TLS __thread __attribute__((tls_model("local-exec")))
#endif

#define MEMALLOC_LIKELY(x) __builtin_expect(!!(x), 1)
#define MEMALLOC_UNLIKELY(x) __builtin_expect(!!(x), 0)

// The size of a cache line on every machine we are built for; what two
// threads write is kept at least this far apart.
#define MEMALLOC_CACHE_LINE 64

#if defined(__clang__)
#define MEMALLOC_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define MEMALLOC_THREAD_ANNOTATION(x)
#endif
#define MEMALLOC_CAPABILITY(x) MEMALLOC_THREAD_ANNOTATION(capability(x))
#define MEMALLOC_SCOPED_CAPABILITY MEMALLOC_THREAD_ANNOTATION(scoped_lockable)
#define MEMALLOC_GUARDED_BY(x) MEMALLOC_THREAD_ANNOTATION(guarded_by(x))
#define MEMALLOC_REQUIRES(...) \
  MEMALLOC_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define MEMALLOC_EXCLUDES(...) \
  MEMALLOC_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define MEMALLOC_ACQUIRE(...) \
  MEMALLOC_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define MEMALLOC_RELEASE(...) \
  MEMALLOC_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define MEMALLOC_NO_THREAD_SAFETY_ANALYSIS \
  MEMALLOC_THREAD_ANNOTATION(no_thread_safety_analysis)

#endif  // MEMALLOC_BASE_ATTRIBUTES_H_
