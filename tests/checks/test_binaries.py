"""Binaries that Lambda can't load: what is an error, what a warning, and what is nobody's business."""

import hashlib
import io
from collections.abc import Mapping

import pytest
from assembly import splice_wheel
from native import (
    AARCH64,
    CUDA,
    EXECUTABLE,
    I386,
    MACOS_ARM64,
    MACOS_X86_64,
    RELOCATABLE,
    S390X,
    X86_64,
    elf,
    mach_o,
    pe,
    universal,
)
from raw_zip import DEFLATED, STORED, member, raw_wheel

from cdk_lambda_package.binaries import examine_file
from cdk_lambda_package.checks.binaries import check as check_binaries
from cdk_lambda_package.checks.contents import PackageContents, analyse_imports
from cdk_lambda_package.errors import Finding, Severity, WheelError
from cdk_lambda_package.layers import Layer
from cdk_lambda_package.splicing import APP, VENDOR, Entry
from cdk_lambda_package.target import RUNTIMES, Target

MACHINE, PYTHON, SYSTEM = "binary-for-other-machine", "binary-for-other-python", "binary-needs-newer-system"
MISSING, UNCERTAIN = "library-not-found", "library-uncertain"
ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
OWN_SUFFIX = ".cpython-313-x86_64-linux-gnu.so"
AARCH64_ELF = elf(machine=AARCH64)
NEWER = elf(glibc=("GLIBC_2.38",))


def importing(files: Mapping[str, bytes]) -> str:
    """The source of an app that imports every extension module of these files."""
    stems = {path.rpartition("/")[0].replace("/", ".") + "." + path.rpartition("/")[2].partition(".")[0]
             for path in files if path.endswith((".so", ".pyd"))}  # fmt: skip
    modules = sorted(stem.lstrip(".") for stem in stems)
    return "".join(f"import {module}\n" for module in modules if all(part.isidentifier() for part in module.split(".")))


def check(
    files: Mapping[str, bytes],
    runtime: str = "python3.13",
    architecture: str = "x86_64",
    *,
    owner: str = VENDOR,
    layers: tuple[Layer, ...] = (),
    app: str | None = None,
    vouched: bool = False,
    owners: Mapping[str, str] | None = None,
    index: str = "app.py",
) -> list[Finding]:
    """What is found in a package of these files, and of an `app` in source that imports all extension modules by default.

    All but the app belong to `owner`, except for those in the folders of `owners`.
    """
    facts = {path: examine_file(path, io.BytesIO(content)) for path, content in files.items()}
    own = {"app.py": (importing(files) if app is None else app).encode()}

    def whose(path: str) -> str:
        return APP if path in own else next((name for folder, name in (owners or {}).items() if path.startswith(folder)), owner)  # fmt: skip

    content = {**files, **own}
    digests = {path: hashlib.sha256(code).hexdigest() for path, code in content.items()}
    entries = {path: Entry(path, False, len(content[path]), digests[path], whose(path)) for path in sorted(content)}
    binaries = {path: known for path, known in facts.items() if known is not None}
    target = Target.parse(runtime, architecture)
    imports = analyse_imports(entries, content.__getitem__, target=target, binaries=binaries, layers=layers)
    contents = PackageContents(
        target=target,
        index=index,
        handler="handler",
        entries=entries,
        imports=imports,
        binaries=binaries,
        layers=layers,
        vouched=frozenset({owner, *(owners or {}).values()} if vouched else ()),
    )
    return list(check_binaries(contents))


def rows(findings: list[Finding]) -> list[tuple[str, Severity, str | None]]:
    return [(finding.id, finding.severity, finding.path) for finding in findings]


# Other machines


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (AARCH64_ELF, "a Linux arm64 library"),
        (elf(machine=I386, bits=32), "a 32-bit Linux x86 library"),
        (elf(machine=S390X), "a Linux s390x library"),
        (elf(bits=32), "a 32-bit Linux x86_64 library"),
        (mach_o(), "a macOS binary"),
        (universal(MACOS_X86_64, MACOS_ARM64), "a macOS binary"),
        (pe(), "a Windows binary"),
    ],
)
@pytest.mark.parametrize("name", [f"_x{OWN_SUFFIX}", "_x.abi3.so", "_x.so"])
def test_an_extension_module_for_another_machine_is_an_error_that_says_what_it_is(name, content, what):
    (finding,) = check({f"pkg/{name}": content})
    assert rows([finding]) == [(MACHINE, ERROR, f"vendor/pkg/{name}")]
    begin = f"vendor/pkg/{name} is {what}, and python3.13 x86_64 loads 64-bit Linux x86_64 binaries only. "
    assert finding.message.startswith(begin)
    assert "wheel for python3.13 x86_64" in finding.message


@pytest.mark.parametrize("name", ["_x.cpython-313-darwin.so", "_x.cp313-win_amd64.pyd", "_x.pyd", "_x.so"])
@pytest.mark.parametrize("content", [mach_o(), pe(), AARCH64_ELF])
def test_a_module_that_is_there_for_other_systems_alone_is_an_error_under_any_name(name, content):
    assert rows(check({f"pkg/{name}": content})) == [(MACHINE, ERROR, f"vendor/pkg/{name}")]


def test_what_fits_the_machine_is_fine():
    assert check({"pkg/_x.so": elf()}) == []
    assert check({"pkg/_x.so": AARCH64_ELF}, architecture="arm64") == []
    assert rows(check({"pkg/_x.so": elf()}, architecture="arm64")) == [(MACHINE, ERROR, "vendor/pkg/_x.so")]


