"""Binaries of wheels whose tag promises nothing about them."""

import io
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from assembly import splice_wheel
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_zip import member, raw_wheel

from cdk_lambda_package.checks.binaries import judge_binaries
from cdk_lambda_package.elf import read_elf
from cdk_lambda_package.errors import Severity, WheelError
from cdk_lambda_package.target import Target

X86_64, AARCH64, I386, S390X = 62, 183, 3, 22


def elf(*, machine: int = X86_64, bits: int = 64, glibc: tuple[str, ...] = ()) -> bytes:
    """A shared object of nothing but what is asked of the loader: .gnu.version_r and its strings."""
    strings = b"\0libc.so.6\0" + b"".join(version.encode() + b"\0" for version in glibc)
    names = b"\0.dynstr\0.gnu.version_r\0.shstrtab\0"
    needed = b""
    if glibc:
        needed = struct.pack("<HHIII", 1, len(glibc), 1, 16, 0)
        for index, version in enumerate(glibc):
            behind = 16 if index < len(glibc) - 1 else 0
            needed += struct.pack("<IHHII", 0, 0, 2 + index, strings.index(version.encode() + b"\0"), behind)
    wide = bits == 64
    header_size, section = (64, struct.Struct("<IIQQQQIIQQ")) if wide else (52, struct.Struct("<IIIIIIIIII"))
    at = header_size
    parts, offsets = [strings, needed, names], []
    for part in parts:
        offsets.append(at)
        at += len(part)
    sections = [
        section.pack(*[0] * 10),
        section.pack(1, 3, 2, 0, offsets[0], len(strings), 0, 0, 1, 0),
        section.pack(9, 0x6FFFFFFE, 2, 0, offsets[1], len(needed), 1, 1 if glibc else 0, 4, 0),
        section.pack(24, 3, 0, 0, offsets[2], len(names), 0, 0, 1, 0),
    ]
    head = b"\x7fELF" + bytes([2 if wide else 1, 1, 1, 0]) + bytes(8)
    form = struct.Struct("<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH")
    head += form.pack(3, machine, 1, 0, 0, at, 0, header_size, 0, 0, section.size, len(sections), 3)
    return head + b"".join(parts) + b"".join(sections)


def findings_of(content: bytes, runtime="python3.13", architecture="x86_64"):
    facts = read_elf(io.BytesIO(content))
    assert facts is not None
    target = Target.parse(runtime, architecture)
    return list(judge_binaries({"pkg/x.so": facts.as_json()}, owner="demo==1.0", target=target))


def test_a_binary_of_this_machine_is_read_as_readelf_does():
    library = Path(sys.executable).resolve()
    with library.open("rb") as stream:
        facts = read_elf(stream)
    assert facts is not None
    assert facts.bits == 64
    assert facts.glibc is not None
    if shutil.which("readelf"):
        told = subprocess.run(["readelf", "-V", str(library)], capture_output=True, text=True, check=True).stdout
        assert f"GLIBC_{facts.glibc[0]}.{facts.glibc[1]}" in told


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (elf(machine=AARCH64), "is for aarch64 (64 bits), and python3.13 x86_64 loads x86_64 (64 bits)"),
        (elf(machine=I386, bits=32), "is for EM_386 (32 bits)"),
        (elf(machine=S390X), "is for EM_S390 (64 bits)"),
        (elf(machine=X86_64, bits=32), "is for x86_64 (32 bits)"),
        (elf(glibc=("GLIBC_2.17", "GLIBC_2.35", "GLIBC_2.3.4")), "needs glibc 2.35, and python3.13 x86_64 has 2.34"),
    ],
)
def test_what_lambdas_loader_refuses_is_an_error(content, fault):
    (finding,) = findings_of(content)
    assert (finding.id, finding.severity, finding.path) == ("binary-not-loadable", Severity.ERROR, "pkg/x.so")
    assert f"pkg/x.so of demo==1.0 {fault}" in finding.message


@pytest.mark.parametrize(
    "glibc", [(), ("GLIBC_2.2.5",), ("GLIBC_2.34", "GLIBC_2.9"), ("GLIBC_PRIVATE",), ("OPENSSL_3.5",)]
)
def test_what_lambdas_loader_takes_is_fine(glibc):
    assert findings_of(elf(glibc=glibc)) == []
    assert findings_of(elf(machine=AARCH64, glibc=glibc), architecture="arm64") == []


def test_glibc_is_that_of_the_runtime():
    assert findings_of(elf(glibc=("GLIBC_2.26",)), runtime="python3.11") == []
    assert len(findings_of(elf(glibc=("GLIBC_2.27",)), runtime="python3.11")) == 1


@settings(max_examples=400)
@given(data=st.data())
def test_a_broken_elf_file_is_no_crash(data):
    content = bytearray(elf(glibc=("GLIBC_2.17", "GLIBC_2.35")))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_elf(io.BytesIO(bytes(content[: data.draw(st.integers(4, len(content)))])))


@pytest.mark.parametrize(
    ("tag", "looked_into"),
    [
        ("cp313-cp313-linux_x86_64", True),
        ("py3-none-linux_x86_64", True),
        ("cp313-cp313-manylinux_2_17_x86_64", False),
        ("py3-none-any", False),
    ],
)
def test_only_tags_that_promise_nothing_are_looked_into(tmp_path, store, tag, looked_into):
    files = [member("pkg/x.so", elf(machine=AARCH64)), member("pkg/__init__.py", ""), member("pkg/y.so", b"\x7fELF")]
    segment = splice_wheel(raw_wheel(tmp_path, files, tag=tag), store)
    expected = {"pkg/x.so": {"machine": "aarch64", "bits": 64, "glibc": None, "libraries": []}} if looked_into else {}
    assert segment.facts["binaries"] == expected


def test_a_corrupt_binary_in_such_a_wheel_is_a_wheel_error(tmp_path, store):
    files = [member("pkg/x.so", elf(), crc=1)]
    with pytest.raises(WheelError, match=r"corrupt at 'pkg/x\.so'"):
        splice_wheel(raw_wheel(tmp_path, files, tag="cp313-cp313-linux_x86_64"), store)
