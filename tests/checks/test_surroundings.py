"""What checks remember of a package beside the app's own sources: it says the same as finding it again."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from entries import HANDLER, package_request, sha256, write_files
from native import AARCH64, elf
from raw_zip import member, raw_wheel

from cdk_lambda_package import package
from cdk_lambda_package.checks import Surroundings
from cdk_lambda_package.errors import FindingsError
from cdk_lambda_package.inspection import inspect
from cdk_lambda_package.store import Store, remembered

MANYLINUX, LINUX = "cp39-abi3-manylinux_2_17_x86_64", "cp39-abi3-linux_x86_64"
MODULE = "_x.cpython-313-x86_64-linux-gnu.so"
NEEDS_LIBRARY = elf(needed=("libdemo.so.1",), symbols=("PyInit__x",))
SOUND, LIBRARY = elf(symbols=("PyInit__x",)), elf(soname="libdemo.so.1")
APP = f"import shared, vendored._x, chalicelib._x, demo._x\n{HANDLER}"
ENTRY = {
    "app.py": APP,
    "chalicelib/__init__.py": "",
    "chalicelib/data.json": "[]",
    f"chalicelib/{MODULE}": NEEDS_LIBRARY,
    "vendor/shared/__init__.py": "",
    "vendor/vendored/__init__.py": "",
    f"vendor/vendored/{MODULE}": NEEDS_LIBRARY,
}
DEMO = {"demo/__init__.py": "", "demo/data.txt": "", f"demo/{MODULE}": NEEDS_LIBRARY}


@remembered("test-numbers", version=1)
@dataclass(frozen=True, slots=True)
class Number:
    number: int


def test_what_is_known_is_not_found_again(tmp_path):
    store, found = Store(tmp_path), []

    def known(key: str | None, number: int) -> int:
        return Surroundings(key, store).known(Number, lambda: found.append(number) or Number(number)).number

    assert [known("a", 1), known("a", 2), known("b", 3), known("a", 4)] == [1, 1, 3, 1]
    assert found == [1, 3]
    assert [known(None, 5), known(None, 6)] == [5, 6]
    assert Surroundings("a").known(Number, lambda: Number(7)).number == 7


class App:
    """An app directory with a requirement and a layer, and how it is packaged."""

    def __init__(self, root: Path) -> None:
        self.entry = write_files(root / "svc", ENTRY)
        self.layer = write_files(root / "layer", {"python/in_layer.py": "x = 1\n"})
        self.options: dict[str, object] = {"runtime": "python3.13", "layers": (self.layer,)}
        self.require(DEMO)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        write_files(self.entry, files)

    def require(self, files: Mapping[str, str | bytes], tag: str = MANYLINUX) -> None:
        for old in self.entry.glob("wheels/*"):
            old.unlink()
        wheel = raw_wheel(self.entry / "wheels", [member(path, content) for path, content in files.items()], tag=tag)
        self.write({"requirements.txt": f"--no-index --find-links wheels\ndemo==1.0 --hash=sha256:{sha256(wheel)}\n"})

    def findings(self, store: Store) -> list[str]:
        request = package_request(entry=self.entry, **self.options)
        try:
            return [str(finding) for finding in package(request, store=store).findings]
        except FindingsError as error:
            return [str(finding) for finding in error.findings]

    def key(self, store: Store) -> str | None:
        return inspect(package_request(entry=self.entry, **self.options), store).contents.surroundings.key


def forget(store: Store) -> None:
    """Remove what the checks remember."""
    for kind in ("checks", "reaches", "shadows", "sizes", "unloadable"):
        shutil.rmtree(store.root / "v1" / kind, ignore_errors=True)


EDITS = [{"app.py": f"import shared\n{HANDLER}"}, {"chalicelib/data.json": "[1]"}, {"chalicelib/__init__.py": "x = 2"}]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_the_app_leaves_the_surroundings_as_they_are(edit, tmp_path, shared_store):
    app = App(tmp_path)
    before = app.key(shared_store)
    app.write(edit)
    assert app.key(shared_store) == before is not None


def test_what_a_command_makes_of_the_app_is_the_apps_own(tmp_path, shared_store):
    app = App(tmp_path)
    command = "echo TIME = $0 >> app.py; echo $0 > stamp.txt; echo $1 > lib.py"
    keys = []
    for arguments in (["1", "x = 1"], ["2", "x = 1"], ["2", "x = 2"]):
        app.options.update(after_packaging=(("sh", "-c", command, *arguments),))
        keys.append(app.key(shared_store))
    assert keys[0] == keys[1] != keys[2]


CHANGES = {
    "a module of the app that is new": lambda app: app.write({"chalicelib/json.py": ""}),
    "a binary of the app": lambda app: app.write({f"chalicelib/{MODULE}": elf(machine=AARCH64)}),
    "what is vendored": lambda app: app.write({"vendor/shared/__init__.py": "import nowhere"}),
    "a vendored binary": lambda app: app.write({f"vendor/vendored/{MODULE}": SOUND}),
    "a vendored library": lambda app: app.write({"vendor/lib/libdemo.so.1": LIBRARY}),
    "a vendored module that hides another": lambda app: app.write({"vendor/json.py": ""}),
    "a requirement": lambda app: app.require({**DEMO, f"demo/{MODULE}": SOUND}),
    "a requirement for which no tag vouches": lambda app: app.require(DEMO, LINUX),
    "files that are left out of it": lambda app: app.options.update(exclude_from_requirements=("demo/_x*",)),
    "its RECORD that is left out": lambda app: app.options.update(exclude_from_requirements=("RECORD",)),
    "a module of a layer": lambda app: write_files(app.layer, {"python/in_layer.py": "import nowhere"}),
    "a library of a layer": lambda app: write_files(app.layer, {"lib/libdemo.so.1": LIBRARY}),
    "a layer": lambda app: app.options.update(layers=()),
    "an unknown layer": lambda app: app.options.update(layers=("arn:aws:lambda:eu-west-1:123456789012:layer:one:1",)),
    "the runtime": lambda app: app.options.update(runtime="python3.14"),
    "what is provided": lambda app: app.options.update(provided=("pyyaml",)),
    "the app's own module": lambda app: (app.write({"main.py": APP}), app.options.update(index="main.py")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_other_change_makes_other_surroundings_of_which_nothing_is_known(change, tmp_path, shared_store):
    app = App(tmp_path)
    before = app.key(shared_store)
    change(app)
    assert app.key(shared_store) != before
    # With what is remembered of the changed app, of the others, and without any of it.
    found = app.findings(shared_store)
    forget(shared_store)
    assert app.findings(shared_store) == found
    # After an edit, which leads to less.
    app.write({"app.py": f"import vendored._x\n{HANDLER}", "main.py": f"import vendored._x\n{HANDLER}"})
    edited = app.findings(shared_store)
    forget(shared_store)
    assert app.findings(shared_store) == edited
