"""--custom_malloc for one program, whatever the command line says."""

def _custom_malloc_transition_impl(_settings, attr):
    return {"//command_line_option:custom_malloc": attr.malloc}

_custom_malloc_transition = transition(
    implementation = _custom_malloc_transition_impl,
    inputs = [],
    outputs = ["//command_line_option:custom_malloc"],
)

# The implementation of a rule whose attribute `program` has a transition.
def copy_program(ctx):
    program = ctx.attr.program[0][DefaultInfo]
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.run_shell(
        arguments = [program.files_to_run.executable.path, executable.path],
        command = 'cp "$1" "$2"',
        inputs = [program.files_to_run.executable],
        outputs = [executable],
    )

    # The program's own runfiles are left out: they hold the program, under
    # the path that it also has without --custom_malloc.
    return [DefaultInfo(executable = executable)]

# The program as `bazel build --custom_malloc=<malloc>` links it.
with_custom_malloc = rule(
    implementation = copy_program,
    attrs = {
        "malloc": attr.string(mandatory = True),
        "program": attr.label(
            cfg = _custom_malloc_transition,
            mandatory = True,
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
)
