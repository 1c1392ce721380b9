"""What a cc_library consists of, for tests that link or compile it by hand."""

def _archives_impl(ctx):
    archives = []
    for dep in ctx.attr.deps:
        for inputs in dep[CcInfo].linking_context.linker_inputs.to_list():
            for library in inputs.libraries:
                archive = library.static_library or library.pic_static_library
                if archive not in archives:
                    archives.append(archive)
    return [DefaultInfo(
        files = depset(archives),
        runfiles = ctx.runfiles(archives),
    )]

# The static archives of the libraries and of all they depend on.
archives = rule(
    implementation = _archives_impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo])},
)

_Sources = provider(
    "How to compile a library by hand.",
    fields = {
        "compilations": "depset of JSON objects: a source and its options.",
        "files": "depset of sources and headers.",
    },
)

def _sources_aspect_impl(target, ctx):
    attributes = ctx.rule.attr
    options = list(getattr(attributes, "copts", []))
    for attribute in ("defines", "local_defines"):
        options += ["-D" + d for d in getattr(attributes, attribute, [])]
    srcs = getattr(ctx.rule.files, "srcs", [])
    hdrs = getattr(ctx.rule.files, "hdrs", [])
    deps = [dep[_Sources] for dep in getattr(attributes, "deps", [])]
    return [_Sources(
        compilations = depset(
            [
                json.encode({"options": options, "source": src.short_path})
                for src in srcs
                if src.extension == "cc"
            ],
            transitive = [dep.compilations for dep in deps],
        ),
        files = depset(srcs + hdrs, transitive = [dep.files for dep in deps]),
    )]

_sources_aspect = aspect(
    implementation = _sources_aspect_impl,
    attr_aspects = ["deps"],
)

def _sources_impl(ctx):
    compilations = depset(
        transitive = [dep[_Sources].compilations for dep in ctx.attr.deps],
    ).to_list()
    manifest = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(manifest, "[%s]\n" % ",\n".join(compilations))
    return [DefaultInfo(
        files = depset([manifest]),
        runfiles = ctx.runfiles(
            files = [manifest],
            transitive_files = depset(
                transitive = [dep[_Sources].files for dep in ctx.attr.deps],
            ),
        ),
    )]

# A JSON list of {"source", "options"}, one for each .cc file of the libraries
# and of all they depend on; the files themselves are in its runfiles.
sources = rule(
    implementation = _sources_impl,
    attrs = {"deps": attr.label_list(aspects = [_sources_aspect])},
)
