"""The allocator in other makes: one macro for what each consists of."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")

def memalloc_variant(name, copts, linkopts, defines, library = None):
    """Makes NAME.so, memalloc.so with other settings, and perhaps a library.

    All layers are compiled once more, since each of them must see the settings
    (base/settings.h).

    Args:
      name: of the shared object, without .so
      copts: of memalloc.so's parts
      linkopts: of memalloc.so
      defines: the settings
      library: name of //memalloc with these settings, to be linked; None: none
    """
    names = name + "_names"
    cc_library(
        name = names,
        srcs = ["memalloc.h"] + native.glob(
            [
                "*/*.cc",
                "*/*.h",
            ],
            exclude = ["api/operator_new.cc"],
        ),
        copts = copts,
        linkstatic = True,
        local_defines = defines,
        visibility = ["//visibility:private"],
        alwayslink = True,
    )
    cc_library(
        name = name,
        srcs = _operator_new(),
        copts = copts,
        linkstatic = True,
        local_defines = ["MEMALLOC_PRELOAD"] + defines,
        visibility = ["//visibility:private"],
        deps = [names],
        alwayslink = True,
    )
    cc_binary(
        name = name + ".so",
        linkopts = linkopts,
        linkshared = True,
        deps = [
            name,
            "memalloc.lds",
        ],
    )
    if library:
        # As //memalloc, which says why.
        cc_library(
            name = library,
            srcs = select({
                "//:step_aside": [],
                "//conditions:default": _operator_new(),
            }),
            hdrs = ["memalloc.h"],
            copts = copts,
            linkopts = ["-Wl,-u,__cxa_throw"],
            linkstatic = True,
            local_defines = defines,
            deps = select({
                "//:step_aside": [],
                "//conditions:default": [names],
            }),
            alwayslink = True,
        )

def _operator_new():
    return ["api/operator_new.cc"] + native.glob(["*/*.h"])
