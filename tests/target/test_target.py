"""Which wheels, Pythons and markers a runtime and an architecture accept."""

import ast
from pathlib import Path

import pytest
from packaging.markers import Marker

import cdk_lambda_package
from cdk_lambda_package.errors import OptionError, TargetError
from cdk_lambda_package.target import (
    RUNTIMES,
    Architecture,
    LibraryPresence,
    Runtime,
    System,
    Target,
    is_preinstalled,
    manylinux_glibc,
    preinstalled_modules,
    requirements_of,
)

OLD, NEW = ("python3.9", "python3.10", "python3.11"), ("python3.12", "python3.13", "python3.14")


def accepts(runtime, tag, architecture="x86_64"):
    return Target.parse(runtime, architecture).accepts_wheel(f"demo-1.0-{tag}.whl")


def version_of(runtime):
    return "cp" + runtime.removeprefix("python").replace(".", "")


@pytest.mark.parametrize(("architecture", "machine"), [("x86_64", "x86_64"), ("arm64", "aarch64")])
@pytest.mark.parametrize(("runtimes", "newest"), [(OLD, 26), (NEW, 34)], ids=["Amazon Linux 2", "Amazon Linux 2023"])
def test_manylinux_is_taken_up_to_the_runtimes_glibc(runtimes, newest, architecture, machine):
    for runtime in runtimes:
        python = version_of(runtime)
        for minor in range(17, newest + 1):
            assert accepts(runtime, f"{python}-{python}-manylinux_2_{minor}_{machine}", architecture)
        for minor in range(newest + 1, 45):
            assert not accepts(runtime, f"{python}-{python}-manylinux_2_{minor}_{machine}", architecture)


@pytest.mark.parametrize(
    "platform",
    [
        "manylinux1_x86_64",
        "manylinux2010_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_5_x86_64.manylinux1_x86_64",
        "manylinux_2_17_x86_64.manylinux_2_28_x86_64",
        "manylinux_2_28_x86_64.manylinux2014_x86_64",
        "linux_x86_64",
        "any",
    ],
)
@pytest.mark.parametrize("runtime", [*OLD, *NEW])
def test_older_names_and_compressed_sets_are_taken(runtime, platform):
    assert accepts(runtime, f"{version_of(runtime)}-{version_of(runtime)}-{platform}") or platform == "any"
    assert accepts(runtime, f"py3-none-{platform}")


@pytest.mark.parametrize(
    "platform",
    [
        "musllinux_1_2_x86_64",
        "macosx_11_0_x86_64",
        "win_amd64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "linux_aarch64",
        "manylinux_2_17_i686",
        "manylinux_2_4_x86_64",
    ],
)
def test_another_machine_or_c_library_is_refused(platform):
    assert not accepts("python3.13", f"cp313-cp313-{platform}")


@pytest.mark.parametrize(
    "platform", ["manylinux1_aarch64", "manylinux2010_aarch64", "manylinux_2_12_aarch64", "manylinux2014_x86_64"]
)
def test_arm64_begins_with_glibc_2_17(platform):
    assert not accepts("python3.13", f"cp313-cp313-{platform}", "arm64")


@pytest.mark.parametrize(
    ("tag", "accepted"),
    [
        ("py2-none-any", False),
        ("py2.py3-none-any", True),
        ("py3-none-any", True),
        ("py312-none-any", True),
        ("py313-none-any", False),
        ("cp39-none-any", False),
        ("cp312-none-any", True),
        ("cp39-abi3-manylinux_2_17_x86_64", True),
        ("cp313-abi3-manylinux_2_17_x86_64", False),
        ("cp312-cp312-manylinux_2_17_x86_64", True),
        ("cp312-cp312t-manylinux_2_17_x86_64", False),
        ("cp312-cp312d-manylinux_2_17_x86_64", False),
        ("cp311-cp311-manylinux_2_17_x86_64", False),
        ("pp312-pypy312_pp73-manylinux_2_17_x86_64", False),
        ("py3-none-manylinux_2_17_x86_64", True),
    ],
)
def test_python_and_abi_tags_on_python_3_12(tag, accepted):
    assert accepts("python3.12", tag) is accepted


@pytest.mark.parametrize(
    "runtime", ["python3.8", "python2.7", "python", "3.13", "python3.13.1", "nodejs22.x", "", "Python3.13"]
)
def test_what_is_no_python_runtime_is_refused_with_the_list(runtime):
    with pytest.raises(TargetError) as caught:
        Target.parse(runtime)
    assert repr(runtime) in str(caught.value)
    assert all(row.name in str(caught.value) for row in RUNTIMES)
    assert isinstance(caught.value, OptionError)


def test_a_runtime_newer_than_the_table_is_assumed_to_be_like_its_newest():
    target = Target.parse("python3.15")
    assert target.assumed
    assert target.runtime.system == RUNTIMES[-1].system
    assert target.accepts_wheel("demo-1.0-cp315-cp315-manylinux_2_34_x86_64.whl")


