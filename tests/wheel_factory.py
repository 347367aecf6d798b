"""Tiny wheels, made for a test."""

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

Member = tuple[str | zipfile.ZipInfo, bytes]


def build_wheel(
    path: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, bytes | str] | None = None,
    tags: str = "py3-none-any",
    requires_dist: Iterable[str] = (),
    requires_python: str | None = None,
    provides_extra: Iterable[str] = (),
    metadata: Iterable[str] = (),
    extra_members: Iterable[Member] = (),
) -> Path:
    """Write a wheel into the directory `path`, and return its file.

    `files` has its content, by default one module of the distribution's name; `metadata` are further lines of METADATA.
    `extra_members` go in as they are, after everything else and without a line in RECORD.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    if files is None:
        files = {f"{name.replace('-', '_')}.py": f"__version__ = {version!r}\n"}
    members = {file: content.encode() if isinstance(content, str) else content for file, content in files.items()}
    members[f"{stem}.dist-info/METADATA"] = _metadata(
        name, version, requires_dist, requires_python, provides_extra, metadata
    )
    members[f"{stem}.dist-info/WHEEL"] = _wheel(tags)
    record = f"{stem}.dist-info/RECORD"
    members[record] = "".join([*map(_record_line, members.items()), f"{record},,\n"]).encode()
    path.mkdir(parents=True, exist_ok=True)
    wheel = path / f"{stem}-{tags}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in (*members.items(), *extra_members):
            # A fixed time: the same wheel has the same hash in every test run.
            archive.writestr(member if isinstance(member, zipfile.ZipInfo) else _info(member), content)
    return wheel


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    return info


def _metadata(
    name: str,
    version: str,
    requires_dist: Iterable[str],
    requires_python: str | None,
    provides_extra: Iterable[str],
    further: Iterable[str],
) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in provides_extra]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires_dist]
    return "\n".join([*lines, *further, "", ""]).encode()


def _wheel(tags: str) -> bytes:
    interpreters, abis, platforms = (part.split(".") for part in tags.split("-"))
    pure = str(platforms == ["any"]).lower()
    lines = ["Wheel-Version: 1.0", "Generator: wheel_factory", f"Root-Is-Purelib: {pure}"]
    lines += [f"Tag: {i}-{a}-{p}" for i in interpreters for a in abis for p in platforms]
    return "\n".join([*lines, ""]).encode()


def _record_line(member: tuple[str, bytes]) -> str:
    name, content = member
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"
