"""Cures of failed builds: the words of real failures, and what each names."""

import pytest

from cdk_lambda_package.building.cures import BuildPlace, find_cures, suggest_interpreter
from cdk_lambda_package.building.places import describe_failure
from cdk_lambda_package.target import Target


def place(python=(3, 11), target="python3.11 x86_64", **fields):
    return BuildPlace(target=Target.parse(*target.split()), python=python, native=True, **fields)


def cures(output, where=None, version="1.0"):
    return find_cures(output, where or place(), version=version)


@pytest.mark.parametrize(
    ("output", "limit"),
    [
        ("    ModuleNotFoundError: No module named 'pkg_resources'", "setuptools<81"),
        ("error in two setup command: use_2to3 is invalid.", "setuptools<58"),
        ("ImportError: cannot import name 'Feature' from 'setuptools' (/tmp/setuptools/__init__.py)", "setuptools<46"),
        ("AttributeError: cython_sources", "cython<3"),
        ("AttributeError: 'build_ext' object has no attribute 'cython_sources'. Did you mean: 'x'?", "cython<3"),
        ("Error compiling Cython file:\n-----\n  cdef extern", "cython<3"),
        ("ModuleNotFoundError: No module named 'setuptools.command.test'", "setuptools<72"),
        (
            "setuptools.errors.InvalidConfigError: Invalid dash-separated key 'description-file' in 'metadata'",
            "setuptools<78",
        ),
        ("ImportError: cannot import name 'packaging' from 'pkg_resources' (/x)", "setuptools<70"),
        ("packaging.version.InvalidVersion: Invalid version: '1.0-dev-x'", "setuptools<66"),
    ],
)
def test_a_build_that_needs_an_older_tool_is_told_the_constraint(output, limit):
    (cure,) = cures(output)
    assert f"build it with {limit}: " in cure
    assert "packaging=Packaging(build_constraint='build-constraints.txt')" in cure


def test_a_constraint_goes_to_the_file_that_there_is_and_is_not_named_twice():
    where = place(constraint="wheel<1\n", constraint_file="limits.txt")
    assert cures("No module named 'pkg_resources'", where) == (
        "add the line 'setuptools<81' to limits.txt, your build_constraint",
    )
    where = place(constraint="setuptools < 81\n", constraint_file="limits.txt")
    assert not cures("No module named 'pkg_resources'", where)


@pytest.mark.parametrize("limit", ["use_2to3 is invalid", "cannot import name 'Feature'"])
def test_a_setuptools_that_no_new_python_runs_is_not_suggested_for_one(limit):
    (cure,) = cures(limit, place((3, 13), "python3.13 arm64"))
    assert cure.startswith("require a newer release")
    (cure,) = cures(limit, place((3, 13), "python3.11 x86_64"))
    assert cure.startswith("put python3.11 on PATH, and build it with setuptools<")