@pytest.mark.parametrize("architecture", ["aarch64", "amd64", "", "ARM64"])
def test_another_architecture_is_refused_with_the_list(architecture):
    with pytest.raises(TargetError, match=f"{architecture!r} is not one of Lambda's; accepted are x86_64 and arm64"):
        Target.parse("python3.13", architecture)


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ('sys_platform == "linux"', True),
        ('sys_platform == "darwin"', False),
        ('sys_platform == "win32"', False),
        ('os_name == "posix"', True),
        ('platform_machine == "aarch64"', True),
        ('platform_machine == "arm64"', False),
        ('platform_machine == "x86_64"', False),
        ('platform_system == "Linux"', True),
        ('python_version < "3.11"', False),
        ('python_version >= "3.13"', True),
        ('python_full_version < "3.13.1"', True),
        ('implementation_name == "cpython"', True),
        ('platform_python_implementation == "PyPy"', False),
        ('extra == "fast"', False),
    ],
)
def test_markers_are_the_targets(marker, holds):
    assert Target.parse("python3.13", "arm64").accepts_marker(Marker(marker)) is holds


@pytest.mark.parametrize("variable", ["platform_release", "platform_version"])
def test_a_marker_that_nobody_can_answer_is_an_error(variable):
    with pytest.raises(TargetError, match=f"asks for {variable}, which can't be known for python3.13 x86_64"):
        Target.parse("python3.13").accepts_marker(Marker(f'{variable} > "5"'))


def test_a_value_that_is_named_like_an_unknowable_variable_is_fine():
    assert not Target.parse("python3.13").accepts_marker(Marker('sys_platform == "platform_release"'))


@pytest.mark.parametrize(
    ("requires", "accepted"), [(None, True), (">=3.9", True), (">=3.14", False), ("<3.13", False), (">=3.13.1", False)]
)
def test_requires_python_is_the_targets(requires, accepted):
    assert Target.parse("python3.13").accepts_python(requires) is accepted


@pytest.mark.parametrize("requires", [">=3.5.*", "~=3", "3.6 or newer"])
def test_a_requires_python_that_is_no_specifier_admits_every_python_as_in_pip(requires):
    assert Target.parse("python3.13").accepts_python(requires)


NEXT = Runtime(
    version=(3, 15),
    full_version="3.15.1",
    system=System(
        name="Amazon Linux 2026",
        glibc=(2, 41),
        symbols={"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14, 0), "ZLIB": (1, 3, 1)},
        possible_libraries=r"libnew\.so\.1",
    ),
)


def test_one_row_is_all_that_a_runtime_on_a_new_system_needs():
    target = Target(runtime=NEXT, architecture=Architecture.ARM64)
    assert target.accepts_wheel("demo-1.0-cp315-cp315-manylinux_2_41_aarch64.whl")
    assert not target.accepts_wheel("demo-1.0-cp315-cp315-manylinux_2_42_aarch64.whl")
    assert target.accepts_python(">=3.15.1")
    assert target.accepts_marker(Marker('python_full_version == "3.15.1"'))
    assert NEXT.system.symbol_versions["GLIBC"] == (2, 41)
    assert NEXT.system.updated_symbol_versions == NEXT.system.symbol_versions
    presences = [
        target.runtime.library_presence(name) for name in ("libpython3.15.so.1.0", "libnew.so.1", "libcurl.so.4")
    ]
    assert presences == [LibraryPresence.CERTAIN, LibraryPresence.POSSIBLE, LibraryPresence.ABSENT]


def test_no_other_module_names_a_system_or_a_glibc():
    package = Path(cdk_lambda_package.__file__).parent
    facts = {row.system.name for row in RUNTIMES} | {row.system.glibc for row in RUNTIMES}
    for path in package.rglob("*.py"):
        if path.parent.name != "target":
            assert not facts & set(written(ast.parse(path.read_text(encoding="utf-8")))), path


def test_no_other_module_lists_the_preinstalled_packages():
    package = Path(cdk_lambda_package.__file__).parent
    for path in package.rglob("*.py"):
        if path.parent.name != "target":
            assert "jmespath" not in path.read_text(encoding="utf-8"), path


def written(tree):
    """The texts and the tuples of constants in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Tuple) and all(isinstance(item, ast.Constant) for item in node.elts):
            yield tuple(item.value for item in node.elts)


def test_preinstalled_packages_are_found_by_their_modules():
    assert is_preinstalled("boto3")
    assert not is_preinstalled("simplejson")
    assert preinstalled_modules((3, 11))["setuptools"] is False
    assert "setuptools" not in preinstalled_modules((3, 12))
    assert requirements_of(["dateutil.tz", "snapshot_restore_py", "requests", "bootstrap"]) == (
        "boto3",
        "snapshot-restore-py",
    )


@pytest.mark.parametrize(
    ("platform", "glibc"),
    [
        ("manylinux_2_28_x86_64", (2, 28)),
        ("manylinux2014_x86_64", (2, 17)),
        ("manylinux1_x86_64", (2, 5)),
        ("manylinux_2_28_aarch64", None),
        ("any", None),
    ],
)
def test_a_manylinux_tag_says_which_glibc_it_asks_for(platform, glibc):
    assert manylinux_glibc(platform, "x86_64") == glibc
