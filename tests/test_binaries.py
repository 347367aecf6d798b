"""What is read of binaries: of every system's, by their content alone."""

import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import (
    AARCH64,
    CUDA,
    EXECUTABLE,
    I386,
    MACOS_ARM64,
    MACOS_PROGRAM,
    MACOS_X86_64,
    RELOCATABLE,
    S390X,
    WINDOWS_ARM64,
    WINDOWS_X86,
    compile_library,
    elf,
    mach_o,
    pe,
    universal,
)

from cdk_lambda_package.binaries import BinaryFacts, BinaryKind, examine_file


def remembered(facts: BinaryFacts) -> BinaryFacts:
    return msgspec.json.decode(msgspec.json.encode(facts), type=BinaryFacts)


def read(content: bytes) -> BinaryFacts:
    facts = examine_file("x", io.BytesIO(content))
    assert facts is not None
    assert remembered(facts) == facts
    return facts


@pytest.mark.needs("Linux", "readelf")
def test_a_program_of_this_machine_is_read_as_readelf_does():
    program = Path(sys.executable).resolve()
    with program.open("rb") as stream:
        facts = examine_file("x", stream)
    assert facts is not None
    assert facts.kind is BinaryKind.PROGRAM
    told = subprocess.run(
        ["readelf", "-V", "-d", "-l", str(program)], capture_output=True, text=True, check=True
    ).stdout
    assert f"GLIBC_{'.'.join(map(str, facts.versions['GLIBC']))}" in told
    assert f"[Requesting program interpreter: {facts.interpreter}]" in told
    assert all(f"Shared library: [{library}]" in told for library in facts.libraries)
    assert told.count("(NEEDED)") == len(facts.libraries) > 0


@pytest.mark.needs("gcc")
def test_a_stripped_library_says_as_much_as_a_whole_one(tmp_path):
    source = "#include <math.h>\nint PyInit_fast(void) { return 0; }\ndouble f(double x) { return pow(x, x); }\n"
    options = ("-lm", "-Wl,-soname,libfast.so.1", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib:/opt/lib")
    library = compile_library(tmp_path, source, *options, name="fast.so")
    whole = read(library.read_bytes())
    content = bytearray(library.read_bytes())
    # What `strip --strip-section-headers` does: no section header is left.
    content[0x28:0x30], content[0x3C:0x40] = bytes(8), bytes(4)
    assert read(bytes(content)) == whole
    assert (whole.soname, whole.modules) == ("libfast.so.1", ("fast",))
    assert whole.runpath == ("$ORIGIN/../lib", "/opt/lib")
    assert {"libm.so.6", "libc.so.6"} >= set(whole.libraries) >= {"libm.so.6"}


@pytest.mark.needs("gcc")
def test_what_is_linked_statically_needs_nothing(tmp_path):
    (tmp_path / "x.c").write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-static", "-o", "x", "x.c"], cwd=tmp_path, check=True)
    facts = read((tmp_path / "x").read_bytes())
    assert (facts.kind, facts.libraries, dict(facts.versions)) == (BinaryKind.PROGRAM, (), {})


@pytest.mark.parametrize(
    ("content", "description"),
    [
        (elf(), "a Linux x86_64 library"),
        (elf(machine=AARCH64), "a Linux arm64 library"),
        (elf(machine=I386, bits=32), "a 32-bit Linux x86 library"),
        (elf(bits=32), "a 32-bit Linux x86_64 library"),
        (elf(machine=S390X), "a Linux s390x library"),
        (elf(machine=CUDA, kind=EXECUTABLE), "a Linux CUDA program"),
        (elf(interpreter="/lib64/ld-linux-x86-64.so.2"), "a Linux x86_64 program"),
        (elf(kind=EXECUTABLE), "a Linux x86_64 program"),
        (elf(soname="libc.so.6", interpreter="/lib64/ld-linux-x86-64.so.2"), "a Linux x86_64 library"),
        (elf(kind=RELOCATABLE), "a Linux x86_64 object file"),
        (mach_o(), "a macOS binary"),
        (mach_o(MACOS_X86_64, MACOS_PROGRAM), "a macOS binary"),
        (universal(MACOS_X86_64, MACOS_ARM64), "a macOS binary"),
        (pe(), "a Windows binary"),
        (pe(WINDOWS_ARM64, dll=False), "a Windows binary"),
        (pe(WINDOWS_X86), "a Windows binary"),
    ],
)
def test_what_a_binary_is_can_be_said_in_words(content, description):
    assert read(content).description == description


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ",
        b"\x7fEL",
        b"\x7fELF",
        b"#!/bin/sh\n",
        b"MZ is a country code" + bytes(100),
        pe(managed=True),
        # A class file of Java: the same first bytes as a universal binary, then version 61.0.
        b"\xca\xfe\xba\xbe\x00\x00\x00\x3d" + bytes(1000),
        b"\xca\xfe\xba\xbe\x00\x00\x00\x02",
        b"\xcf\xfa\xed\xfe\x00",
    ],
)
def test_what_only_begins_like_a_binary_is_none(content):
    assert examine_file("x", io.BytesIO(content)) is None