def test_a_tree_that_was_installed_on_another_system_is_one_finding():
    tree = {f"numpy/core/_x{number}.cpython-313-darwin.so": mach_o() for number in range(19)}
    tree |= {"numpy/.dylibs/libopenblas.0.dylib": mach_o(), "numpy.libs/libgfortran.5.dylib": mach_o()}
    (finding,) = check(tree)
    assert finding.message.startswith("vendor/numpy/core/_x0.cpython-313-darwin.so, like 18 more, is a macOS binary")


@pytest.mark.parametrize(
    "files",
    [
        {"pkg/bin/darwin/x": mach_o(), "pkg/bin/linux/x": elf(), "pkg/bin/win32/x.exe": pe(dll=False)},
        {"bin/tool-darwin-arm64": mach_o(), "bin/tool-linux-x64": elf(kind=EXECUTABLE)},
        {"pkg/libfoo.dylib": mach_o(), "pkg/libfoo.so": elf(), "pkg/foo.dll": pe()},
        {"pkg/libfoo-aarch64.so": AARCH64_ELF, "pkg/libfoo-x86_64.so": elf()},
        {"pkg/x86_64/libfoo.so": elf(), "pkg/aarch64/libfoo.so": AARCH64_ELF},
        {"pkg/libfoo-glibc.so": elf(), "pkg/libfoo-musl.so": elf(needed=("libc.musl-x86_64.so.1",))},
        {f"pkg/_x{OWN_SUFFIX}": elf(), "pkg/_x.so": mach_o(), "pkg/_x.cpython-311-darwin.so": mach_o()},
        {f"pkg/_x{OWN_SUFFIX}": elf(), "pkg/_y.dylib": mach_o(), "pkg/tools/other.dylib": mach_o()},
        {"setuptools/cli-64.exe": pe(dll=False), "setuptools/cli-arm64.exe": pe(0xAA64, dll=False)},
        {"pkg/kernels.cubin": elf(machine=CUDA, kind=EXECUTABLE), "pkg/x.o": elf(machine=AARCH64, kind=RELOCATABLE)},
        {f"pkg/_linux{OWN_SUFFIX}": elf(), "pkg/_windows.pyd": pe(), "pkg/_osx.cpython-313-darwin.so": mach_o()},
        {"pkg/assembly.dll": pe(managed=True)},
        {"pkg/tests/data/hello.so": mach_o(), "pkg/testing/x.so": AARCH64_ELF},
    ],
    ids=lambda files: next(iter(files)),
)
def test_what_is_there_for_other_machines_beside_its_like_for_this_one_is_fine(files):
    assert check(files) == []


@pytest.mark.parametrize("path", ["bin/tool", "pkg/libfoo.so.1", "pkg/libfoo.dylib", "pkg/data/x.bin"])
def test_what_isnt_imported_and_may_never_be_loaded_is_a_warning(path):
    assert rows(check({path: mach_o()})) == [(MACHINE, WARNING, f"vendor/{path}")]


def test_a_library_that_code_chooses_by_its_name_is_a_warning_where_none_is_for_this_machine():
    chosen = {"pkg/attach_linux_x86.so": elf(machine=I386, bits=32), "pkg/linux-x86_64/_y.so": elf()}
    assert {row[1] for row in rows(check(chosen, architecture="arm64", app=""))} == {WARNING}
    module = {"pkg/_x_linux.so": elf(symbols=("PyInit__x_linux",))}
    assert rows(check(module, architecture="arm64")) == [(MACHINE, ERROR, "vendor/pkg/_x_linux.so")]


def test_what_a_repaired_wheels_modules_need_isnt_told_beside_them():
    tree = {f"pkg/_x{OWN_SUFFIX}": AARCH64_ELF, "pkg_binary.libs/libfoo-1234.so.1": AARCH64_ELF}
    assert rows(check(tree)) == [(MACHINE, ERROR, f"vendor/pkg/_x{OWN_SUFFIX}")]
    musl = elf(needed=("libc.musl-x86_64.so.1",))
    tree = {"pkg/_x.cpython-313-x86_64-linux-musl.so": musl, "pkg.libs/libfoo-1234.so.1": musl}
    assert [finding.id for finding in check(tree)] == [PYTHON]


def test_two_modules_whose_names_are_alike_are_not_variants():
    found = check({f"pkg/_x{OWN_SUFFIX}": AARCH64_ELF, f"pkg/x{OWN_SUFFIX}": elf()})
    assert rows(found) == [(MACHINE, ERROR, f"vendor/pkg/_x{OWN_SUFFIX}")]


