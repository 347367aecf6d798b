"""Wheels that were built here: made the same whenever their content is, and judged by what is in them."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from cdk_lambda_package.archive import Splice, write_zip
from cdk_lambda_package.checks.binaries import judge_binaries
from cdk_lambda_package.content import write_content
from cdk_lambda_package.elf import ELF_MAGIC, read_elf
from cdk_lambda_package.segment import SegmentWriter, read_segment
from cdk_lambda_package.target import Target

# What a wheel may expect of every system (PEP 600's policies, without the desktop's libraries), and Lambda's Python.
_SYSTEM_LIBRARIES = re.compile(
    r"(ld-linux.*|lib(c|m|dl|rt|pthread|util|nsl|resolv|gcc_s|stdc\+\+|z|atomic|python3\.\d+))\.so(\.\d+)*$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a built wheel can be taken: `fault` says why not; `native` tells that a compiler had a hand in it."""

    fault: str | None
    native: bool


def judge(wheel: Path, target: Target) -> Verdict:
    """Judge by the tags and, whatever they say, by each binary: a build knows only the machine that it runs on."""
    try:
        tags = parse_wheel_filename(wheel.name)[3]
    except InvalidWheelFilename as error:
        return Verdict(fault=f"isn't named as wheels are ({error})", native=False)
    native = any(tag.platform != "any" for tag in tags)
    if not target.accepts_wheel(wheel.name):
        names = ", ".join(sorted(map(str, tags)))
        return Verdict(fault=f"came out as {wheel.name}, whose tag {names} {target} doesn't load", native=native)
    binaries = read_binaries(wheel)
    faults = [finding.message.split(". Take")[0] for finding in judge_binaries(binaries, owner="it", target=target)]
    faults += _find_missing_libraries(binaries, target)
    return Verdict(
        fault=f"came out as {wheel.name}, but {'; '.join(faults)}" if faults else None, native=native or bool(binaries)
    )


def _find_missing_libraries(binaries: Mapping[str, Mapping[str, Any]], target: Target) -> Iterator[str]:
    """Say what was linked to this machine's libraries that neither the wheel nor Lambda's system has."""
    bundled = {path.rsplit("/", 1)[-1] for path in binaries}
    for path, facts in sorted(binaries.items()):
        for name in facts["libraries"]:
            if name not in bundled and not _SYSTEM_LIBRARIES.match(name):
                yield f"{path} needs {name}, which neither the wheel nor {target.runtime.system.name} brings"


def read_binaries(wheel: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return what each ELF file of a wheel asks of its loader, by path."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            with archive.open(info) as stream:
                if stream.read(len(ELF_MAGIC)) != ELF_MAGIC:
                    continue
                # In memory: it is read back and forth, and a member is inflated anew for each step back.
                facts = read_elf(io.BytesIO(ELF_MAGIC + stream.read()))
                if facts is not None:
                    found[info.filename] = facts.as_json()
    return found


def read_metadata(wheel: Path) -> str:
    """Return METADATA of a wheel that pip built."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(
            name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
        )
        return archive.read(name).decode("utf-8", "replace")


def normalise(wheel: Path, target: Path) -> None:
    """Write the wheel's members in order of their names, without times, by the compressor that is everywhere the same.

    What was built of the same content then has the same sha256, whenever and in whose directory it was.
    """
    segment = target.with_suffix(".segment")
    with zipfile.ZipFile(wheel) as archive, segment.open("wb") as stream:
        writer = SegmentWriter(stream)
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if not info.is_dir():
                _write(archive, info, writer)
        writer.finish({})
    members = read_segment(segment, verify=False)
    with target.open("wb") as stream:
        write_zip([Splice(segment=members, kept=tuple(range(len(members.members))))], stream)
    segment.unlink()


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, writer: SegmentWriter) -> None:
    executable = bool(info.external_attr >> 16 & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    write_content(writer, info.filename, lambda: archive.open(info), size=info.file_size, executable=executable)