def test_the_newest_version_of_each_library_counts_but_not_what_may_be_missing():
    facts = read(
        elf(
            glibc=("GLIBC_2.17", "GLIBC_2.9", "GLIBC_2.3.4", "GLIBC_2.36", "GLIBC_PRIVATE"),
            weak=("GLIBC_2.36",),
            versions={
                "libstdc++.so.6": ("CXXABI_1.3.11", "CXXABI_FLOAT128", "GLIBCXX_3.4.9", "GLIBCXX_3.4.21"),
                "libgcc_s.so.1": ("GCC_3.0", "GCC_4.2.0"),
                "libssl.so.3": ("OPENSSL_3.5",),
            },
        )
    )
    assert facts.versions == {
        "GLIBC": (2, 17),
        "CXXABI": (1, 3, 11),
        "GLIBCXX": (3, 4, 21),
        "GCC": (4, 2, 0),
    }


def test_relative_relocations_ask_for_the_glibc_that_knows_them():
    assert read(elf(glibc=("GLIBC_2.2.5", "GLIBC_ABI_DT_RELR"))).versions == {"GLIBC": (2, 36)}


def test_modules_for_python_2_and_3_are_told_apart():
    three = read(elf(symbols=("PyInit_a", "PyInit_b", "PyModule_Create2")))
    two = read(elf(symbols=("init_psycopg", "Py_InitModule4_64")))
    assert (three.modules, three.python2) == (("a", "b"), False)
    assert (two.modules, two.python2) == ((), True)


@settings(max_examples=400)
@given(data=st.data())
def test_a_broken_binary_is_no_crash(data):
    whole = [
        elf(glibc=("GLIBC_2.17",), needed=("libx.so.1",), runpath="$ORIGIN", interpreter="/ld", symbols=("PyInit_x",)),
        mach_o(),
        universal(MACOS_ARM64, MACOS_X86_64),
        pe(),
    ]
    content = bytearray(data.draw(st.sampled_from(whole)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    facts = examine_file("x", io.BytesIO(bytes(content[: data.draw(st.integers(4, len(content)))])))
    assert facts is None or remembered(facts) == facts


def test_modules_that_an_extension_module_may_fill_are_those_that_it_names():
    def filled(*symbols):
        names = b"\0pkg._c\0pkg.errors\0pkg._c.Class\0other.errors\0my.pkg.name\0"
        content = elf(symbols=("PyInit__c", *symbols)) + names
        facts = examine_file("pkg/_c.abi3.so", io.BytesIO(content))
        return facts.fills if facts is not None else None

    assert filled("PyModule_AddObject") == ("pkg.errors",)
    assert filled("PyObject_SetAttrString") == ("pkg.errors",)
    assert filled("PyModule_Create2") == ()


def test_a_name_at_the_border_of_two_pieces_is_found():
    content = elf(symbols=("PyInit__c", "PyModule_AddObject"))
    content += b"x" * ((1 << 20) - len(content) - 6) + b"\0pkg.errors\0"
    facts = examine_file("pkg/_c.abi3.so", io.BytesIO(content))
    assert facts is not None
    assert facts.fills == ("pkg.errors",)
