"""One program, linked once for each allocator and way of linking."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")

# No proof about malloc can be had where a sanitizer brings its own.
NEEDS_MEMALLOC = select({
    "//:step_aside": ["//:incompatible"],
    "//conditions:default": [],
})

def program(name, srcs, deps):
    """Defines the binaries that program_test.py compares.

    They are `name`_libc, `name`_libc_static, `name`_memalloc and
    `name`_memalloc_static.

    Args:
      name: the program.
      srcs: its sources.
      deps: its libraries, which must exist as archives.
    """
    cc_library(
        name = name,
        testonly = True,
        srcs = srcs,
        alwayslink = True,
        deps = deps,
    )
    for allocator, malloc, static_linkopts in [
        # gold, which Bazel prefers, cannot --gc-sections a static libstdc++
        # of which a program does not use the exceptions; //memalloc sees to
        # that itself.
        ("libc", "@bazel_tools//tools/cpp:malloc", ["-Wl,--no-gc-sections"]),
        ("memalloc", "//memalloc", []),
    ]:
        cc_binary(
            name = "%s_%s" % (name, allocator),
            testonly = True,
            malloc = malloc,
            deps = [":" + name],
        )
        cc_binary(
            name = "%s_%s_static" % (name, allocator),
            testonly = True,
            features = ["fully_static_link"],
            linkopts = static_linkopts,
            malloc = malloc,
            target_compatible_with = NEEDS_MEMALLOC,
            visibility = ["//testing:__subpackages__"],
            deps = [":" + name],
        )

def program_test(name, program, args, data = [], **kwargs):
    """Compares the binaries of `program`, run with `args`."""
    binaries = {
        option: ":%s_%s" % (program, option)
        for option in ["libc", "libc_static", "memalloc", "memalloc_static"]
    }
    native.py_test(
        name = name,
        srcs = ["program_test.py"],
        args = [
            "--%s=$(rootpath %s)" % (option, label)
            for option, label in binaries.items()
        ] + args,
        data = binaries.values() + data,
        main = "program_test.py",
        target_compatible_with = NEEDS_MEMALLOC,
        **kwargs
    )
