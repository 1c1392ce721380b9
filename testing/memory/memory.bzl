"""Programs and tests of the memory budgets."""

load("@rules_cc//cc:defs.bzl", "cc_binary")
load("//testing/contract:no_builtin.bzl", "NOT_UNDER_SANITIZERS", "NO_BUILTIN")

def memory_program(name, src = None):
    """A program that reports what memory it takes, linked to no allocator.

    Args:
      name: of the binary.
      src: its source; name.cc unless given.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = [src or name + ".cc"],
        copts = NO_BUILTIN,
        linkopts = ["-pthread"],
        deps = [":measure"],
    )

def memory_test(name, script, program = None, cases = [], data = [], env = {}, tags = [], size = "medium"):
    """A test that runs a program on memalloc and on peers.

    Args:
      name: of the test.
      script: the Python source; several tests may share one.
      program: the label of the memory_program.
      cases: those of the script's tests that are run; all if empty.
      data: further binaries.
      env: where they are.
      tags: "manual" for what is not run by default.
      size: see Bazel.
    """
    variables = {"MEMALLOC_LIBRARY": "$(rootpath //memalloc:memalloc.so)"}
    variables.update(env)
    if program:
        variables["MEMORY_PROGRAM"] = "$(rootpath %s)" % program
    native.py_test(
        name = name,
        size = size,
        # For a slow machine; minutes at most on others.
        timeout = "long",
        srcs = [script],
        main = script,
        args = cases,
        data = data + ["//memalloc:memalloc.so"] + ([program] if program else []),
        env = variables,
        python_version = "PY3",
        tags = tags + ["memory"],
        target_compatible_with = NOT_UNDER_SANITIZERS,
        deps = [":budget"],
    )
