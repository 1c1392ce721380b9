"""Reads profiles by `go tool pprof`, as their users do."""

import os
import re
import subprocess
import tempfile

# Where Debian's package has it, if it is not in PATH.
GO = "/usr/lib/go/bin/go"
SECONDS = 120


def run(path, *options):
    """What `go tool pprof` prints of the file."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "HOME": folder,
            "PATH": os.environ.get("PATH", "") + ":/usr/bin",
            "PPROF_TMPDIR": folder,
        }
        result = subprocess.run(
            [GO, "tool", "pprof", *options, str(path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return result.stdout


class Profile:
    """A profile as -raw prints it.

    types: of the values, as "inuse_space"; the default one is last.
    samples: (values by type, names of the functions, the innermost first, and
    labels as text) of each; a frame without a name is None.
    mappings: (path, build id) of each.
    """

    def __init__(self, path):
        text = run(path, "-raw", "-symbolize=none")
        head, rest = text.split("Samples:\n")
        samples, rest = rest.split("Locations\n")
        locations, mappings = rest.split("Mappings\n")
        self.comments = head
        self.period = int(re.search(r"^Period: (\d+)$", head, re.M).group(1))
        names = {}
        for line in locations.splitlines():
            number, _, *rest = line.split()
            known = [word for word in rest if not word.startswith("M=")]
            names[number.rstrip(":")] = known[0] if known else None
        types, *lines = samples.splitlines()
        self.types = [word.split("/")[0] for word in types.split()]
        self.default = [
            word.split("/")[0] for word in types.split() if "[dflt]" in word
        ]
        self.samples = []
        for line in lines:
            values, colon, stack = line.partition(": ")
            if re.fullmatch(r"[\s\d-]+", values) and colon:
                numbers = dict(zip(self.types, map(int, values.split())))
                frames = [names[number] for number in stack.split()]
                self.samples.append((numbers, frames, []))
            else:
                self.samples[-1][2].append(line.strip())
        self.mappings = [line.split()[2:4] for line in mappings.splitlines()]

    def of(self, function, type_):
        """The sum of the type over samples that the function itself took."""
        return sum(
            values[type_]
            for values, frames, _ in self.samples
            if frames and frames[0] == function
        )