# What is no binary


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "what", "fix"),
    [
        (POINTER, "is a pointer of Git LFS, and not the binary itself", "Run `git lfs pull` before packaging"),
        (b"<!DOCTYPE html>\n<title>404</title>\n", "isn't a binary that Linux knows", "Build or copy it again"),
        (b"", "isn't a binary that Linux knows", "Build or copy it again"),
        (b"\x00\x01\x02", "isn't a binary that Linux knows", "Build or copy it again"),
        (elf()[:100], "is cut off or damaged", "Build or copy it again"),
        (elf(needed=("libc.so.6",))[:-1], "is cut off or damaged", "Build or copy it again"),
        (
            elf(address=0x10),
            "has load commands that the loader refuses, such as after `strip`",
            "Build or copy it again",
        ),
    ],
)
@pytest.mark.parametrize("name", [f"_x{OWN_SUFFIX}", "_x.abi3.so", "_x.so"])
def test_an_extension_module_that_is_none_is_an_error_that_says_what_it_is(name, content, what, fix):
    (finding,) = check({f"pkg/{name}": content})
    assert rows([finding]) == [("binary-broken", ERROR, f"vendor/pkg/{name}")]
    assert finding.message.startswith(f"vendor/pkg/{name} {what}. {fix}")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("pkg/libx.so", b"/* GNU ld script */\nGROUP ( libx.so.1 AS_NEEDED ( liby.so ) )\n"),
        ("pkg/_x.so", b"INPUT(libx.a)\n"),
        ("pkg/libx.so", b"libx.so.1.2"),
        ("pkg/libx.so.1", b"libx.so.1.2"),
        ("pkg/_x.cpython-39-darwin.so", POINTER),
        ("pkg/_x.cpython-311-x86_64-linux-gnu.so", b""),
        ("pkg/_x.pyd", POINTER),
        ("pkg/libx.dylib", POINTER),
        ("pkg/data.bin", elf()[:100]),
        ("pkg/tool.debug", elf(kind=EXECUTABLE)),
        ("pkg/tests/_x.so", b"not a library"),
        ("pkg/x-y.so", b"not a library"),
    ],
)
def test_what_nobody_would_load_may_be_anything(path, content):
    assert check({path: content}) == []


def test_a_module_that_is_none_is_fine_where_python_finds_another_of_its_name():
    assert check({f"pkg/_x{OWN_SUFFIX}": elf(), "pkg/_x.so": b"text"}) == []


def test_a_broken_library_is_a_warning_unless_a_module_needs_it():
    assert rows(check({"pkg/libx.so.1": POINTER})) == [("binary-broken", WARNING, "vendor/pkg/libx.so.1")]
    found = check({"lib/libx.so.1": POINTER, f"pkg/_x{OWN_SUFFIX}": elf(needed=("libx.so.1",))})
    assert {(finding.id, finding.severity) for finding in found} == {
        ("binary-broken", WARNING), (MISSING, ERROR)
    }  # fmt: skip


def test_a_broken_module_whose_failure_is_provided_for_is_a_warning():
    guarded = b"try:\n    from . import _x\nexcept ImportError:\n    _x = None\n"
    found = check({"pkg/_x.so": POINTER, "pkg/__init__.py": guarded}, app="import pkg")
    assert rows(found) == [("binary-broken", WARNING, "vendor/pkg/_x.so")]


# Other Pythons


@pytest.mark.parametrize(
    "tag",
    [
        "cpython-311-x86_64-linux-gnu",
        "cpython-36m-x86_64-linux-gnu",
        "cpython-313t-x86_64-linux-gnu",
        "cpython-313-aarch64-linux-gnu",
        "cpython-313-x86_64-linux-musl",
        "pypy310-pp73-x86_64-linux-gnu",
    ],
)
def test_an_extension_module_that_another_python_looks_for_is_an_error(tag):
    (finding,) = check({f"pkg/_x.{tag}.so": elf()})
    assert rows([finding]) == [(PYTHON, ERROR, f"vendor/pkg/_x.{tag}.so")]
    ends = ".cpython-313-x86_64-linux-gnu.so, .abi3.so or .so"
    assert f"is for another Python: python3.13 x86_64 loads names that end in {ends}." in finding.message


@pytest.mark.parametrize(
    "beside", [f"pkg/_x{OWN_SUFFIX}", "pkg/_x.abi3.so", "pkg/_x.so", "pkg/_x.py", "pkg/_x.pyc", "pkg/_x/__init__.py"]
)
def test_a_module_that_python_finds_under_another_name_is_fine(beside):
    content = elf() if beside.endswith(".so") else b""
    others = {f"pkg/_x.cpython-3{minor}-x86_64-linux-gnu.so": elf() for minor in (9, 10, 11, 12)}
    assert check({**others, beside: content}) == []


def test_source_beside_a_compiled_module_of_the_right_name_doesnt_help():
    assert rows(check({f"pkg/_x{OWN_SUFFIX}": AARCH64_ELF, "pkg/_x.py": b""})) == [
        (MACHINE, ERROR, f"vendor/pkg/_x{OWN_SUFFIX}")
    ]


def test_a_module_for_several_other_pythons_is_one_finding():
    others = {f"pkg/_x.cpython-3{minor}-x86_64-linux-gnu.so": elf() for minor in (10, 11, 12)}
    assert len(check({**others, "pkg/_x.cpython-312-darwin.so": mach_o()})) == 1


def test_a_module_that_is_broken_under_its_own_name_is_told_under_that_name_alone():
    found = check({f"pkg/_x{OWN_SUFFIX}": NEWER, "pkg/_x.cpython-311-x86_64-linux-gnu.so": elf()})
    assert rows(found) == [(SYSTEM, ERROR, f"vendor/pkg/_x{OWN_SUFFIX}")]


def test_what_was_built_for_python_2_is_told_by_its_symbols():
    (finding,) = check({"psycopg2/_psycopg.so": elf(symbols=("init_psycopg", "Py_InitModule4_64"))})
    assert rows([finding]) == [(PYTHON, ERROR, "vendor/psycopg2/_psycopg.so")]
    assert "is an extension module for Python 2." in finding.message


