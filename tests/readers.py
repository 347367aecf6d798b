"""What independent readers make of a .zip file archive, compared."""

import hashlib
import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import NamedTuple

UNZIP, BSDTAR = shutil.which("unzip"), shutil.which("bsdtar")
_ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class Seen(NamedTuple):
    """A member as a reader shows it."""

    name: str
    size: int
    mode: str


def assert_reads_alike(archive: Path) -> None:
    """See that Python, Info-ZIP and libarchive find the same names, sizes, modes and content, and nothing to object to."""
    listed, digest = read_with_python(archive)
    if UNZIP:
        assert read_with_unzip(archive, len(listed)) == listed
        assert _hash_output(UNZIP, "-p", str(archive)) == digest
    if BSDTAR:
        assert read_with_bsdtar(archive) == listed
        assert _hash_output(BSDTAR, "-xOf", str(archive)) == digest


def read_with_python(archive: Path) -> tuple[list[Seen], str]:
    """Return the members in order, and the digest of their contents one behind the other."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        for info in infos:
            with opened.open(info) as stream:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
    return [Seen(info.filename, info.file_size, stat.filemode(info.external_attr >> 16)) for info in infos], (
        digest.hexdigest()
    )


def read_with_unzip(archive: Path, count: int) -> list[Seen]:
    tested = _run(str(UNZIP), "-tqq", str(archive))
    assert tested == "", tested
    # -rw-r--r--  2.0 unx       66 b- defN 80-Jan-01 00:00 app.py
    lines = _run(str(UNZIP), "-Z", "--h-t", str(archive)).splitlines()
    assert len(lines) == count
    rows = (line.split(None, 8) for line in lines)
    return [Seen(row[8], int(row[3]), row[0]) for row in rows]


def read_with_bsdtar(archive: Path) -> list[Seen]:
    # -rw-r--r--  0 0      0          66 Jan  1  1980 app.py
    rows = (line.split(None, 8) for line in _run(str(BSDTAR), "-tvf", str(archive)).splitlines())
    return [Seen(row[8], int(row[4]), row[0]) for row in rows]


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, env=_ENVIRONMENT, check=False)
    assert done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-2000:])
    assert done.stderr == b"", (argv, done.stderr[-2000:])
    return done.stdout.decode()


def _hash_output(*argv: str) -> str:
    digest = hashlib.sha256()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=_ENVIRONMENT) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(1 << 20):
            digest.update(chunk)
    assert process.returncode == 0, argv
    return digest.hexdigest()
