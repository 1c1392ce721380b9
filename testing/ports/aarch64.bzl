"""Programs and tests for 64-bit ARM in a build for another machine."""

def _to_aarch64_impl(_settings, _attr):
    return {
        "//command_line_option:cpu": "aarch64",
        "//command_line_option:crosstool_top": "//tools/aarch64:toolchain",
        # The emulator is this rule's business.
        "//command_line_option:run_under": None,
    }

_to_aarch64 = transition(
    implementation = _to_aarch64_impl,
    inputs = [],
    outputs = [
        "//command_line_option:cpu",
        "//command_line_option:crosstool_top",
        "//command_line_option:run_under",
    ],
)

def _aarch64_program_impl(ctx):
    program = ctx.attr.program[0][DefaultInfo]
    output = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = output,
        target_file = program.files_to_run.executable,
    )
    return [DefaultInfo(
        files = depset([output]),
        runfiles = ctx.runfiles([output]),
    )]

# The cc_binary `program` as --config=aarch64 builds it.
aarch64_program = rule(
    implementation = _aarch64_program_impl,
    attrs = {
        "program": attr.label(
            cfg = _to_aarch64,
            mandatory = True,
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)

def _aarch64_test_impl(ctx):
    program = ctx.attr.test[0][DefaultInfo]
    emulator = ctx.attr._emulator[DefaultInfo]
    script = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        script,
        "#!/bin/sh\nexec {} {} {}\n".format(
            ctx.executable._emulator.short_path,
            program.files_to_run.executable.short_path,
            " ".join(["'%s'" % a for a in ctx.attr.arguments]),
        ),
        is_executable = True,
    )
    return [DefaultInfo(
        executable = script,
        runfiles = ctx.runfiles().merge(program.default_runfiles)
            .merge(emulator.default_runfiles),
    )]

# The cc_test `test` as --config=aarch64 builds it, on the emulator.
aarch64_test = rule(
    implementation = _aarch64_test_impl,
    attrs = {
        "arguments": attr.string_list(),
        "test": attr.label(
            cfg = _to_aarch64,
            mandatory = True,
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
        "_emulator": attr.label(
            default = "//tools/aarch64:run",
            cfg = "exec",
            executable = True,
        ),
    },
    test = True,
)
