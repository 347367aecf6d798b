"""Which modules a version's standard library has: what is known of it beside the interpreters themselves."""

import json
import subprocess

import pytest
from this_host import require_python

from cdk_lambda_package.target import RUNTIMES
from cdk_lambda_package.target.standard_library import (
    ModulePresence,
    is_always_loaded,
    is_known_version,
    module_names,
    removal_of,
    standard_presence,
)

VERSIONS = [runtime.version for runtime in RUNTIMES]

# What an interpreter has: the files of its library, and what is built in. Nothing is imported.
WALK = """
import importlib.util, json, os, pkgutil, sys, sysconfig
def walk(folder, prefix=""):
    for found in pkgutil.iter_modules([folder]):
        if found.name not in ("site-packages", "test", "tests"):
            yield prefix + found.name
            if found.ispkg:
                yield from walk(os.path.join(folder, found.name), prefix + found.name + ".")
library = sysconfig.get_path("stdlib")
names = {*walk(library), *walk(os.path.join(library, "lib-dynload")), *sys.builtin_module_names}
asked = [name for name in sys.argv[1:] if name == "__main__" or importlib.util.find_spec(name)]
print(json.dumps([sorted(names), asked, sorted(sys.modules)]))
"""


def ask(version, *names):
    python = require_python("python{}.{}".format(*version))
    done = subprocess.run([python, "-I", "-S", "-c", WALK, *names], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_every_module_of_an_interpreter_is_known(version):
    names, _, _ = ask(version)
    assert len(names) > 500
    unknown = [name for name in names if standard_presence(name, version) is None]
    # 3.10 has it on every system, and can use it on none but Windows.
    assert [name for name in unknown if name != "distutils.command.bdist_msi"] == []


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_what_is_said_to_be_there_is_found_by_the_interpreter(version):
    tops = {name for name in module_names(version) if "." not in name}
    there = sorted(name for name in tops if standard_presence(name, version) is ModulePresence.THERE)
    assert len(there) > 200
    _, found, _ = ask(version, *there)
    assert set(there) - set(found) == set()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_what_an_interpreter_loads_when_it_starts_is_always_loaded(version):
    _, _, loaded = ask(version)
    assert [name for name in ("sys", "time", "os", "abc", "io", "codecs", "builtins") if name not in loaded] == []
    assert all(is_always_loaded(name) for name in ("sys", "time", "os", "abc", "io", "codecs", "builtins"))
    assert not is_always_loaded("email")


@pytest.mark.parametrize(
    ("module", "first", "last"),
    [
        ("collections.abc", 9, 14),
        ("xml.parsers.expat.errors", 9, 14),
        ("os.path", 9, 14),
        ("_struct", 9, 14),
        ("tomllib", 11, 14),
        ("distutils.core", 9, 11),
        ("asyncore", 9, 11),
        ("imp", 9, 11),
        ("cgi", 9, 12),
        ("telnetlib", 9, 12),
        ("lib2to3.pgen2", 9, 12),
        ("typing.io", 9, 12),
        ("compression.zstd", 14, 14),
    ],
)
def test_each_version_has_its_own_modules(module, first, last):
    having = [minor for minor in range(9, 15) if standard_presence(module, (3, minor)) is ModulePresence.THERE]
    assert having == list(range(first, last + 1))


def test_modules_of_other_systems_are_not_on_lambda():
    for module in ("winreg", "msvcrt", "_winapi", "winsound", "_scproxy"):
        assert standard_presence(module, (3, 12)) is ModulePresence.ELSEWHERE
    assert standard_presence("msilib", (3, 13)) is None


def test_what_images_are_built_without_may_be_there_or_not():
    for module in ("tkinter.ttk", "_tkinter", "turtle", "curses", "idlelib.run", "test.support", "_testcapi"):
        assert standard_presence(module, (3, 13)) is ModulePresence.PERHAPS


def test_every_public_module_that_a_version_lost_has_advice():
    lost_ever = set()
    for minor in range(9, 14):
        lost = module_names((3, minor)) - module_names((3, minor + 1))
        public = {name for name in lost if "." not in name and not name.startswith(("_", "xx"))}
        for name in public - {"test", "lib"}:
            removal = removal_of(name, (3, minor + 1))
            assert removal is not None, name
            assert removal.since == (3, minor + 1), name
        lost_ever |= public
    assert {"formatter", "binhex", "distutils", "cgi", "telnetlib"} <= lost_ever


def test_a_removal_names_its_source_and_what_to_do():
    removal = removal_of("distutils.core", (3, 13))
    assert removal is not None
    assert (removal.since, removal.source) == ((3, 12), "PEP 632")
    assert "setuptools" in removal.advice
    assert removal_of("cgi", (3, 13)).source == "PEP 594"
    assert "legacy-cgi" in removal_of("cgi", (3, 13)).advice
    assert removal_of("dummy_threading", (3, 13)).since == (3, 9)
    assert removal_of("typing.io", (3, 13)).since == (3, 13)


def test_what_is_still_there_was_not_removed():
    assert removal_of("cgi", (3, 12)) is None
    assert removal_of("json", (3, 13)) is None
    assert removal_of("requests", (3, 13)) is None


def test_a_version_newer_than_the_lists_has_at_least_the_modules_of_the_newest():
    assert is_known_version((3, 14))
    assert not is_known_version((3, 99))
    assert standard_presence("tomllib", (3, 99)) is ModulePresence.THERE
