"""A test that runs a real program with memalloc.so preloaded.

Role: what all tests of this folder have in common, so that BUILD names only
the program and the files it works on.
Invariants: the library's path reaches the test by LIBRARY_UNDER_TEST alone. The
programs use up to two cores, so Bazel counts two for those with threads of
their own; nothing here asserts times, so running beside others is safe.
Skipped where memalloc steps aside for a sanitizer: a sanitizer's run-time
library cannot be preloaded into a program that was built without it.
"""

def real_program_test(name, data = [], size = "medium", tags = [], script = None, library = "//memalloc:memalloc.so"):
    """`name` with a script that runs the programs.

    Args:
      name: of the test.
      script: name.py if not said.
      library: the allocator to preload.
      data: the files under data/ that the program works on.
      size: of the test, see Bazel.
      tags: of the test, such as "cpu:2".
    """
    native.py_test(
        name = name,
        size = size,
        # A compiler or a JVM on a busy machine; they are quick on an idle one.
        timeout = "long",
        srcs = [script or name + ".py"],
        main = script or name + ".py",
        data = [library] + data,
        env = {"LIBRARY_UNDER_TEST": "$(rootpath %s)" % library},
        python_version = "PY3",
        tags = tags + ["real_program"],
        target_compatible_with = select({
            "//:step_aside": ["//:incompatible"],
            "//conditions:default": [],
        }),
        deps = [":real_program"],
    )
