"""One static archive of all that a library is made of."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _merged_archive_impl(ctx):
    archives = []
    for input in ctx.attr.library[CcInfo].linking_context.linker_inputs.to_list():
        for library in input.libraries:
            archive = library.pic_static_library or library.static_library
            if archive:
                archives.append(archive)
    output = ctx.actions.declare_file(ctx.attr.out)
    script = ctx.actions.declare_file(ctx.label.name + ".mri")
    ctx.actions.write(script, "\n".join(
        ["create " + output.path] +
        ["addlib " + archive.path for archive in archives] +
        ["save", "end", ""],
    ))
    ctx.actions.run_shell(
        outputs = [output],
        inputs = archives + [script],
        tools = find_cpp_toolchain(ctx).all_files,
        command = "%s -M < %s" % (find_cpp_toolchain(ctx).ar_executable, script.path),
        mnemonic = "MergeArchives",
    )
    return [DefaultInfo(files = depset([output]))]

merged_archive = rule(
    implementation = _merged_archive_impl,
    doc = "The objects of a cc_library and of all its dependencies, fit for " +
          "programs at any address.",
    attrs = {
        "library": attr.label(mandatory = True, providers = [CcInfo]),
        "out": attr.string(mandatory = True),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
