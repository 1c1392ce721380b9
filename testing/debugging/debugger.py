"""Runs commands, and gdb, for the tests of this folder."""

import subprocess
import unittest

SECONDS = 300  # on a busy machine


def run(command, **options):
    """The finished command, with what it said on both streams."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
        **options,
    )


def gdb(*arguments, commands, preload=None):
    """What gdb says when told these commands."""
    command = ["gdb", "-batch", "-nx", "-ex", "set confirm off"]
    if preload:
        command += ["-ex", f"set environment LD_PRELOAD {preload}"]
    for line in commands:
        command += ["-ex", line]
    said = run([*command, *arguments]).stdout
    if "ptrace: Operation not permitted" in said:
        raise unittest.SkipTest("ptrace is not allowed here")
    return said
