"""Counts the test cases of one `bazel test` run. Called by .ci/run.

Usage: summary.py EVENTS STATUS, where STATUS is how Bazel ended.

Reads the build events (--build_event_json_file), and through them each test's
test.xml or log: cases of GoogleTest and of Python's unittest are counted one
by one, any other test as one case. Names what failed and what was skipped,
with the reason, and prints "N passed, N failed[, N skipped]" as the last line.
Exits with 1 when something failed and when nothing passed.

A target that did not build, timed out or crashed before it wrote its results
counts as at least one failure, and so does a Bazel that failed otherwise (a
BUILD file that does not load, say): no number here may hide a red run.
"""

import json
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections import defaultdict

UNITTEST_END = re.compile(
    r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?$", re.MULTILINE
)
# What a test prints itself may stand between its name and this.
UNITTEST_SKIP = re.compile(
    r"^(?:(.*)\.\.\. )?skipped (['\"])(.*)\2$", re.MULTILINE
)


class Count:
    """Cases of one target, or of the whole run."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def local_path(uri):
    return urllib.parse.unquote(urllib.parse.urlparse(uri).path)


def count_xml(root):
    """The cases in a test.xml."""
    count = Count()
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
        elif skip is not None:
            reason = (skip.get("message") or "").split("\n", 1)[-1]
            count.skipped.append(f"{name}: {reason.strip()}")
        elif case.get("status") == "notrun":
            count.skipped.append(f"{name}: disabled")
        else:
            count.passed += 1
    return count


def count_unittest(log):
    """The cases in the log of a Python unittest; None if it is not one."""
    count = Count()
    ends = UNITTEST_END.findall(log)
    skipped = 0
    for ran, details in ends:
        numbers = dict(re.findall(r"([a-z ]+)=(\d+)", details))
        failed = sum(
            int(numbers.get(key, 0))
            for key in ("failures", "errors", "unexpected successes")
        )
        count.failed += failed
        count.passed += int(ran) - failed - int(numbers.get("skipped", 0))
        skipped += int(numbers.get("skipped", 0))
    for name, _, reason in UNITTEST_SKIP.findall(log):
        count.skipped.append(f"{name}{reason}")
    # Without -v there is no line for each.
    count.skipped += ["reason not printed"] * (skipped - len(count.skipped))
    return count if ends else None


def count_result(result):
    """The cases of one testResult event."""
    files = {
        output["name"]: local_path(output["uri"])
        for output in result.get("testActionOutput", [])
        if "uri" in output
    }
    try:
        root = ElementTree.parse(files["test.xml"]).getroot()
        # GoogleTest's own file; Bazel's substitute knows one case only.
        if root.get("name") == "AllTests":
            return count_xml(root)
        with open(files["test.log"], encoding="utf-8", errors="replace") as log:
            count = count_unittest(log.read())
        if count:
            return count
    except (KeyError, OSError, ElementTree.ParseError):
        pass
    count = Count()
    if result.get("status") in ("PASSED", "FLAKY"):
        count.passed = 1
    return count


def read_events(path):
    """Returns test labels, their overall status, and their result events."""
    labels, statuses, results = set(), {}, defaultdict(dict)
    with open(path, encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            (kind, identity), = event["id"].items()
            label = identity.get("label")
            if kind == "targetConfigured":
                if event.get("configured", {}).get("testSize"):
                    labels.add(label)
            elif kind == "targetCompleted":
                reason = event.get("aborted", {}).get("reason")
                statuses.setdefault(label, reason or "NOT BUILT")
            elif kind == "testResult":
                # A later attempt of the same run replaces an earlier one.
                key = identity.get("run"), identity.get("shard")
                results[label][key] = event["testResult"]
            elif kind == "testSummary":
                statuses[label] = event["testSummary"]["overallStatus"]
    return labels, statuses, results


def main():
    events, bazel_status = sys.argv[1:]
    labels, statuses, results = read_events(events)
    total = Count()
    for label in sorted(labels):
        status = statuses.get(label, "NOT RUN")
        count = Count()
        for result in results[label].values():
            count.add(count_result(result))
        if status == "SKIPPED":
            count.skipped.append("not for this configuration")
        elif status not in ("PASSED", "FLAKY"):
            count.failed = max(count.failed, 1)
            print(f"FAILED  {label}: {status}, {count.failed} failed")
        for reason in count.skipped:
            print(f"SKIPPED {label} {reason}")
        total.add(count)
    if bazel_status != "0" and not total.failed:
        total.failed = 1
        print(f"FAILED  bazel itself: it ended with status {bazel_status}")
    line = f"{total.passed} passed, {total.failed} failed"
    if total.skipped:
        line += f", {len(total.skipped)} skipped"
    print(line)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