def test_the_library_of_another_python_is_missing():
    (finding,) = check({"pkg/_x.so": elf(needed=("libpython3.11.so.1.0", "libc.so.6"))})
    assert (finding.id, finding.severity) == (MISSING, ERROR)
    assert "Linux 2023 has (its build is for another Python)" in finding.message
    assert check({"pkg/_x.so": elf(needed=("libpython3.13.so.1.0",))}) == []
    assert [finding.id for finding in check({"pkg/_x.so": elf(needed=("libpython3.13t.so.1.0",))})] == [MISSING]
    assert rows(check({"pkg/_x.so": elf(needed=("libpython3.so",))})) == [(UNCERTAIN, WARNING, "vendor/pkg/_x.so")]


# Newer systems


@pytest.mark.parametrize(
    ("versions", "text"),
    [
        ({"libc.so.6": ("GLIBC_2.38", "GLIBC_2.4")}, "needs glibc 2.38, and python3.13 x86_64 has glibc 2.34"),
        ({"libc.so.6": ("GLIBC_ABI_DT_RELR",)}, "needs glibc 2.36, and python3.13 x86_64 has glibc 2.34"),
        ({"libstdc++.so.6": ("GLIBCXX_3.4.34",)}, "needs GLIBCXX_3.4.34, and python3.13 x86_64 has GLIBCXX_3.4.29"),
        ({"libz.so.1": ("ZLIB_1.2.9", "ZLIB_1.2.12")}, "needs ZLIB_1.2.12, and python3.13 x86_64 has ZLIB_1.2.9"),
        ({"libgcc_s.so.1": ("GCC_15.0.0",)}, "needs GCC_15.0.0, and python3.13 x86_64 has GCC_11.0"),
        (
            {"libc.so.6": ("GLIBC_2.35",), "libstdc++.so.6": ("CXXABI_1.3.16",)},
            "needs glibc 2.35 and CXXABI_1.3.16, and python3.13 x86_64 has glibc 2.34 and CXXABI_1.3.13",
        ),
    ],
)
def test_what_needs_a_newer_system_is_an_error(versions, text):
    (finding,) = check({"pkg/_x.so": elf(versions=versions)})
    assert (finding.id, finding.severity) == (SYSTEM, ERROR)
    assert f"vendor/pkg/_x.so {text} (Amazon Linux 2023)." in finding.message


@pytest.mark.parametrize(
    "versions",
    [
        {},
        {"libc.so.6": ("GLIBC_2.34", "GLIBC_2.9", "GLIBC_PRIVATE")},
        {"libstdc++.so.6": ("GLIBCXX_3.4.29", "CXXABI_1.3.13", "CXXABI_FLOAT128")},
        {"libssl.so.3": ("OPENSSL_3.9",)},
    ],
)
def test_what_the_system_has_is_fine(versions):
    assert check({"pkg/_x.so": elf(versions=versions)}) == []
    assert check({"pkg/_x.so": elf(machine=AARCH64, versions=versions)}, architecture="arm64") == []


@pytest.mark.parametrize(
    ("version", "newest"),
    [
        ("GLIBC_2.27", (2, 26)),
        ("GLIBCXX_3.4.25", (3, 4, 24)),
        ("CXXABI_1.3.12", (1, 3, 11)),
        ("ZLIB_1.2.9", (1, 2, 5, 2)),
    ],
)
def test_the_versions_are_those_of_the_runtimes_system(version, newest):
    family = version.partition("_")[0]
    content = elf(versions={"lib": (version,)})
    assert [finding.id for finding in check({"pkg/_x.so": content}, runtime="python3.11")] == [SYSTEM]
    assert check({"pkg/_x.so": content}, runtime="python3.12") == []
    assert Target.parse("python3.11").runtime.system.symbol_versions[family] == newest


@pytest.mark.parametrize("version", ["GLIBCXX_3.4.30", "GLIBCXX_3.4.33", "CXXABI_1.3.15", "GCC_14.0"])
def test_what_an_update_of_the_system_has_brought_is_uncertain(version):
    (finding,) = check({"pkg/_x.so": elf(versions={"lib": (version,)})}, runtime="python3.13")
    assert (finding.id, finding.severity) == (UNCERTAIN, Severity.WARNING)
    assert f"needs {version}, which " in finding.message
    assert "of Amazon Linux 2023 may not have as Lambda runs it" in finding.message
    assert [one.id for one in check({"pkg/_x.so": elf(versions={"lib": (version,)})}, runtime="python3.11")] == [SYSTEM]


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_the_versions_of_every_runtimes_system_are_known(runtime):
    assert runtime.system.symbol_versions.keys() == {"GLIBC", "GLIBCXX", "CXXABI", "GCC", "ZLIB"}


def test_a_libstdcxx_of_its_own_counts_only_where_the_loader_finds_it_first():
    needs = {"libstdc++.so.6": ("GLIBCXX_3.4.34",)}
    own = elf(soname="libstdc++.so.6")
    first = elf(versions=needs, needed=("libstdc++.so.6",), rpath="$ORIGIN/../lib")
    later = elf(versions=needs, needed=("libstdc++.so.6",), runpath="$ORIGIN/../lib")
    assert check({"pkg/_x.so": first, "lib/libstdc++.so.6": own}) == []
    assert [finding.id for finding in check({"pkg/_x.so": later, "lib/libstdc++.so.6": own})] == [SYSTEM]


