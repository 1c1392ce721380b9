"""Makes the packages: a tar.gz to unpack anywhere, and a .deb.

  package --version=0.1.0 --tar=OUT --deb=OUT PLACE=FILE...

PLACE is where a file goes below the prefix, such as bin/memalloc-run. In files
whose place ends in .in that ending is dropped and @VERSION@ filled in. The same
files make the same packages to the byte.
"""

import argparse
import gzip
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

MAINTAINER = "The memalloc authors <memalloc@localhost>"
# Of every file: archives do not depend on when they are made.
TIME = 0


def read_files(version, arguments):
    """{place: (content, mode)}, with the version filled in."""
    files = {}
    for argument in arguments:
        place, _, name = argument.partition("=")
        path = Path(name)
        content = path.read_bytes()
        if place.endswith(".in"):
            place = place[: -len(".in")]
            content = content.replace(b"@VERSION@", version.encode())
        mode = 0o755 if place.startswith("bin/") else 0o644
        files[place] = (content, mode)
    return files


def write_tar(output, prefix, files):
    with gzip.GzipFile(output, "wb", mtime=TIME) as stream:
        with tarfile.open(mode="w", fileobj=stream) as archive:
            for place, (content, mode) in sorted(files.items()):
                member = tarfile.TarInfo(f"{prefix}/{place}")
                member.size = len(content)
                member.mode = mode
                member.mtime = TIME
                archive.addfile(member, io.BytesIO(content))


def debian_architecture(files):
    """The architecture that the library is for; see elf(5), e_machine."""
    library, _ = files["lib/memalloc.so"]
    return {62: "amd64", 183: "arm64"}[int.from_bytes(library[18:20], "little")]


def write_deb(output, version, files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for place, (content, mode) in files.items():
            path = root / "usr" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        control = root / "DEBIAN" / "control"
        control.parent.mkdir()
        size = sum(len(content) for content, _ in files.values()) // 1024
        control.write_text(
            "Package: memalloc\n"
            f"Version: {version}\n"
            f"Architecture: {debian_architecture(files)}\n"
            f"Maintainer: {MAINTAINER}\n"
            f"Installed-Size: {size}\n"
            "Depends: libc6 (>= 2.36), libgcc-s1, libstdc++6 (>= 12)\n"
            "Section: libs\n"
            "Priority: optional\n"
            "Description: general-purpose memory allocator\n"
            " Serves malloc, free, new and delete of programs that are linked\n"
            " with it, or run by memalloc-run, which preloads it.\n"
        )
        for path in [root, *root.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", root, output],
            check=True,
            env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(TIME)},
            stdout=subprocess.DEVNULL,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--tar", required=True)
    parser.add_argument("--deb", required=True)
    parser.add_argument("files", nargs="+", metavar="PLACE=FILE")
    flags = parser.parse_args()
    files = read_files(flags.version, flags.files)
    write_tar(flags.tar, f"memalloc-{flags.version}", files)
    write_deb(flags.deb, flags.version, files)


if __name__ == "__main__":
    main()
