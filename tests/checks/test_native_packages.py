"""Real binaries in vendor/: what the checks say of them, and what Python itself says when it imports them."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from entries import HANDLER, package_request, unpack, write_files
from native import compile_library
from this_host import HEADERS, HOST

from cdk_lambda_package import package
from cdk_lambda_package.errors import BuildError, FindingsError, Severity

OTHER = "python3.12" if HOST != "python3.12" else "python3.13"

compiles = pytest.mark.needs("gcc", "headers of Python", "the platform of a target")

MODULE = """
#include <Python.h>
extern int answer(void);
static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, "_x", NULL, -1, NULL };
PyMODINIT_FUNC PyInit__x(void) {
    PyObject *module = PyModule_Create(&definition);
    PyModule_AddIntConstant(module, "ANSWER", ANSWER);
    return module;
}
"""
# The futex-based wait is of gcc 12, as is its symbol version.
NEWER_CXX = """
#include <condition_variable>
extern "C" void wait(std::condition_variable &ready, std::unique_lock<std::mutex> &lock) { ready.wait(lock); }
"""


def findings_of(entry, store, runtime=HOST, **options):
    """What is found, errors too."""
    try:
        return package(package_request(entry=entry, runtime=runtime, **options), store=store).findings
    except FindingsError as error:
        return error.findings


def import_vendored(archive: Path, folder: Path) -> tuple[int, str]:
    """Import pkg._x from the package as Lambda has it, with the package's lib/ where its loader looks."""
    root = unpack(archive, folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    argv = [sys.executable, "-S", "-c", "import pkg._x; print(pkg._x.ANSWER)"]
    done = subprocess.run(
        argv, cwd=root, env={**environment, "LD_LIBRARY_PATH": f"{root}:{root}/lib"}, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def linked(tmp_path) -> tuple[Path, Path]:
    """An app whose extension module is linked to a library that no system has, and that library."""
    library = compile_library(
        tmp_path / "c", "int answer(void) { return 42; }\n", "-Wl,-soname,libanswer.so.5", name="libanswer.so.5"
    )
    options = (f"-I{HEADERS.parent}", "-DANSWER=answer()", str(library))
    module = compile_library(tmp_path / "c", MODULE, *options, name=f"_x{sysconfig.get_config_var('EXT_SUFFIX')}")
    entry = write_files(
        tmp_path / "svc", {"app.py": f"import pkg\n{HANDLER}", "vendor/pkg/__init__.py": "from pkg import _x\n"}
    )
    shutil.copy(module, entry / "vendor/pkg")
    return entry, library


@compiles
def test_a_module_without_its_library_is_an_error_for_the_reason_that_python_gives(linked, tmp_path, store):
    entry, _ = linked
    (finding,) = findings_of(entry, store)
    assert (finding.id, finding.severity) == ("library-not-found", Severity.ERROR)
    assert "needs libanswer.so.5, which neither the package nor Amazon Linux" in finding.message
    request = package_request(entry=entry, runtime=HOST, acknowledge=("library-not-found",))
    package(request, lambda _: tmp_path / "x.zip", store=store)
    status, told = import_vendored(tmp_path / "x.zip", tmp_path / "x")
    assert status == 1
    assert "ImportError: libanswer.so.5: cannot open shared object file" in told


@compiles
def test_the_same_module_with_its_library_in_lib_is_fine_and_imports(linked, tmp_path, store):
    entry, library = linked
    (entry / "vendor/lib").mkdir()
    shutil.copy(library, entry / "vendor/lib")
    made = package(package_request(entry=entry, runtime=HOST), lambda _: tmp_path / "x.zip", store=store)
    assert made.findings == ()
    assert import_vendored(tmp_path / "x.zip", tmp_path / "x") == (0, "42\n")


SETUP = """
from setuptools import Extension, setup
options = {{"include_dirs": [{include!r}], "extra_link_args": [{library!r}], "define_macros": [("ANSWER", "answer()")]}}
setup(name="answering", version="1.0", packages=["pkg"], ext_modules=[Extension("pkg._x", ["x.c"], **options)])
"""


@compiles
@pytest.mark.thorough
def test_what_is_built_may_need_a_library_that_vendor_has_in_lib(linked, tmp_path, store):
    entry, library = linked
    shutil.rmtree(entry / "vendor/pkg")
    setup = SETUP.format(include=str(HEADERS.parent), library=str(library))
    sources = {"setup.py": setup, "x.c": MODULE, "pkg/__init__.py": "from pkg import _x\n"}
    write_files(
        entry, {"requirements.txt": "./answering\n", **{f"answering/{name}": text for name, text in sources.items()}}
    )
    with pytest.raises(BuildError, match=r"needs libanswer\.so\.5, which neither the package nor Amazon Linux"):
        findings_of(entry, store)
    (entry / "vendor/lib").mkdir(parents=True)
    shutil.copy(library, entry / "vendor/lib")
    made = package(package_request(entry=entry, runtime=HOST), lambda _: tmp_path / "x.zip", store=store)
    assert [finding.id for finding in made.findings if finding.severity is Severity.ERROR] == []
    assert import_vendored(tmp_path / "x.zip", tmp_path / "x") == (0, "42\n")
    (entry / "vendor/lib" / library.name).unlink()
    with pytest.raises(BuildError, match=r"needs libanswer\.so\.5"):
        findings_of(entry, store)


@compiles
def test_the_same_module_is_nothing_for_another_python_or_machine(linked, store):
    entry, _ = linked
    assert [finding.id for finding in findings_of(entry, store, OTHER)] == ["binary-for-other-python"]
    assert [finding.id for finding in findings_of(entry, store, architecture="arm64")] == ["binary-for-other-machine"]


@compiles
@pytest.mark.needs("g++")
def test_what_this_hosts_compiler_makes_may_need_a_newer_libstdcxx(tmp_path, store):
    built = compile_library(tmp_path / "c", NEWER_CXX, name="fast.so", compiler="g++")
    if b"GLIBCXX_3.4.30" not in built.read_bytes():
        pytest.skip("this g++ is as old as Amazon Linux 2023's")
    entry = write_files(tmp_path / "svc", {"app.py": f"import fast\n{HANDLER}", "vendor/fast.so": built.read_bytes()})
    (finding,) = findings_of(entry, store, "python3.13")
    assert (finding.id, finding.path) == ("library-uncertain", "vendor/fast.so")
    assert "needs GLIBCXX_3.4.3" in finding.message


@pytest.mark.network
@pytest.mark.xdist_group("psycopg2")
@pytest.mark.parametrize(
    ("platform", "python", "rule", "words"),
    [
        ("manylinux2014_x86_64", "3.13", None, ""),
        ("manylinux2014_x86_64", "3.12", "binary-for-other-python", "is for another Python"),
        ("manylinux2014_aarch64", "3.13", "binary-for-other-machine", "is a Linux arm64 library"),
        ("macosx_14_0_arm64", "3.13", "binary-for-other-machine", "is a macOS binary"),
        ("win_amd64", "3.13", "binary-for-other-machine", "is a Windows binary"),
        ("musllinux_1_2_x86_64", "3.13", "binary-for-other-python", "is for another Python"),
    ],
)
def test_psycopg2_of_every_platform_is_told_apart(tmp_path, shared_cache, store, platform, python, rule, words):
    wheels = shared_cache.parent / f"psycopg2-{platform}-{python}"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    where = ["--platform", platform, "--python-version", python, f"--dest={wheels}"]
    subprocess.run([*download, *where, "psycopg2-binary==2.9.11"], check=True)
    (wheel,) = wheels.glob("*.whl")
    entry = write_files(tmp_path / "svc", {"app.py": f"import psycopg2\n{HANDLER}"})
    unpack(wheel, entry / "vendor")
    found = findings_of(entry, store, "python3.13")
    assert [(finding.id, finding.severity) for finding in found] == ([(rule, Severity.ERROR)] if rule else [])
    assert all(finding.path.startswith("vendor/psycopg2/_psycopg.") and words in finding.message for finding in found)


@pytest.mark.network
@pytest.mark.thorough
def test_of_real_wheels_a_library_that_lambda_lacks_is_an_error_where_it_is_certainly_loaded(tmp_path, shared_store):
    sound = ["opencv-python-headless", "psycopg2-binary", "lxml", "numpy", "scipy", "pyarrow", "pillow", "cryptography"]
    imports = "import cv2, psycopg2, lxml.etree, numpy, scipy.linalg, pyarrow, PIL.Image, cryptography.x509\n"

    def libraries(app, *requirements):
        entry = tmp_path / f"{len(app)}-{requirements[0]}"
        write_files(entry, {"app.py": app + HANDLER, "requirements.txt": "\n".join(requirements)})
        found = findings_of(entry, shared_store, "python3.13", acknowledge=("package-too-large",))
        found = [finding for finding in found if finding.id.startswith(("library", "binary"))]
        return {(finding.subject, finding.severity) for finding in found}

    assert libraries(imports, *sound) == set()
    assert libraries("import mysql.connector\n", "mysql-connector-python") == {("libudev.so.1", Severity.NOTE)}
    assert ("libGL.so.1", Severity.ERROR) in libraries("import cv2\n", "opencv-python")
    assert ("opencv-python", Severity.NOTE) in libraries("", "opencv-python")
