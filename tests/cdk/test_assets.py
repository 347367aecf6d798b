"""Which functions share an asset, and that what they share is made once."""

import zipfile
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import App, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from checks.test_binaries import AARCH64, X86_64, elf
from entries import HANDLER, write_files
from index_server import serve_index
from wheel_factory import build_wheel

from cdk_lambda_package import PythonCode, PythonFunction

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache", "isolated_pip")]

RUNTIME = lambda_.Runtime.PYTHON_3_13


@pytest.fixture
def index(tmp_path):
    """An index that has an extension module for each architecture."""
    for machine, number in {"x86_64": X86_64, "aarch64": AARCH64}.items():
        files = {"native.cpython-313.so": elf(machine=number)}
        build_wheel(tmp_path / "index", "native", files=files, tags=f"cp313-cp313-manylinux_2_17_{machine}")
    with serve_index(tmp_path / "index") as server:
        yield server


@pytest.fixture
def entry(tmp_path, index):
    requirements = f"--index-url {index.url()}\nnative==1.0\n"
    return write_files(tmp_path / "svc", {"app.py": HANDLER, "requirements.txt": requirements})


def assets_of(app: App) -> list[Path]:
    """Return the assets of an app and of its stages."""
    return sorted(Path(app.synth().directory).rglob("asset.*"))


def test_a_native_requirement_makes_an_asset_for_each_architecture(app, entry):
    stack = Stack(app, "Stack")
    for architecture in (lambda_.Architecture.X86_64, lambda_.Architecture.ARM_64):
        PythonFunction(stack, architecture.name, entry=entry, runtime=RUNTIME, architecture=architecture)
    machines = []
    for asset in assets_of(app):
        with zipfile.ZipFile(asset) as archive:
            machines.append(archive.read("native.cpython-313.so")[18])
    assert sorted(machines) == [X86_64, AARCH64]


def define_one_stack(app: App) -> list[Stack]:
    return [Stack(app, "Stack")] * 5


def define_stacks_and_a_stage(app: App) -> list[Stack]:
    one, two, three = Stack(app, "One"), Stack(app, "Two"), Stack(Stage(app, "Stage"), "Three")
    return [one, one, two, two, three]


@pytest.mark.parametrize("define", [define_one_stack, define_stacks_and_a_stage])
def test_five_functions_alike_are_packaged_once(app, entry, index, define):
    first, *others = define(app)
    PythonFunction(first, "F0", entry=entry, runtime=RUNTIME, on_error="raise")
    (asset,) = Path(app.outdir).glob("asset.*")
    written, asked = asset.stat(), list(index.requests)
    for number, stack in enumerate(others, 1):
        PythonFunction(stack, f"F{number}", entry=entry, runtime=RUNTIME)
    code = PythonCode(entry=entry)
    lambda_.Function(others[-1], "Plain", code=code, runtime=RUNTIME, handler="app.handler")
    assert assets_of(app) == [asset]
    # What is written again is another file, renamed to that name.
    assert (asset.stat().st_ino, asset.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert index.requests == asked
