"""@com_google_googletest for the cross build, from Debian's sources.

Debian has archives for the machine's own architecture only, but its package
`googletest`, on which libgtest-dev depends, brings the sources.
"""

_BUILD = """cc_library(
    name = "gtest",
    srcs = [
        "source/googlemock/src/gmock-all.cc",
        "source/googletest/src/gtest-all.cc",
    ],
    includes = [
        "source/googlemock",
        "source/googlemock/include",
        "source/googletest",
        "source/googletest/include",
    ],
    linkopts = ["-pthread"],
    textual_hdrs = glob([
        "source/*/include/**/*.h",
        "source/*/src/*",
    ]),
    visibility = ["//visibility:public"],
)

cc_library(
    name = "gtest_main",
    srcs = ["source/googlemock/src/gmock_main.cc"],
    visibility = ["//visibility:public"],
    deps = [":gtest"],
)
"""

def _impl(ctx):
    ctx.symlink("/usr/src/googletest", "source")
    ctx.file("BUILD", _BUILD)

googletest_sources = repository_rule(implementation = _impl)
