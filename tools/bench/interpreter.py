"""Finds a Python that has matplotlib.

Debian's python3-matplotlib belongs to /usr/bin/python3, while the `python3`
that Bazel finds first may be another one: then the program starts over with
Debian's, with the same PYTHONPATH.
"""

import importlib.util
import os
import subprocess
import sys

_DEBIANS = "/usr/bin/python3"
_MARK = "BENCH_PYTHON_CHOSEN"

ADVICE = "matplotlib is missing: apt-get install python3-matplotlib"


def has_matplotlib() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def prefer_matplotlib() -> bool:
    """Whether matplotlib can be used; may not return but start over."""
    if has_matplotlib():
        return True
    if _MARK in os.environ or not os.access(_DEBIANS, os.X_OK):
        return False
    probe = [_DEBIANS, "-c", "import matplotlib"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return False
    os.environ[_MARK] = "1"
    os.execv(_DEBIANS, [_DEBIANS] + sys.argv)
    return False
