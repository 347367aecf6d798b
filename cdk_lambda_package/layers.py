"""The layers of a function: which files they have, as far as that is known before deployment."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeGuard

from cdk_lambda_package.app_directory import file_stamp
from cdk_lambda_package.errors import OptionError

# https://docs.aws.amazon.com/lambda/latest/api/API_Layer.html; in CDK the parts may be tokens, in any partition.
_ARN = re.compile(r"arn:[^:\s]+:lambda:[^:\s]+:[^:\s]+:layer:[^:\s]+:[^:\s]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer of the function: `files` has the sizes in bytes by path below /opt.

    `known` is False for a layer that is only named, such as by its ARN: its files are unknown. `modules` has what changes
    with the content of each Python module, by its path; they can be read from the directory or archive at `source`.
    """

    name: str
    known: bool
    files: Mapping[str, int] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    source: Path | None = None

    @property
    def size(self) -> int:
        """The unzipped size of the known files, in bytes."""
        return sum(self.files.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerFiles:
    """A layer whose files are in the directory or .zip file archive at `path`, with a name for messages."""

    name: str
    path: Path


LayerSource = str | os.PathLike[str] | LayerFiles | Layer
"""A directory or .zip file archive with the files below /opt, an ARN, or a layer that is already described."""


def layer_folder(runtimes: Sequence[str]) -> str:
    """Return the folder of a layer's archive that Python modules for these runtimes belong in.

    https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html

    Example:
        `layer_folder(["python3.13"])` is `python/lib/python3.13/site-packages`, which no other runtime looks at.
    """
    return f"python/lib/{runtimes[0]}/site-packages" if len(set(runtimes)) == 1 else "python"


def is_layer_source(value: object) -> TypeGuard[LayerSource]:
    """Return whether a value can describe a layer; whether it exists is another question."""
    return isinstance(value, str | os.PathLike | LayerFiles | Layer)


def read_layers(layers: Iterable[LayerSource]) -> tuple[Layer, ...]:
    """Return the layers with their files.

    Raises `OptionError` for a value that isn't a `LayerSource`.

    Example:
        `read_layers(["build/layer"])[0].files["python/requests/__init__.py"]` is the file's size in bytes.
    """
    return tuple(map(_read_layer, layers))


def stamp_layers(layers: Iterable[LayerSource]) -> list[object]:
    """Return a part of a key that changes whenever a layer does, without opening any .zip file archive.

    Raises `OptionError` for a value that isn't a `LayerSource`.
    """
    return list(map(_stamp_layer, layers))


def _stamp_layer(layer: LayerSource) -> object:
    path = layer_path(layer)
    if path is not None and not path.is_dir():
        return [str(path), file_stamp(path.stat())]
    known = _read_layer(layer)
    return [known.name, known.known, sorted(known.files.items()), sorted(known.modules.items())]


def _read_layer(layer: LayerSource) -> Layer:
    if isinstance(layer, Layer):
        return layer
    path = layer_path(layer)
    name = layer.name if isinstance(layer, LayerFiles) else os.fspath(layer)
    if path is None:
        return Layer(name=name, known=False)
    try:
        files = list(_walk(path) if path.is_dir() else _list_members(path))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    sizes = {file.path: file.size for file in files}
    modules = {file.path: file.stamp for file in files if file.path.endswith(".py")}
    return Layer(name=name, known=True, files=sizes, modules=modules, source=path)


def module_reader(layer: Layer) -> Callable[[str], bytes]:
    """Return a function that returns the content of a layer's module by its path below /opt.

    It raises `OptionError` if the layer can't be read any more. An archive is opened once, at the first module.

    Example:
        `module_reader(layer)("python/shared/__init__.py")`
    """
    source = layer.source
    if source is None:
        raise ValueError(f"layer {layer.name} has no files that can be read")
    read_member = _read_file(source) if source.is_dir() else _read_member(source)

    def read(path: str) -> bytes:
        try:
            return read_member(path)
        except (OSError, ValueError) as error:
            raise _unreadable(source, error) from error

    return read


def _read_file(folder: Path) -> Callable[[str], bytes]:
    return lambda path: folder.joinpath(path).read_bytes()


def _read_member(archive: Path) -> Callable[[str], bytes]:
    from zipfile import ZipFile

    from cdk_lambda_package.archives import ArchiveError, reading_archive

    @cache
    def opened() -> tuple[ZipFile, Mapping[str, str]]:
        members = ZipFile(archive)
        return members, {name.removeprefix("./"): name for name in members.namelist()}

    def read(path: str) -> bytes:
        try:
            with reading_archive():
                members, names = opened()
                return members.read(names[path])
        except ArchiveError as error:
            raise ValueError(str(error)) from error

    return read


def _unreadable(path: Path, error: Exception) -> OptionError:
    return OptionError(f"layers: {str(path)!r} can't be read: {error}. {_ACCEPTED}")


_ACCEPTED = (
    "Give a directory or a .zip file archive of what the layer has below /opt, such as python/…, or the ARN of a version "
    "of it, such as 'arn:aws:lambda:eu-west-1:123456789012:layer:name:1'."
)


def layer_path(layer: LayerSource) -> Path | None:
    """Return the directory or file of a layer, None for a layer that is only named.

    Raises `OptionError` for a value that isn't a `LayerSource`.
    """
    if isinstance(layer, Layer) or (isinstance(layer, str) and _ARN.fullmatch(layer)):
        return None
    path = layer.path if isinstance(layer, LayerFiles) else Path(layer)
    if not path.exists():
        what = "is not the ARN of a layer version" if str(layer).startswith("arn:") else "doesn't exist"
        raise OptionError(f"layers: {str(path)!r} {what}. {_ACCEPTED}")
    return path


class _File(NamedTuple):
    """A file of a layer: its path below /opt, its size in bytes, and what changes with its content."""

    path: str
    size: int
    stamp: str


def _walk(folder: Path) -> Iterator[_File]:
    for place, _, names in os.walk(folder, onerror=_raise):
        inside = Path(place).relative_to(folder).as_posix()
        for name in names:
            found = os.stat(f"{place}{os.sep}{name}")  # noqa: PTH116 - thousands of them
            if stat.S_ISREG(found.st_mode):
                path = name if inside == "." else f"{inside}/{name}"
                yield _File(path, found.st_size, "-".join(map(str, file_stamp(found))))


def _raise(error: OSError) -> None:
    raise error


def _list_members(archive: Path) -> Iterator[_File]:
    # Imported here: an unchanged package opens no layer.
    from cdk_lambda_package.archives import ArchiveError, open_archive

    try:
        with open_archive(archive) as opened:
            members = opened.infolist()
    except ArchiveError as error:
        raise ValueError(f"it is not a .zip file archive ({error})") from error
    if any(not member.filename for member in members):
        raise ValueError("it has a member without a name, which Lambda can't unpack")
    for member in members:
        if not member.filename.endswith("/"):
            stamp = f"{member.CRC:08x}-{member.file_size}-{member.compress_size}"
            yield _File(member.filename.removeprefix("./"), member.file_size, stamp)