# Shared libraries


def needing(*libraries: str, **fields: str) -> bytes:
    return elf(needed=libraries, **fields)


def test_a_library_that_nobody_has_is_an_error_with_the_ways_out():
    (finding,) = check({f"psycopg2/_psycopg{OWN_SUFFIX}": needing("libpq.so.5", "libc.so.6", "libpthread.so.0")})
    assert rows([finding]) == [(MISSING, ERROR, f"vendor/psycopg2/_psycopg{OWN_SUFFIX}")]
    assert "needs libpq.so.5, which neither the package nor Amazon Linux 2023 has" in finding.message
    assert "psycopg2-binary" in finding.message
    assert finding.precise_id == "library-not-found:libpq.so.5"
    assert "vendor/lib/" in finding.message


@pytest.mark.parametrize("library", ["libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libresolv.so.2"])
def test_what_every_system_has_is_fine(library):
    assert check({"pkg/_x.so": needing(library)}) == []
    assert check({"pkg/_x.so": needing(library)}, runtime="python3.10") == []


OF_AMAZON_LINUX_2 = ["libssl.so.10", "libssl.so.1.1", "libcrypto.so.1.1", "libffi.so.6", "libcrypt.so.1"]
OF_AMAZON_LINUX_2023 = ["libssl.so.3", "libcrypto.so.3", "libffi.so.8", "libcrypt.so.2"]


@pytest.mark.parametrize(
    ("library", "runtime"),
    [
        ("libexpat.so.1", "python3.13"),
        ("libnsl.so.1", "python3.13"),
        *[
            (library, runtime)
            for library in (
                "libbz2.so.1",
                "libpcre.so.1",
                "libncursesw.so.6",
                "libtinfo.so.6",
                "libsqlite3.so.0",
                "libgomp.so.1",
                "libcurl.so.4",
                "libxml2.so.2",
                "libdb-5.3.so",
                "libldap-2.4.so.2",
            )
            for runtime in ("python3.11", "python3.13")
        ],
        *[(library, "python3.12") for library in OF_AMAZON_LINUX_2023],
        *[(library, "python3.11") for library in OF_AMAZON_LINUX_2],
    ],
)
def test_what_the_system_may_or_may_not_have_is_a_warning(library, runtime):
    (finding,) = check({"pkg/_x.so": needing(library)}, runtime)
    assert (finding.id, finding.severity) == (UNCERTAIN, WARNING)
    assert library in finding.message


@pytest.mark.parametrize(
    ("library", "runtime"),
    [
        *[(library, "python3.12") for library in (*OF_AMAZON_LINUX_2, "libffi.so.7", "libssl.so.1.0.0")],
        *[(library, "python3.11") for library in (*OF_AMAZON_LINUX_2023, "libffi.so.7")],
        *[(library, "python3.13") for library in ("libgobject-2.0.so.0", "libgthread-2.0.so.0", "libGL.so.1")],
        # Debian's names, those of older systems, and those of the other Amazon Linux.
        *[
            (library, runtime)
            for library in ("libbz2.so.1.0", "libpcre.so.3", "libncurses.so.5", "libtinfo.so.5", "libreadline.so.7")
            for runtime in ("python3.11", "python3.13")
        ],
        ("libreadline.so.6", "python3.13"),
        ("libreadline.so.8", "python3.11"),
    ],
)
def test_a_library_that_only_another_system_has_is_an_error(library, runtime):
    (finding,) = check({"pkg/_x.so": needing(library)}, runtime)
    assert (finding.id, finding.severity, finding.subject) == (MISSING, ERROR, library)


@pytest.mark.parametrize(
    ("path", "place", "fields"),
    [
        ("pkg/_x.so", "lib/libfoo.so.1", {}),
        ("pkg/_x.so", "libfoo.so.1", {}),
        ("pkg/_x.so", "pkg/libfoo.so.1", {"runpath": "$ORIGIN"}),
        ("pkg/_x.so", "pkg.libs/libfoo.so.1", {"runpath": "$ORIGIN/../pkg.libs"}),
        ("pkg/sub/_x.so", "pkg.libs/libfoo.so.1", {"rpath": "/nowhere:${ORIGIN}/../../pkg.libs"}),
        ("pkg/_x.so", "vendored/libfoo.so.1", {"runpath": "/var/task/vendored"}),
        ("pkg/_x.so", "vendored/libfoo.so.1", {"runpath": "vendored"}),
    ],
)
def test_a_library_of_the_package_where_the_loader_looks_is_fine(path, place, fields):
    assert check({path: needing("libfoo.so.1", **fields), place: elf(soname="libfoo.so.1")}) == []


@pytest.mark.parametrize("content", [AARCH64_ELF, mach_o()])
def test_a_library_for_another_machine_is_none(content):
    found = check({"pkg/_x.so": needing("libfoo.so.1"), "lib/libfoo.so.1": content})
    assert (MISSING, ERROR, "vendor/pkg/_x.so") in rows(found)


def test_a_library_where_the_loader_doesnt_look_is_a_warning():
    (finding,) = check({"pkg/_x.so": needing("libfoo.so.1"), "pkg/libs/libfoo.so.1": elf()})
    assert (finding.id, finding.severity) == (UNCERTAIN, WARNING)
    assert "libfoo.so.1, which is at /var/task/pkg/libs/libfoo.so.1, where the loader doesn't look" in finding.message
    # By the name that it gives itself, too: once loaded, it is known under that.
    named = check({"pkg/_x.so": needing("libfoo.so.1"), "pkg/libs/libfoo-1.2.so": elf(soname="libfoo.so.1")})
    assert [finding.id for finding in named] == [UNCERTAIN]


