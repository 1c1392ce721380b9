"""Process tests: the same scenarios with memalloc linked, preloaded, absent."""

load("@rules_cc//cc:defs.bzl", "cc_test")
load("//testing/contract:no_builtin.bzl", "NOT_UNDER_SANITIZERS", "NO_BUILTIN")

def process_test(name, srcs, data = [], deps = [], linkopts = [], size = "large", tags = [], control_tags = []):
    """Defines NAME, NAME_preload and NAME_libc.

    Args:
      name: the test with memalloc linked in by `malloc =`.
      srcs: the scenarios' source; shared libraries among them are linked.
      data: files that the scenarios open.
      deps: libraries of the scenarios.
      linkopts: for all three.
      size: for all three.
      tags: for all three.
      control_tags: for that on libc; "manual" where it takes long.
    """
    for variant, malloc, expect, preload in [
        ("", "//memalloc", "memalloc", False),
        ("_preload", None, "memalloc", True),
        ("_libc", None, "libc", False),
    ]:
        cc_test(
            name = name + variant,
            size = size,
            srcs = srcs,
            args = ["--preload=$(rootpath //memalloc:memalloc.so)"] if preload else [],
            copts = NO_BUILTIN,
            data = data + ([
                "//memalloc:memalloc.so",
            ] if preload and "//memalloc:memalloc.so" not in data else []),
            linkopts = linkopts,
            malloc = malloc or "@bazel_tools//tools/cpp:malloc",
            tags = tags + (control_tags if expect == "libc" else []),
            target_compatible_with = NOT_UNDER_SANITIZERS,
            deps = deps + [
                "//testing/process:harness",
                "//testing/contract:expect_" + expect,
            ],
        )
