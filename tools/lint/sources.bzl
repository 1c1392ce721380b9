"""The source files that targets are made of, as one target."""

_SourcesInfo = provider(
    doc = "Sources of a target and of what it depends on.",
    fields = {"files": "depset of source files"},
)

def _sources_aspect_impl(_, ctx):
    direct = []
    for attribute in ["srcs", "hdrs", "textual_hdrs"]:
        for file in getattr(ctx.rule.files, attribute, []):
            # Neither generated files nor other repositories' sources.
            if file.is_source and not file.short_path.startswith("../"):
                direct.append(file)
    return [_SourcesInfo(files = depset(direct, transitive = [
        dependency[_SourcesInfo].files
        for attribute in ["deps", "srcs", "actual"]
        for dependency in _as_list(getattr(ctx.rule.attr, attribute, []))
        if _SourcesInfo in dependency
    ]))]

def _as_list(value):
    return value if type(value) == "list" else [value]

_sources_aspect = aspect(
    implementation = _sources_aspect_impl,
    attr_aspects = ["deps", "srcs", "actual"],
)

def _target_sources_impl(ctx):
    files = depset(transitive = [
        target[_SourcesInfo].files
        for target in ctx.attr.targets
    ])
    return [DefaultInfo(
        files = files,
        runfiles = ctx.runfiles(transitive_files = files),
    )]

target_sources = rule(
    implementation = _target_sources_impl,
    doc = "A filegroup of the sources of `targets` and their dependencies.",
    attrs = {"targets": attr.label_list(aspects = [_sources_aspect])},
)
