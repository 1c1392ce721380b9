"""The two programs of this folder, built with clang's sanitizers."""

import glob

import builder

# What is not under test, and called with much data.
PLAIN = ["testing/contract/pattern.cc"]
COMMON = [
    f"testing/fuzz/{name}.cc" for name in ("fresh_heap", "model", "player")
]
SANITIZED = ["-O2", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"]

CORPUS = "testing/fuzz/corpus"


def corpus():
    return sorted(glob.glob(f"{CORPUS}/*"))


def _build(folder, core, name, compiling, linking):
    make = builder.Builder("clang++", folder)
    sources = [*core, *COMMON, f"testing/fuzz/{name}.cc"]
    sources = [source for source in sources if source not in PLAIN]
    objects = make.compile(sources, [*SANITIZED, compiling])
    objects += make.compile(PLAIN, ["-O2"])
    return make.link(name, objects, [linking])


def heap_fuzzer(folder, core):
    """Builds the fuzzer, with AddressSanitizer and UBSan."""
    return _build(
        folder,
        core,
        "heap_fuzzer",
        "-fsanitize=fuzzer-no-link,address,undefined",
        "-fsanitize=fuzzer,address,undefined",
    )


def threads_main(folder, core):
    """Builds the program whose threads run at once, with ThreadSanitizer."""
    option = "-fsanitize=thread"
    return _build(folder, core, "threads_main", option, option)
