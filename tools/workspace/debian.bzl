"""Repositories made of a Debian package's headers and static libraries.

A repository gets the name and the labels that the library has upstream
(`@com_google_absl//absl/flags:flag`), so that the BUILD files that use it also
work with the modules in MODULE.bazel. All targets of a repository link the
same group of archives: the linker takes only the members that are needed, and
the order inside the group does not matter.

Archives are named with `-l:`, which searches the linker's own directories:
no path depends on the architecture. For --config=aarch64 there are none;
`cross_repository` may have the same targets made from sources. Headers come from /usr/include, which
every compiler searches already, or from `include_dir`.
"""

_LIBRARY = """cc_library(
    name = "{name}",
    hdrs = {hdrs},
    includes = {includes},
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
    deps = {deps},
)
"""

def _library(name, hdrs = "[]", includes = [], linkopts = [], deps = [], instead = None):
    """A cc_library; the cross build depends on `instead`, if that is given."""
    if instead:
        linkopts = _unless_cross(linkopts, [])
        deps = _unless_cross(deps, [instead])
    return _LIBRARY.format(
        deps = deps,
        hdrs = hdrs,
        includes = includes,
        linkopts = linkopts,
        name = name,
    )

def _unless_cross(native, cross):
    return """select({{
        "{condition}": {cross},
        "//conditions:default": {native},
    }})""".format(
        condition = "@memalloc//tools/aarch64",
        cross = cross,
        native = native,
    )

def _archive_path(ctx, archive):
    """Returns where the compiler finds the archive; fails if it does not."""
    result = ctx.execute(["cc", "-print-file-name=" + archive])
    path = result.stdout.strip()
    if result.return_code != 0 or not path.startswith("/"):
        fail("{} is not installed: run tools/bazel, or apt-get install {}".format(
            archive,
            " ".join(ctx.attr.debian_packages),
        ))
    return ctx.path(path)

def _archives(ctx):
    """Returns the names in `archives`, and all siblings with `archive_prefix`."""
    names = list(ctx.attr.archives)
    for name in names + ctx.attr.main_archives.values():
        _archive_path(ctx, name)
    if names and ctx.attr.archive_prefix:
        for path in _archive_path(ctx, names[0]).dirname.readdir():
            name = path.basename
            if (name.startswith(ctx.attr.archive_prefix) and
                name.endswith(".a") and name not in names):
                names.append(name)
    return sorted(names)

def _debian_library_impl(ctx):
    linkopts = ["-l:" + name for name in _archives(ctx)]
    if linkopts:
        linkopts = ["-Wl,--start-group"] + linkopts + ["-Wl,--end-group"]
    hdrs, includes = "[]", []
    if ctx.attr.include_dir:
        ctx.symlink(ctx.attr.include_dir, "include")
        hdrs, includes = 'glob(["include/**"])', ["include"]
    packages = {"": [_library(
        name = "archives",
        hdrs = hdrs,
        includes = includes,
        linkopts = linkopts + ctx.attr.linkopts,
    )]}
    mains = ctx.attr.main_archives
    for target in ctx.attr.targets + mains.keys():
        package, _, name = target.rpartition(":")
        cross = ctx.attr.cross_repository
        packages.setdefault(package, []).append(_library(
            name = name,
            deps = ["//:archives"],
            linkopts = ["-l:" + mains[target]] if target in mains else [],
            instead = cross + "//" + target if cross else None,
        ))
    for package, rules in packages.items():
        path = package + "/BUILD" if package else "BUILD"
        ctx.file(path, "\n".join(rules))

debian_library = repository_rule(
    implementation = _debian_library_impl,
    attrs = {
        "archive_prefix": attr.string(
            doc = "Also link every archive beside the first that begins so.",
        ),
        "archives": attr.string_list(
            doc = "Static libraries that all targets link.",
        ),
        "cross_repository": attr.string(
            doc = "A repository of the same targets, for --config=aarch64.",
        ),
        "debian_packages": attr.string_list(
            doc = "What to install when an archive is missing.",
            mandatory = True,
        ),
        "include_dir": attr.string(
            doc = "A header directory that compilers do not search by default.",
        ),
        "linkopts": attr.string_list(
            doc = "Options that follow the archives.",
        ),
        "main_archives": attr.string_dict(
            doc = "Targets (package:name) that add one archive with a main().",
        ),
        "targets": attr.string_list(
            doc = "The other public targets (package:name).",
        ),
    },
    # The archives are outside the workspace: look again in each new server.
    local = True,
)