@pytest.mark.parametrize(
    ("output", "first"),
    [
        ("ModuleNotFoundError: No module named 'imp'", (3, 12)),
        ("AttributeError: module 'pkgutil' has no attribute 'ImpImporter'. Did you mean: 'zipimporter'?", (3, 12)),
        ("AttributeError: module 'configparser' has no attribute 'SafeConfigParser'", (3, 12)),
        ("src/fast.c:196:12: fatal error: longintrepr.h: No such file or directory", (3, 11)),
        (
            "x.c:879:13: warning: implicit declaration of function \u2018PyUnicode_GET_SIZE\u2019; did you mean \u2018x\u2019?",
            (3, 12),
        ),
        ("x.c:8:9: error: call to undeclared function 'PyUnicode_AS_UNICODE'; ISO C99 and later do not", (3, 12)),
        (
            "error: \u2018PyThreadState\u2019 {aka \u2018struct _ts\u2019} has no member named \u2018curexc_type\u2019",
            (3, 12),
        ),
        ("KeyError: '__version__'", (3, 13)),
    ],
)
def test_an_interpreter_is_suggested_where_it_would_build_and_nowhere_else(output, first):
    older = f"python3.{first[1] - 1}"
    (cure,) = cures(output, place((3, 14), f"{older} x86_64"))
    assert cure.startswith(f"put {older} on PATH: ")
    (cure,) = cures(output, place((3, 14), "python3.14 x86_64"))
    assert cure == f"require a newer release: this one doesn't build with Python 3.{first[1]} or later"
    assert not cures("the header zebra.h is missing", place((3, 14), f"{older} x86_64"))
    assert not cures(output, place((3, 9), "python3.9 x86_64"))


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        (
            "Could not run curl-config: [Errno 2] No such file or directory: 'curl-config'",
            "install curl-config, which is among",
        ),
        ("Exception: Can not find valid pkg-config name.", "install pkg-config, and the development files"),
        ("Error: pg_config executable not found.", "install pg_config, which is among the development files"),
        ("/bin/sh: 1: mysql_config: not found", "install mysql_config, which is among"),
        ("This backport is for Python 2.7 only.", "remove it from the requirements"),
        ("This backport is meant only for Python 2.", "remove it from the requirements"),
    ],
)
def test_what_a_build_asks_the_machine_or_the_python_for_is_named(output, cure):
    (found,) = cures(output, place((3, 11), "python3.11 x86_64"))
    assert found.startswith(cure)


def test_a_compiled_wheel_of_another_python_suggests_the_targets():
    wheel, other = "fast-1.0-cp311-cp311-linux_x86_64.whl", place((3, 11), "python3.13 x86_64")
    assert suggest_interpreter(wheel, other)[0].startswith("put python3.13 on PATH")
    assert not suggest_interpreter(wheel, place((3, 11), "python3.11 x86_64"))
    assert not suggest_interpreter("odd-1.0-cp27-none-any.whl", other)
    foreign = BuildPlace(target=Target.parse("python3.13", "arm64"), python=(3, 11), native=False)
    assert not suggest_interpreter(wheel, foreign)


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("LookupError: setuptools-scm was unable to detect version for /tmp/source.", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("ValueError: Error getting the version from source `vcs`: x", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("Exception: Versioning for this project requires either an sdist tarball, or access to git", "PBR_VERSION"),
    ],
)
def test_a_version_that_git_tags_decide_is_said_by_a_variable(output, name):
    assert f"packaging=Packaging(pip_environment={{'{name}': '2.5'}})" in cures(output, version="2.5")[0]
    assert f"'{name}': '1.0.0'" in cures(output, version="0")[0]


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        ("error: command 'gcc' failed: No such file or directory", "install a C compiler, such as gcc"),
        ("unable to execute 'x86_64-linux-gnu-gcc': No such file or directory", "install a C compiler, such as gcc"),
        ("error: can't find Rust compiler", "install Rust"),
        ("fatal error: Python.h: No such file or directory", "install the development files of Python 3.11"),
        (
            "lib.c:3:10: fatal error: 'ffi.h' file not found",
            "install the development files of the library that has ffi.h",
        ),
    ],
)
def test_what_the_machine_lacks_is_named_where_its_compiler_helps(output, cure):
    assert cures(output)[0].startswith(cure)
    foreign = BuildPlace(target=Target.parse("python3.11", "arm64"), python=(3, 11), native=False)
    assert not cures(output, foreign)


def test_the_output_of_a_failed_build_begins_with_what_the_build_said():
    output = (
        "Looking in links: file:///wheels\nProcessing ./source.tar.gz\n"
        "  Installing build dependencies: started\n  Installing build dependencies: finished with status 'done'\n"
        "  Getting requirements to build wheel: started\n"
        "  Getting requirements to build wheel: finished with status 'error'\n"
        "  error: subprocess-exited-with-error\n  \u00d7 Getting requirements to build wheel did not run successfully.\n"
        "  │ exit code: 1\n  ╰─> [1 lines of output]\n      error in two setup command: use_2to3 is invalid.\n"
        "      [end of output]\n  note: This error originates from a subprocess.\n"
    )
    assert describe_failure(1, output).split("\n", 1)[1].strip() == "error in two setup command: use_2to3 is invalid."
