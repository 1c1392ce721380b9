"""The version of the package; memalloc_version() and MODULE.bazel say the same.
"""

VERSION = "0.1.0"
