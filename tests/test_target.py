"""Which wheels, Pythons and markers a runtime and an architecture accept."""

import pytest
from packaging.markers import Marker

from cdk_lambda_package.errors import OptionError, TargetError
from cdk_lambda_package.target import RUNTIMES, Target

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
