"""git on memalloc.so: a history, merges, clone, gc and fsck.

Role: a family of short-lived processes that read and write one repository;
packing runs threads with large hash tables and delta windows.

Invariants: authors, dates and contents are fixed, so commit names, logs,
diffs and archives are equal byte for byte on both sides. Both repositories
are made by the test; no configuration but the one here is read, and nothing
goes through a network (the clone uses the pack protocol over a local path).
Locking: none here; pack.threads gives git two threads.
"""

import random

from testing.real_programs import real_program

_COMMITS = 300
_FILES = 120

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A U Thor",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_AUTHOR_DATE": "1600000000 +0000",
    "GIT_COMMITTER_NAME": "C O Mitter",
    "GIT_COMMITTER_EMAIL": "committer@example.com",
    "GIT_COMMITTER_DATE": "1600000000 +0000",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
}


def _history() -> bytes:
    """A stream for git fast-import: two branches over the same files."""
    rng = random.Random(6)
    files = {
        f"folder{n % 9}/file{n}.txt": [
            f"line {k} of {n}: {rng.randrange(10**6)}" for k in range(120)
        ]
        for n in range(_FILES)
    }
    out = []

    def commit(branch, number, names):
        message = f"Commit {number} of {branch}\n\n" + "Because. " * 20
        out.append(f"commit refs/heads/{branch}")
        if number == 0 and branch == "main":
            out.append("mark :1")
        date = f"{1_500_000_000 + number} +0000"
        out.append(f"committer C O Mitter <committer@example.com> {date}")
        out.append(f"data {len(message)}\n{message}")
        if number == 0 and branch == "side":
            out.append("from :1")
        for name in names:
            text = "\n".join(files[name]) + "\n"
            out.append(f"M 100644 inline {name}\ndata {len(text)}\n{text}")

    commit("main", 0, files)
    names = sorted(files)
    for number in range(1, _COMMITS):
        changed = rng.sample(names[: _FILES // 2], 4)
        for name in changed:
            lines = files[name]
            lines[rng.randrange(len(lines))] = f"changed by {number}"
            lines.insert(rng.randrange(len(lines)), f"added by {number}")
        commit("main", number, changed)
        if number == _COMMITS // 2:
            # The other half of the files, so that the merge has no conflict.
            for step in range(40):
                changed = rng.sample(names[_FILES // 2 :], 3)
                for name in changed:
                    files[name].append(f"of the side {step}")
                commit("side", step, changed)
    return ("\n".join(out) + "\ndone\n").encode()


class GitTest(real_program.RealProgramTest):
    def test_repository(self):
        git = self.program("git", "git")
        history = _history()

        def work(session):
            def run(*options, folder="work", **more):
                return session.run(
                    [git, *options],
                    cwd=session.dir / folder,
                    env=_ENVIRONMENT,
                    **more,
                )

            (session.dir / "work").mkdir()
            run("init", "-q", "-b", "main")
            run("config", "gc.autoDetach", "false")
            run("config", "pack.threads", "2")
            run("fast-import", "--quiet", "--done", stdin=history)
            run("checkout", "-q", "main")
            merge = run("merge", "--no-ff", "-m", "Merge side", "side")
            results = {
                "merge": merge.stdout,
                "head": run("rev-parse", "HEAD", "HEAD^{tree}").stdout,
                "status": run("status", "--porcelain=v2", "-b").stdout,
                "log": run("log", "-p", "--stat", "--graph", "--all").stdout,
                "blame": run("blame", "folder0/file0.txt").stdout,
                "grep": run("grep", "-n", "-E", "added by .*7").stdout,
            }
            self.assertGreater(len(results["log"]), 500_000)

            url = f"file://{session.dir}/work"
            run(
                *("clone", "-q", "--bare", url, "clone.git"),
                folder="",
                children=("git",),
            )
            run("gc", "-q", "--aggressive", "--prune=now", folder="clone.git")
            run("gc", "-q", "--prune=now", children=("git",))
            for folder in ("work", "clone.git"):
                listed = run("rev-list", "--objects", "--all", folder=folder)
                results[f"objects of {folder}"] = listed.stdout
                fsck = run("fsck", "--full", "--strict", folder=folder)
                results[f"fsck of {folder}"] = fsck.stdout
                counted = run("count-objects", "-v", folder=folder).stdout
                self.assertIn(b"packs: 1\n", counted)
                self.assertIn(b"\ncount: 0\n", b"\n" + counted)
            tar = run("archive", "--format=tar", "main", folder="clone.git")
            results["archive"] = tar.stdout
            return results

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
