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


class Programs:
    """Builds them in a folder from the core's sources."""

    def __init__(self, folder, core):
        self._make = builder.Builder("clang++", folder)
        self._core = core

    def _build(self, core, name, compiling, linking):
        sources = [*core, *COMMON, f"testing/fuzz/{name}.cc"]
        sources = [source for source in sources if source not in PLAIN]
        objects = self._make.compile(sources, [*SANITIZED, compiling])
        objects += self._make.compile(PLAIN, ["-O2"])
        return self._make.link(name, objects, [linking])

    def _heap_fuzzer(self, core):
        return self._build(
            core,
            "heap_fuzzer",
            "-fsanitize=fuzzer-no-link,address,undefined",
            "-fsanitize=fuzzer,address,undefined",
        )

    def heap_fuzzer(self):
        """Builds the fuzzer, with AddressSanitizer and UBSan."""
        return self._heap_fuzzer(self._core)

    def mistaken_heap_fuzzer(self, name, file, *edits):
        """The same with a mistake in the core."""
        core = self._make.with_mistake(self._core, name, file, *edits)
        return self._heap_fuzzer(core)

    def threads_main(self):
        """Builds the program whose threads run at once, with TSan."""
        option = "-fsanitize=thread"
        return self._build(self._core, "threads_main", option, option)
