"""The allocator in other makes: one macro for a preload library each."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")

def memalloc_variant(name, copts, linkopts, defines):
    """Makes NAME.so, memalloc.so with other settings.

    All layers are compiled once more, since each of them must see the settings
    (base/settings.h).

    Args:
      name: of the library, without .so
      copts: of memalloc.so's parts
      linkopts: of memalloc.so
      defines: the settings
    """
    cc_library(
        name = name,
        srcs = ["memalloc.h"] + native.glob([
            "*/*.cc",
            "*/*.h",
        ]),
        copts = copts,
        linkstatic = True,
        local_defines = ["MEMALLOC_PRELOAD"] + defines,
        visibility = ["//visibility:private"],
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
