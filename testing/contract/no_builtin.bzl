"""Compiler options for tests that call the allocator."""

# The compiler must neither fold a call of the allocator away nor derive
# anything from its result. -fno-builtin-NAME speaks of one function each.
NO_BUILTIN = [
    "-fno-builtin-" + name
    for name in [
        "malloc",
        "calloc",
        "realloc",
        "reallocarray",
        "free",
        "aligned_alloc",
        "memalign",
        "posix_memalign",
        "valloc",
        "pvalloc",
        "malloc_usable_size",
    ]
]

# For targets that mean nothing on a sanitizer's allocator.
NOT_UNDER_SANITIZERS = select({
    "//:step_aside": ["//:incompatible"],
    "//conditions:default": [],
})
