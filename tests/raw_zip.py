"""Archives and wheels laid down byte by byte, so that they can lie."""

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
DESCRIPTOR = struct.Struct("<4s3I")

STORED, DEFLATED, DEFLATE64, BZIP2, LZMA = 0, 8, 9, 12, 14
ENCRYPTED_FLAG, DESCRIPTOR_FLAG, UTF8_FLAG = 0x1, 0x8, 0x800


@dataclass(frozen=True, kw_only=True)
class RawMember:
    """A member as it is to be written; None stands for the truth."""

    name: bytes
    content: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    mode: int = 0o100644
    stream: bytes | None = None
    crc: int | None = None
    size: int | None = None
    compressed: int | None = None
    offset: int | None = None
    version: int = 20
    local_name: bytes | None = None
    local_method: int | None = None
    local_extra: bytes = b""
    extra: bytes = b""

    @property
    def data(self) -> bytes:
        if self.stream is not None:
            return self.stream
        return deflate(self.content) if self.method == DEFLATED else self.content


def deflate(content: bytes, level: int = 6) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def member(name: str, content: bytes | str = b"", **fields: object) -> RawMember:
    """A member with a name that is text; beyond ASCII it gets the UTF-8 flag."""
    flags = 0 if name.isascii() else UTF8_FLAG
    content = content.encode() if isinstance(content, str) else content
    return RawMember(**{"name": name.encode(), "content": content, "flags": flags, **fields})


def build_zip(members: Iterable[RawMember], *, behind: bytes = b"", before: bytes = b"") -> bytes:
    """Return the archive; `before` stands in front of it, `behind` after it."""
    body, directory, count = bytearray(), bytearray(), 0
    for one in members:
        crc = zlib.crc32(one.content) if one.crc is None else one.crc
        size = len(one.content) if one.size is None else one.size
        compressed = len(one.data) if one.compressed is None else one.compressed
        numbers = (crc, compressed, size)
        offset = len(body) if one.offset is None else one.offset
        local_name = one.name if one.local_name is None else one.local_name
        local_method = one.method if one.local_method is None else one.local_method
        described = bool(one.flags & DESCRIPTOR_FLAG)
        local = (one.version, one.flags, local_method, 0, 0x21, *((0, 0, 0) if described else numbers))
        body += LOCAL.pack(b"PK\x03\x04", *local, len(local_name), len(one.local_extra))
        body += local_name + one.local_extra + one.data
        if described:
            body += DESCRIPTOR.pack(b"PK\x07\x08", *numbers)
        common = (3 << 8 | one.version, one.version, one.flags, one.method, 0, 0x21, *numbers)
        lengths = (len(one.name), len(one.extra), 0)
        directory += CENTRAL.pack(b"PK\x01\x02", *common, *lengths, 0, 0, one.mode << 16, offset) + one.name + one.extra
        count += 1
    end = END.pack(b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), len(body), 0)
    return before + bytes(body) + bytes(directory) + end + behind


def dist_info(
    members: Sequence[RawMember],
    *,
    name: str = "demo",
    version: str = "1.0",
    tag: str = "py3-none-any",
    requires_dist: Sequence[str] = (),
    wheel_version: str = "1.0",
    entry_points: str = "",
    leave_out: Sequence[str] = (),
) -> list[RawMember]:
    """Return the metadata members that make a wheel of `members`."""
    folder = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires_dist)
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        "WHEEL": f"Wheel-Version: {wheel_version}\nGenerator: raw\nRoot-Is-Purelib: true\nTag: {tag}\n",
        **({"entry_points.txt": entry_points} if entry_points else {}),
    }
    made = [member(f"{folder}/{file}", text) for file, text in files.items() if file not in leave_out]
    rows = [record_row(one) for one in (*members, *made)]
    if "RECORD" not in leave_out:
        made.append(member(f"{folder}/RECORD", "".join(rows) + f"{folder}/RECORD,,\n"))
    return made


def record_row(one: RawMember) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(one.content).digest()).rstrip(b"=").decode()
    name = one.name.decode("utf-8", "replace")
    quoted = f'"{name}"' if "," in name else name
    return f"{quoted},sha256={digest},{len(one.content)}\n"


def raw_wheel(
    directory: Path,
    members: Sequence[RawMember] = (),
    *,
    name: str = "demo",
    version: str = "1.0",
    tag: str = "py3-none-any",
    before: bytes = b"",
    behind: bytes = b"",
    **metadata: object,
) -> Path:
    """Write a wheel of these members, with metadata behind them."""
    directory.mkdir(parents=True, exist_ok=True)
    about = dist_info(members, name=name, version=version, tag=tag, **metadata)
    path = directory / f"{name}-{version}-{tag}.whl"
    path.write_bytes(build_zip([*members, *about], before=before, behind=behind))
    return path