def test_what_is_loaded_first_serves_those_behind_it():
    one = needing("libb.so.1", soname="liba.so.1")
    user = needing("liba.so.1", "libb.so.1", runpath="$ORIGIN")
    assert check({"pkg/_x.so": user, "pkg/liba.so.1": one, "pkg/libb.so.1": elf()}) == []
    # RPATH, unlike RUNPATH, is handed on.
    handed_on = needing("liba.so.1", rpath="$ORIGIN")
    kept = needing("liba.so.1", runpath="$ORIGIN")
    assert check({"pkg/_x.so": handed_on, "pkg/liba.so.1": one, "pkg/libb.so.1": elf()}) == []
    deep = needing("libc1.so", soname="liba.so.1")
    tree = {"pkg/_x.so": handed_on, "pkg/liba.so.1": deep, "pkg/libc1.so": one, "pkg/libb.so.1": elf()}
    assert check(tree) == []
    found = check({"pkg/_x.so": kept, "pkg/liba.so.1": one, "pkg/libb.so.1": elf()})
    assert rows(found) == [(UNCERTAIN, WARNING, "vendor/pkg/liba.so.1")]


def test_what_an_imported_module_needs_must_load_too():
    tree = {"pkg/_x.so": needing("liba.so.1", runpath="$ORIGIN"), "pkg/liba.so.1": NEWER}
    assert rows(check(tree)) == [(SYSTEM, ERROR, "vendor/pkg/liba.so.1")]
    assert rows(check({"pkg/_y.so": elf(), "pkg/liba.so.1": NEWER})) == [(SYSTEM, WARNING, "vendor/pkg/liba.so.1")]


def test_a_layers_libraries_count_if_they_are_in_lib():
    user = {"pkg/_x.so": needing("libpq.so.5")}
    assert check(user, layers=(Layer(name="pg", known=True, files={"lib/libpq.so.5": 1}),)) == []
    elsewhere = check(user, layers=(Layer(name="pg", known=True, files={"python/libpq.so.5": 1}),))
    assert [finding.id for finding in elsewhere] == [UNCERTAIN]
    (missing,) = check(user, layers=(Layer(name="pg", known=True, files={"lib/libx.so": 1}),))
    assert "neither the package, its layers nor Amazon Linux 2023 has" in missing.message


def test_a_layer_that_cant_be_looked_into_makes_it_a_warning():
    arn = "arn:aws:lambda:eu-west-1:123456789012:layer:pg:1"
    (finding,) = check({"pkg/_x.so": needing("libpq.so.5")}, layers=(Layer(name=arn, known=False),))
    assert (finding.id, finding.severity) == (UNCERTAIN, WARNING)
    assert arn in finding.message


@pytest.mark.parametrize(
    "content",
    [
        needing("libc.musl-x86_64.so.1", "libpq.so.5"),
        elf(interpreter="/lib/ld-musl-x86_64.so.1", needed=("libc.musl-x86_64.so.1",)),
    ],
)
def test_what_was_built_for_alpine_linux_is_named_so(content):
    (finding,) = check({"pkg/_x.so": content})
    assert (finding.id, finding.severity) == (MISSING, ERROR)
    assert "was built for Alpine Linux" in finding.message
    assert "vendor/lib/" not in finding.message


def test_a_program_that_lacks_a_library_is_a_warning():
    program = elf(interpreter="/lib64/ld-linux-x86-64.so.2", needed=("libpq.so.5",))
    assert rows(check({"bin/psql": program})) == [(MISSING, WARNING, "vendor/bin/psql")]
    assert check({"bin/static": elf(kind=EXECUTABLE)}) == []


# Who imports it


BAD = {"pkg/_x.cpython-311-x86_64-linux-gnu.so": elf()}
GUARDED = "try:\n    from . import _x\nexcept ImportError:\n    _x = None\n"


@pytest.mark.parametrize(
    ("package", "severity"),
    [
        ("from . import _x", ERROR),
        ("from ._x import f", ERROR),
        ("import pkg._x", ERROR),
        ("import importlib\nimportlib.import_module('pkg._x')", ERROR),
        (GUARDED, WARNING),
        ("def f():\n    from . import _x", WARNING),
        ("from json import unknown_condition\nif unknown_condition():\n    from . import _x", WARNING),
        ("import json", NOTE),
        ("try:\n    import json\nexcept ImportError:\n    from . import _x", NOTE),
    ],
)
@pytest.mark.parametrize("owner", [VENDOR, "pkg==1.0"])
def test_the_imports_that_lead_to_a_module_decide_how_bad_it_is(package, severity, owner):
    files = {**BAD, "pkg/__init__.py": package.encode()}
    (finding,) = check(files, app="import pkg", owner=owner)
    assert (finding.id, finding.severity) == (PYTHON, severity)
    (finding,) = check(files, app="def handler(event, context):\n    import pkg", owner=owner)
    assert finding.severity is (NOTE if severity is NOTE else WARNING)
    (finding,) = check(files, app="", owner=owner)
    assert finding.severity is NOTE
    assert "No import leads to it." in finding.message


