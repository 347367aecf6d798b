"""JSON, and what TOML was read to, become values of declared types, in any number of threads."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import msgspec

_DESCRIBING = threading.Lock()


def decode(content: bytes | str, kind: Any) -> Any:
    """Return the value of a type, also of one like `tuple[int, ...]`, that JSON describes.

    Raises `msgspec.MsgspecError` for what isn't JSON, or doesn't fit the type.

    Example:
        `decode(b"[1, 2]", tuple[int, ...])` is `(1, 2)`.
    """
    return _decoder(kind).decode(content)


def convert(content: object, kind: Any) -> Any:
    """Return the value of a type that lists, mappings and plain values describe, as TOML is read.

    Raises `msgspec.MsgspecError` for what doesn't fit the type.

    Example:
        `convert([1, 2], tuple[int, ...])` is `(1, 2)`.
    """
    # It uses the descriptions that a decoder has.
    _decoder(kind)
    return msgspec.convert(content, kind)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    # msgspec describes a dataclass when it is decoded first, and puts the description on the class before it is complete
    # (DataclassInfo_Convert, msgspec 0.22). A second thread that decodes the class meanwhile reads it, and the process crashes.
    with _DESCRIBING:
        return msgspec.json.Decoder(kind)
