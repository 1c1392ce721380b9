"""Runs commands, and gdb, for tests of debugging."""

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


def gdb_command(*arguments, commands, preload=None):
    """Has gdb follow these commands."""
    command = ["gdb", "-batch", "-nx", "-ex", "set confirm off"]
    if preload:
        command += ["-ex", f"set environment LD_PRELOAD {preload}"]
    for line in commands:
        command += ["-ex", line]
    return [*command, *arguments]


def check_allowed(said):
    """Skips the test if gdb says that it may not work here."""
    if "ptrace: Operation not permitted" in said:
        raise unittest.SkipTest("ptrace is not allowed here")


def gdb(*arguments, **options):
    """What gdb says that gets gdb_command's arguments."""
    said = run(gdb_command(*arguments, **options)).stdout
    check_allowed(said)
    return said