def test_the_message_has_the_chain_of_imports():
    files = {**BAD, "pkg/__init__.py": b"import json\nfrom . import _x"}
    (finding,) = check(files, app="\nimport pkg")
    place = "vendor/pkg/_x.cpython-311-x86_64-linux-gnu.so"
    assert f"It is loaded by app.py:2 → vendor/pkg/__init__.py:2 → {place}. " in finding.message
    (finding,) = check(files, app="def handler(event, context):\n    import pkg")
    assert f"→ {place}, in a function or under a condition. " in finding.message


def test_without_a_handler_as_in_a_layer_any_module_may_be_imported():
    assert [finding.severity for finding in check(BAD, app="", index="")] == [ERROR]


def test_a_top_level_extension_may_be_imported_from_anywhere():
    tree = {"_backend.so": AARCH64_ELF, "cffi/__init__.py": b"", "cffi/api.py": b"import _backend"}
    assert [finding.severity for finding in check(tree, app="import cffi.api")] == [ERROR]
    tree["cffi/api.py"] = b"try:\n    import _backend\nexcept ImportError:\n    pass"
    assert [finding.severity for finding in check(tree, app="import cffi.api")] == [WARNING]


# Wheels


def test_a_wheels_binary_is_told_with_its_distribution():
    (finding,) = check({"pkg/x.so": AARCH64_ELF}, owner="demo==1.0")
    assert finding.path == "pkg/x.so"
    assert "pkg/x.so of demo==1.0 is a Linux arm64 library" in finding.message
    assert "Take a version that has a manylinux wheel for python3.13 x86_64" in finding.message


@pytest.mark.parametrize("tag", ["cp313-cp313-linux_x86_64", "cp313-cp313-manylinux_2_17_x86_64", "py3-none-any"])
@pytest.mark.parametrize("method", [DEFLATED, STORED])
def test_the_binaries_of_every_wheel_are_read(tmp_path, store, tag, method):
    content = needing("libGL.so.1")
    files = [member("pkg/x.so", content, method=method), member("pkg/__init__.py", ""), member("pkg/y", b"\x7fELF")]
    files += [member("demo-1.0.data/scripts/tool", elf(kind=EXECUTABLE))]
    segment = splice_wheel(raw_wheel(tmp_path, files, tag=tag), store)
    assert sorted(segment.facts.binaries) == ["bin/tool", "pkg/x.so"]
    assert segment.facts.binaries["pkg/x.so"].libraries == ("libGL.so.1",)


def test_a_corrupt_binary_in_such_a_wheel_is_a_wheel_error(tmp_path, store):
    files = [member("pkg/x.so", elf(machine=X86_64), crc=1)]
    with pytest.raises(WheelError, match=r"corrupt at 'pkg/x\.so'"):
        splice_wheel(raw_wheel(tmp_path, files, tag="cp313-cp313-linux_x86_64"), store)


# Libraries of a desktop, for which a manylinux tag doesn't vouch


def extension(name: str, *libraries: str, **fields: str) -> bytes:
    return elf(needed=libraries, symbols=(f"PyInit_{name}",), **fields)


CV2 = {
    "cv2/__init__.py": b"""
import importlib, sys
def bootstrap():
    py_module = sys.modules.pop("cv2")
    native_module = importlib.import_module("cv2")
    sys.modules["cv2"] = py_module
bootstrap()
""",
    "cv2/cv2.abi3.so": extension("cv2", "libQt5Gui.so.5", rpath="$ORIGIN/../opencv_python.libs"),
    "opencv_python.libs/libQt5Gui.so.5": needing("libGL.so.1", "libX11.so.6", "libc.so.6"),
    "cv2/qt/plugins/platforms/libqxcb.so": needing("libX11.so.6", "libSM.so.6"),
}


def test_a_library_that_a_certainly_loaded_module_needs_is_an_error_and_that_of_a_plugin_a_note():
    found = check(CV2, owner="opencv-python==5.0", vouched=True, app="import cv2")
    assert {(finding.subject, finding.severity) for finding in found} == {
        ("libGL.so.1", ERROR),
        ("libX11.so.6", ERROR),
        ("libSM.so.6", NOTE),
    }
    assert "opencv_python.libs/libQt5Gui.so.5 of opencv-python==5.0, like 1 more, needs libX11.so.6" in str(found)
    first = next(finding for finding in found if finding.subject == "libGL.so.1")
    assert "opencv_python.libs/libQt5Gui.so.5 of opencv-python==5.0 needs libGL.so.1" in first.message
    assert "opencv-python-headless" in first.message


def test_a_module_whose_libraries_are_another_distributions_is_an_error_too():
    files = {
        "PyQt5/QtCore.abi3.so": extension("QtCore", "libQt5Core.so.5", rpath="$ORIGIN/Qt5/lib"),
        "PyQt5/Qt.abi3.so": extension("Qt"),
        "PyQt5/Qt5/lib/libQt5Core.so.5": needing("libglib-2.0.so.0"),
        "PyQt5/__init__.py": b"",
    }
    qt = {"PyQt5/Qt5/": "pyqt5-qt5==5.15"}
    (finding,) = check(files, owner="pyqt5==5.15", owners=qt, vouched=True, app="import PyQt5.Qt")
    assert finding.severity is NOTE
    (finding,) = check(files, owner="pyqt5==5.15", owners=qt, vouched=True, app="from PyQt5 import QtCore")
    assert finding.severity is ERROR
    assert "PyQt5/Qt5/lib/libQt5Core.so.5 of pyqt5-qt5==5.15 needs libglib-2.0.so.0" in finding.message
    assert "opencv" not in finding.message


