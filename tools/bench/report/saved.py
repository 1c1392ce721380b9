"""A measurement as a file, so that it can be reported on once more.

JSON, with the fields of driver/model.py as they are. Everything that a report
says is in it.
"""

import dataclasses
import json

from tools.bench.driver.model import Allocator, Job, Measurement, Part, Run

NAME = "measurement.json"


class Unreadable(Exception):
    """There is no measurement in that file."""


def save(path: str, measurement: Measurement) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(measurement), file, indent=1)
        file.write("\n")


def _part(fields) -> Part:
    return Part(
        [Job(**job) for job in fields["jobs"]],
        [Allocator(**allocator) for allocator in fields["allocators"]],
        [Run(**run) for run in fields["runs"]],
    )


def load(path: str) -> Measurement:
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
        fields["machine"] = [(name, fact) for name, fact in fields["machine"]]
        fields["parts"] = {
            name: _part(part) for name, part in fields["parts"].items()
        }
        return Measurement(**fields)
    except OSError as error:
        raise Unreadable(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("%s is of another version" % path) from error
