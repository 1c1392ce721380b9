"""A program in each way that memalloc comes into it, and tests of that."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")
load(":program.bzl", "NEEDS_MEMALLOC")

_LIBC = "@bazel_tools//tools/cpp:malloc"

# How it is linked: with memalloc, with memalloc and fully static, and without,
# for a preload.
_LINKED = {
    "linked": ("//memalloc", []),
    "plain": (_LIBC, []),
    "static": ("//memalloc", ["fully_static_link"]),
}

def program_in_each_way(
        name,
        srcs,
        copts = [],
        linkopts = [],
        visibility = None):
    """Defines the binaries `name`_linked, `name`_plain and `name`_static.

    Args:
      name: the program.
      srcs: its sources.
      copts: for them.
      linkopts: for each of the binaries.
      visibility: of the binaries.
    """
    cc_library(
        name = name,
        testonly = True,
        srcs = srcs,
        # A preload defines what is weak here.
        copts = copts + ["-fPIE"],
        linkstatic = True,
        deps = ["//memalloc:headers"],
        alwayslink = True,
    )
    for how, (malloc, features) in _LINKED.items():
        cc_binary(
            name = "%s_%s" % (name, how),
            testonly = True,
            features = features,
            linkopts = ["-pthread"] + linkopts,
            malloc = malloc,
            target_compatible_with = NEEDS_MEMALLOC,
            visibility = visibility,
            deps = [":" + name],
        )

def ways_test(
        name,
        programs,
        flags = {},
        hardened = False,
        data = [],
        deps = [],
        size = "medium",
        **kwargs):
    """A py_test that ends in `ways.main()`; see ways.py.

    Args:
      name: the test, whose source is `name`.py.
      programs: names that program_in_each_way was told.
      flags: more files that it is given, by the names of flags.
      hardened: whether memalloc_hardened.so is one more thing to preload.
      data: more files.
      deps: more libraries.
      size: of the test.
      **kwargs: for py_test.
    """
    files = dict(flags, library = "//memalloc:memalloc.so")
    if hardened:
        files["hardened"] = "//memalloc:memalloc_hardened.so"
    binaries = [
        ":%s_%s" % (program, how)
        for program in programs
        for how in _LINKED
    ]
    native.py_test(
        name = name,
        size = size,
        srcs = [name + ".py"],
        args = [
            "--%s=$(rootpath %s)" % file
            for file in files.items()
        ] + ["$(rootpath %s)" % label for label in binaries],
        data = data + files.values() + binaries,
        target_compatible_with = NEEDS_MEMALLOC,
        deps = deps + ["//testing/programs:ways"],
        **kwargs
    )
