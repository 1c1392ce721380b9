#!/bin/bash
#
# Runs each test program named on the command line as on a machine with larger
# pages: the fake kernel refuses what is no multiple of them.

status=0
for page_size in 16384 65536; do
  for program in "$@"; do
    echo "== pages of $page_size bytes: $program"
    FAKE_OS_PAGE_SIZE=$page_size "$program" --gtest_brief=1 || status=1
  done
done
exit $status
