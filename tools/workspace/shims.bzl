"""Repositories that Bazel 4.2.3 names but that cannot be downloaded offline.

Debian's bazel-rules-cc is newer than its Bazel, so `@rules_cc` re-exports the
native rules here; BUILD files keep the portable load statement. `bazel test`
refers to `@remote_coverage_tools` even when no coverage is collected. Python
programs start with `env python` unless a toolchain says otherwise, and Debian
has only python3.
"""

_NATIVE_CC_RULES = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "fdo_prefetch_hints",
    "fdo_profile",
    "objc_import",
    "objc_library",
]

def _rules_cc_shim_impl(ctx):
    ctx.file("BUILD")
    ctx.file("cc/BUILD")
    ctx.file("cc/defs.bzl", "\n".join([
        "{0} = native.{0}".format(rule)
        for rule in _NATIVE_CC_RULES
    ]))

rules_cc_shim = repository_rule(
    implementation = _rules_cc_shim_impl,
)

def _coverage_tools_shim_impl(ctx):
    ctx.file("BUILD", """filegroup(
    name = "coverage_report_generator",
    visibility = ["//visibility:public"],
)
""")

coverage_tools_shim = repository_rule(
    implementation = _coverage_tools_shim_impl,
)

def _python_toolchain_impl(ctx):
    ctx.file("BUILD", """load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

toolchain(
    name = "toolchain",
    toolchain = ":runtimes",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)

py_runtime_pair(
    name = "runtimes",
    py3_runtime = ":python3",
)

py_runtime(
    name = "python3",
    interpreter_path = "/usr/bin/python3",
    python_version = "PY3",
    stub_shebang = "#!/usr/bin/env python3",
)
""")

python_toolchain = repository_rule(
    implementation = _python_toolchain_impl,
)
