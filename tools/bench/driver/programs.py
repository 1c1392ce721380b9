"""Whole programs as workloads.

Each does a fixed piece of work from an input of ours, is measured from start
to end, and prints something that must be the same on every allocator. They
take their allocator by preloading: there is no static variant of them.
"""

import dataclasses
import json
import os
import shutil
import tempfile
from typing import Callable, Dict, List

from tools.bench.driver import execute
from tools.bench.driver.model import PROGRAM, Allocator, Job, Run


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    about: str
    executable: str
    package: str
    # (scale, folder of inputs, scratch folder) -> arguments.
    arguments: Callable[[float, str, str], List[str]]
    stdin: str = ""  # A file in the folder of inputs.
    env: Dict[str, str] = dataclasses.field(default_factory=dict)


def _count(scale: float, at_one: int) -> str:
    return str(max(1, round(scale * at_one)))


def _z3_input(scale: float, scratch: str) -> str:
    """Bit-vector arithmetic to be turned into clauses; no search."""
    length = int(_count(scale, 30)) + 1
    lines = ["(set-logic QF_BV)"]
    for i in range(1, length + 1):
        lines.append("(declare-const v%d (_ BitVec 32))" % i)
    for i in range(2, length + 1):
        lines.append(
            "(assert (= v{0} (bvadd (bvmul v{1} #x0000000{2})"
            " (bvxor v{1} #x000000ff))))".format(i, i - 1, i % 9)
        )
    lines.append("(assert (bvult v%d v1))" % length)
    lines.append("(apply (then simplify bit-blast tseitin-cnf))")
    path = os.path.join(scratch, "input.smt2")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return path


def _compile(scale: float, inputs: str, _: str) -> List[str]:
    how = ["-O1", "-DFULL"] if scale >= 0.5 else ["-O0"]
    source = os.path.join(inputs, "work.cc")
    return ["-std=c++17", *how, "-S", "-o", "-", source]


_PROGRAMS = (
    Program(
        "sqlite3",
        "a table of 100,000 rows: indexes, joins, groups, vacuum",
        "sqlite3",
        "sqlite3",
        lambda scale, inputs, scratch: [
            "-batch",
            "-cmd",
            ".param set :n " + _count(scale, 100_000),
            ":memory:",
        ],
        stdin="work.sql",
    ),
    Program(
        "lua",
        "tables, strings and closures in the Lua interpreter",
        "lua5.4",
        "lua5.4",
        lambda scale, inputs, scratch: [
            os.path.join(inputs, "work.lua"),
            _count(scale, 60),
        ],
    ),
    Program(
        "python3",
        "JSON, dictionaries, objects; on Python's own small-object allocator",
        "/usr/bin/python3",
        "python3",
        lambda scale, inputs, scratch: [
            "-I",
            os.path.join(inputs, "work.py"),
            _count(scale, 30),
        ],
    ),
    Program(
        "python3-malloc",
        "the same with every object from malloc (PYTHONMALLOC=malloc)",
        "/usr/bin/python3",
        "python3",
        lambda scale, inputs, scratch: [
            os.path.join(inputs, "work.py"),
            _count(scale, 30),
        ],
        env={"PYTHONMALLOC": "malloc"},
    ),
    Program(
        "gcc",
        "g++ -O1 of a file that uses the standard containers",
        "g++",
        "g++",
        _compile,
    ),
    Program(
        "ghostscript",
        "pages of text and curves drawn at 100 dpi",
        "gs",
        "ghostscript",
        lambda scale, inputs, scratch: [
            "-q",
            "-dBATCH",
            "-dNOPAUSE",
            "-dSAFER",
            "-dCOUNT=" + _count(scale, 100),
            "-r100",
            "-sDEVICE=pgmraw",
            "-sOutputFile=/dev/null",
            os.path.join(inputs, "work.ps"),
        ],
    ),
    Program(
        "node",
        "JSON, buffers and compression in node",
        "node",
        "nodejs",
        lambda scale, inputs, scratch: [
            os.path.join(inputs, "work.js"),
            _count(scale, 100),
        ],
    ),
    Program(
        "perl",
        "hashes, records, sorting and regular expressions in perl",
        "perl",
        "perl",
        lambda scale, inputs, scratch: [
            os.path.join(inputs, "work.pl"),
            _count(scale, 15),
        ],
    ),
    Program(
        "z3",
        "bit-vector arithmetic turned into clauses by the solver z3",
        "z3",
        "z3",
        lambda scale, inputs, scratch: [_z3_input(scale, scratch)],
    ),
)


class Programs:
    """The programs above. `launcher` is the `measured` binary."""

    def __init__(self, launcher: str, inputs: str):
        self._launcher = launcher
        self._inputs = inputs
        self._programs = {program.name: program for program in _PROGRAMS}
        self._expected: Dict[str, bytes] = {}  # Output of the first run.

    def jobs(self, scale: float) -> List[Job]:
        return [
            Job(program.name, PROGRAM, program.about, scale=scale)
            for program in _PROGRAMS
        ]

    def missing(self, name: str) -> str:
        """What to install for this program; empty when it is there."""
        program = self._programs[name]
        if shutil.which(program.executable):
            return ""
        return "%s: apt-get install %s" % (name, program.package)

    def run(
        self, job: Job, allocator: Allocator, number: int, timeout: float
    ) -> Run:
        result = Run(allocator.name, job.name, number)
        program = self._programs[job.name]
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            report = os.path.join(scratch, "report.json")
            command = [self._launcher, "--report=" + report]
            if allocator.preload:
                command.append("--preload=" + allocator.preload)
            command += ["--", program.executable]
            command += program.arguments(job.scale, self._inputs, scratch)
            stdin = program.stdin and os.path.join(self._inputs, program.stdin)
            finished = execute.run(
                command,
                execute.environment("", program.env),
                timeout,
                cwd=scratch,
                stdin=stdin,
            )
            result.failure = finished.failure
            if result.failure:
                return result
            with open(report, encoding="ascii") as file:
                figures = json.load(file)
        if finished.stdout != self._expected.setdefault(
            job.name, finished.stdout
        ):
            result.failure = "its output differs from the first allocator's"
        result.seconds = figures["seconds"]
        result.cpu_seconds = figures["cpu_seconds"]
        result.peak_rss_kib = figures["peak_rss_kib"]
        return result
