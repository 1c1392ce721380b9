"""Runs one command under one allocator and says what became of it.

Whatever the command does, it ends: each runs in a session of its own that is
killed as a whole when the time is over, so that a hanging allocator leaves no
process behind.
"""

import dataclasses
import os
import signal
import subprocess
from typing import Dict, List, Optional

# How the failure of a run that had to be killed begins.
HANGS = "hangs"

_NOT_PRELOADED = "cannot be preloaded"  # The dynamic linker's words.


@dataclasses.dataclass
class Finished:
    stdout: bytes = b""
    stderr: str = ""
    failure: str = ""


def environment(preload: str, extra: Optional[Dict[str, str]] = None):
    """The caller's environment with exactly this preload, in the C locale."""
    result = {
        name: value
        for name, value in os.environ.items()
        if name != "LD_PRELOAD" and not name.startswith("LC_")
    }
    result["LC_ALL"] = "C"
    if preload:
        result["LD_PRELOAD"] = preload
    result.update(extra or {})
    return result


def kill_session(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:120] if lines else ""


def explain(status: int, stderr: str) -> str:
    """Why a process with this exit status failed; empty when it did not."""
    number = -status if status < 0 else status - 128 if status > 128 else 0
    if number:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = "signal %d" % number
        reason = "crashed: " + name
    elif status != 0:
        reason = "exit status %d" % status
    elif _NOT_PRELOADED in stderr:
        return "the shared object could not be preloaded"
    else:
        return ""
    detail = _last_line(stderr)
    return "%s (%s)" % (reason, detail) if detail else reason


def run(
    command: List[str],
    env: Dict[str, str],
    timeout: float,
    cwd: Optional[str] = None,
    stdin: Optional[str] = None,
) -> Finished:
    """Runs `command` to its end; `stdin` is the path of a file."""
    with open(stdin or os.devnull, "rb") as source:
        try:
            process = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            return Finished(failure="did not start: %s" % error)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return Finished(failure="%s: no end after %g s" % (HANGS, timeout))
    finally:
        # Also when interrupted, and for children that were left behind.
        kill_session(process)
        process.stdout.close()
        process.stderr.close()
    text = stderr.decode(errors="replace")
    return Finished(stdout, text, explain(process.returncode, text))
