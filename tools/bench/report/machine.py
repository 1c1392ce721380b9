"""What a reader must know to judge the figures: machine, versions, date."""

import datetime
import os
import platform
from typing import List, Tuple

from tools.bench.driver.model import Allocator


def _field(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == name:
                    return value.strip()
    except OSError:
        pass
    return ""


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def describe() -> List[Tuple[str, str]]:
    memory = _field("/proc/meminfo", "MemTotal").split()
    cpu = _field("/proc/cpuinfo", "model name") or platform.machine()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    facts = [
        ("date", today.isoformat()),
        ("processor", "%s, %d cores" % (cpu, os.cpu_count() or 0)),
        ("memory", "%.0f GiB" % (int(memory[0]) / 2**20) if memory else ""),
        ("kernel", "%s, %s" % (platform.release(), platform.machine())),
        ("system", _distribution()),
        ("libc", os.confstr("CS_GNU_LIBC_VERSION") or ""),
        ("load at the end", "%.2f" % os.getloadavg()[0]),
    ]
    return [(name, value) for name, value in facts if value]


def versions(allocators: List[Allocator]) -> List[Tuple[str, str]]:
    result = []
    for allocator in allocators:
        text = allocator.version or "version not told"
        text += ", linked in" if allocator.static else ""
        result.append((allocator.name, text))
    return result
