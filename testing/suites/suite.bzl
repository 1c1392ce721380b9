"""Tests that run a program's own tests with memalloc.so preloaded.

Role: as real_program_test, whose harness they use, but each may take minutes:
those with `manual` are run by name only.
"""

load("//testing/programs:program.bzl", "NEEDS_MEMALLOC")

def suite_test(name, main = None, args = [], data = [], manual = False):
    """`name` with the script `main`, or else name.py.

    Args:
      name: of the test.
      main: its script.
      args: of the script.
      data: files that it reads.
      manual: whether the default set leaves it out.
    """
    main = main or name + ".py"
    native.py_test(
        name = name,
        size = "enormous" if manual else "medium",
        timeout = "eternal" if manual else "long",
        srcs = [main],
        args = args,
        data = ["//memalloc:memalloc.so"] + data,
        env = {"LIBRARY_UNDER_TEST": "$(rootpath //memalloc:memalloc.so)"},
        main = main,
        tags = ["cpu:2"] + (["manual"] if manual else []),
        target_compatible_with = NEEDS_MEMALLOC,
        deps = ["//testing/real_programs:real_program"],
    )

def python_suite(name, modules, manual = False):
    """Modules of CPython's package `test`."""
    suite_test(
        name = name,
        args = modules,
        main = "python_suite.py",
        manual = manual,
    )