def test_many_libraries_that_a_distribution_may_do_without_are_one_finding():
    libraries = [f"libdesktop{number}.so.1" for number in range(8)]
    files = {"qt/_x.abi3.so": extension("_x"), "qt/plugins/libxcb.so": needing(*libraries)}
    (finding,) = check(files, owner="qt==1.0", vouched=True, app="import qt._x")
    assert (finding.severity, finding.precise_id) == (NOTE, "library-not-found:qt")
    assert "Binaries of qt==1.0 need 8 libraries that the package and Amazon Linux 2023 don't have: " in finding.message
    assert "libdesktop0.so.1 (for qt/plugins/libxcb.so), libdesktop1.so.1" in finding.message
    assert "and 2 more." in finding.message
    unknown = Layer(name="arn:gl", known=False)
    (finding,) = check(files, owner="qt==1.0", vouched=True, layers=(unknown,), app="")
    assert (finding.id, finding.severity) == (UNCERTAIN, NOTE)
    assert "arn:gl can't be inspected" in finding.message


def test_a_vendored_opencv_is_told_of_the_build_without_a_display():
    (finding,) = check({"cv2/cv2.abi3.so": extension("cv2", "libGL.so.1")})
    assert "Require opencv-python-headless instead" in finding.message
    (finding,) = check({"plot/_plot.abi3.so": extension("_plot", "libGL.so.1")})
    assert "opencv" not in finding.message


def test_of_builds_for_many_pythons_and_machines_the_one_that_python_searches_is_enough():
    machines = {"x86_64": X86_64, "aarch64": AARCH64, "powerpc64le": 21}
    files = {
        f"psycopg2/_psycopg.cpython-{python}-{machine}-linux-gnu.so": extension("_psycopg", machine=number)
        for python in (39, 310)
        for machine, number in machines.items()
    }
    owner = "aws-psycopg2==1.3.8"
    assert check(files, "python3.9", owner=owner) == check(files, "python3.10", "arm64", owner=owner) == []
    (finding,) = check(files, "python3.13", owner=owner)
    assert (finding.id, finding.severity) == ("binary-for-other-python", ERROR)
    assert finding.path == "psycopg2/_psycopg.cpython-310-x86_64-linux-gnu.so"
    assert finding.message.endswith(
        "Require psycopg2-binary instead: it has the same module, and a manylinux wheel for each Python."
    )


TWO = {"pkg/_x.abi3.so": extension("_x"), "pkg/_gui.abi3.so": extension("_gui", "libX11.so.6")}


@pytest.mark.parametrize(
    ("app", "severity"),
    [
        ("", NOTE),
        ("import pkg._x", NOTE),
        ("import pkg._gui", ERROR),
        ("from pkg import _gui", ERROR),
        ("try:\n    import pkg._gui\nexcept ImportError:\n    pass", WARNING),
        ("def handler(event, context):\n    import pkg._gui", WARNING),
    ],
)
def test_of_several_modules_the_one_that_imports_lead_to_is_judged_by_them(app, severity):
    found = check(TWO, owner="pkg==1.0", vouched=True, app=app)
    assert rows(found) == [(MISSING, severity, "pkg/_gui.abi3.so")]
    assert "pkg/_gui.abi3.so of pkg==1.0 needs libX11.so.6" in found[0].message


@pytest.mark.parametrize(
    "files",
    [
        {"pkg/_x.abi3.so": extension("_x", "libfoo.so.1", rpath="$ORIGIN/../pkg.libs"), "pkg.libs/libfoo.so.1": elf()},
        {"pkg/_x.abi3.so": extension("_x", "libfoo.so.1", runpath="$ORIGIN/../o.libs"), "o.libs/libfoo.so.1": elf()},
        {"pkg/_x.abi3.so": extension("_x", "libfoo.so.1"), "lib/libfoo.so.1": elf()},
        # Loaded first by the distribution's own code, or so its authors say.
        {"pkg/_x.abi3.so": extension("_x", "libfoo.so.1"), "pkg/vendor/libfoo.so.1": elf()},
        {"pkg/_x.abi3.so": extension("_x", "libssl.so.3", "libexpat.so.1")},
        {"pkg/_x.abi3.so": extension("_x", machine=AARCH64)},
        {"pkg/_x.abi3.so": extension("_x", glibc=("GLIBC_2.99",))},
        {"pkg/_x.cpython-39-x86_64-linux-gnu.so": extension("_x", "libc.so.6")},
    ],
)
def test_what_a_manylinux_tag_vouches_for_is_no_finding(files):
    assert check(files, owner="pkg==1.0", vouched=True) == []


def test_a_layer_that_has_the_library_is_enough_and_one_that_cant_be_read_makes_it_a_warning():
    known = Layer(name="gl", known=True, files={"lib/libX11.so.6": 1})
    assert check(TWO, owner="pkg==1.0", vouched=True, layers=(known,)) == []
    unknown = Layer(name="arn:gl", known=False)
    (finding,) = check(TWO, owner="pkg==1.0", vouched=True, layers=(unknown,), app="import pkg._gui")
    assert (finding.id, finding.severity) == (UNCERTAIN, WARNING)
