"""Programs and libraries as a user's `bazel build` with options makes them."""

load(":custom_malloc.bzl", "copy_program")

_OPTIONS = [
    "//command_line_option:" + name
    for name in ["copt", "features", "linkopt"]
]

def _user_build_impl(settings, attr):
    added = dict(zip(_OPTIONS, [
        attr.copts,
        attr.features_on,
        attr.linkopts,
    ]))
    return {name: settings[name] + added[name] for name in _OPTIONS}

_user_build = transition(
    implementation = _user_build_impl,
    inputs = _OPTIONS,
    outputs = _OPTIONS,
)

_ATTRIBUTES = {
    "copts": attr.string_list(),
    "features_on": attr.string_list(),
    "linkopts": attr.string_list(),
    "_allowlist_function_transition": attr.label(
        default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
    ),
}

# The program as that build links it.
program_in_build = rule(
    implementation = copy_program,
    attrs = dict(_ATTRIBUTES, program = attr.label(
        cfg = _user_build,
        mandatory = True,
    )),
    executable = True,
)

def _libraries_in_build_impl(ctx):
    context = ctx.attr.library[0][CcInfo].linking_context
    linked = [
        library
        for inputs in context.linker_inputs.to_list()
        for library in inputs.libraries
        if (library.static_library or library.pic_static_library or
            library.objects or library.pic_objects)
    ]
    script = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        script,
        "#!/bin/sh\necho %s\n" % ("memalloc" if linked else "libc"),
        is_executable = True,
    )
    return [DefaultInfo(executable = script)]

# Prints which malloc a program gets that names the library in that build:
# "memalloc", or "libc" where the library has nothing to link. Nothing is
# compiled.
libraries_in_build = rule(
    implementation = _libraries_in_build_impl,
    attrs = dict(_ATTRIBUTES, library = attr.label(
        cfg = _user_build,
        mandatory = True,
    )),
    executable = True,
)
