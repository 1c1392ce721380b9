#!/bin/bash
#
# Runs a program on a preload object: preload.sh OBJECT PROGRAM ARGS...
#
# The object is named by its absolute path, because the loader looks relative
# names up elsewhere, and only says so on stderr when it does not find them.
# Nothing of the shell itself runs on the object. Used by the test
# allocator_test_preload; the program's exit status is the result.

set -euo pipefail

object=$PWD/$1
shift
if [[ ! -e $object ]]; then
  echo "preload.sh: no such object: $object" >&2
  exit 1
fi
LD_PRELOAD=$object exec "$@"
