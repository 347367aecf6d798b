"""Write cdk_lambda_package/target/data/standard_names.txt: names that not every version's standard library has.

    python tools/standard_names.py

The interpreters themselves are asked for the names of their modules: all versions that pyenv has here, from 3.6 on, so
that names show that were lost before the oldest on Lambda. What they lack is absent only if typeshed says so too, whose
authors hold it against the latest release of each version: a security release may bring a name to an old version
(`email.errors.HeaderWriteError` came to 3.9.20). Of a version without an interpreter here, typeshed alone decides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).resolve().parents[1] / "cdk_lambda_package" / "target" / "data" / "standard_names.txt"
STUBS = "typeshed-client==2.14.0"
# The first version that is asked, Lambda's oldest, the first that typeshed knows, and the one behind Lambda's newest.
FIRST, OLDEST, FIRST_STUB, END = 6, 9, 10, 15

HEADER = f"""\
# Public names that a module of the standard library doesn't have in each version: the first and the last that has them.
# Written by tools/standard_names.py from Python {{versions}} and {STUBS}.
"""

# Without these, which aren't on Lambda for certain, or have no names of their own.
LEFT_OUT = (
    *("_", "antigravity", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3", "msilib", "nt", "nis"),
    *("ossaudiodev", "readline", "sqlite3.test", "test", "this", "tkinter", "turtle", "turtledemo", "unittest.test"),
    *("venv", "ctypes.test"),
)

# What a module has, as `import` finds it: "module", "number" for what may be the system's, else "name".
ASK = """
import importlib, json, os, sys, types, warnings
warnings.simplefilter("ignore")
modules, names = json.load(open(sys.argv[1]))
found = {}
for module in modules:
    try:
        opened = importlib.import_module(module)
    except BaseException:
        continue
    found[module] = kinds = {}
    for name in {*dir(opened), *names.get(module, ())}:
        try:
            value = getattr(opened, name)
        except BaseException:
            continue
        kinds[name] = "module" if isinstance(value, types.ModuleType) else "number" if isinstance(value, int) else "name"
json.dump(found, open(sys.argv[2], "w"))
"""

Names = dict[str, dict[str, str]]


class Known(NamedTuple):
    """The names of each minor version's modules: of those that have an interpreter here, and of those in typeshed."""

    names: dict[int, Names]
    stubs: dict[int, Names]


def write_names() -> None:
    """Write the data file: a module, a name, and the first and the last version with it, on each line."""
    modules = list_modules()
    with tempfile.TemporaryDirectory() as folder:
        stubs = {minor: read_stubs(minor, modules, folder) for minor in range(FIRST_STUB, END)}
        first = {minor: ask(python, modules, {}, folder) for minor, python in find_interpreters()}
        listed = {module: sorted({*join(module, first), *join(module, stubs)}) for module in modules}
        # Once more, for names that a module has without listing them.
        names = {minor: ask(python, modules, listed, folder) for minor, python in find_interpreters()}
    known = Known(names, stubs)
    rows = [row for module in modules for name in listed[module] for row in compare(module, name, known)]
    versions = f"3.{min(names)} to 3.{max(names)}"
    DATA.write_text(HEADER.format(versions=versions) + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    print(f"{DATA}: {len(rows)} names")


def list_modules() -> list[str]:
    """Return the public modules of all versions."""
    from stdlib_list import stdlib_list

    found = {name for minor in range(FIRST, END) for name in stdlib_list(f"3.{minor}")} | {"collections.abc", "os.path"}
    return sorted(name for name in found if not name.startswith(LEFT_OUT) and "._" not in name)


def find_interpreters() -> Iterator[tuple[int, Path]]:
    """Yield the minor versions that are here, each with its newest interpreter."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for minor in range(FIRST, END):
        yield from ((minor, python) for python in sorted(versions.glob(f"3.{minor}.*/bin/python3"))[-1:])


def ask(python: Path, modules: list[str], names: dict[str, list[str]], folder: str) -> Names:
    """Return what an interpreter's modules have, of what they list and of `names`."""
    question, answer = Path(folder, "question"), Path(folder, "answer")
    question.write_text(json.dumps([modules, names]), encoding="utf-8")
    command: list[str | Path] = [python, "-I", "-S", "-c", ASK, question, answer]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    found = json.loads(answer.read_text(encoding="utf-8"))
    return {module: {name: kind for name, kind in kinds.items() if name[0] != "_"} for module, kinds in found.items()}


def read_stubs(minor: int, modules: list[str], folder: str) -> Names:
    """Return the names of a version's modules by typeshed."""
    if not Path(folder, "typeshed_client").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, STUBS]
        subprocess.run(pip, check=True)
        sys.path.insert(0, folder)
    from typeshed_client import get_search_context, get_stub_names

    context = get_search_context(version=(3, minor), platform="linux")
    found = {module: get_stub_names(module, search_context=context) or {} for module in modules}
    return {
        module: {name: "name" for name, said in names.items() if said.is_exported and name[0] != "_"}
        for module, names in found.items()
    }


def join(module: str, versions: dict[int, Names]) -> Iterator[str]:
    """Yield the names that a module has in any version."""
    for names in versions.values():
        yield from names.get(module, ())


def compare(module: str, name: str, known: Known) -> Iterator[str]:
    """Yield the row of a name, if a version lacks it."""
    names, stubs = known
    kinds = {found.get(module, {}).get(name) for found in names.values()} - {None}
    stubbed = [minor for minor in stubs if name in stubs[minor].get(module, {})]
    if "module" in kinds or (not stubbed and "number" in kinds):
        return
    # What has no such module hasn't lost the name.
    there = [
        minor for minor in range(FIRST, END) if (names | stubs)[minor].get(module) or module in names.get(minor, {})
    ]
    having = [minor for minor in there if has(module, name, minor, known)]
    if not kinds and having != [minor for minor in stubbed if minor > max(names)]:
        # Types that only stubs have.
        return
    # Without a word of typeshed's, what is new may have come to old versions too.
    came, went = stubbed and having[0] > max(OLDEST, there[0]), having[-1] < there[-1] >= OLDEST
    if came or went:
        yield f"{module} {name} {f'3.{having[0]}' if came else ''}-{f'3.{having[-1]}' if went else ''}"


def has(module: str, name: str, minor: int, known: Known) -> bool:
    """Tell whether a module may have a name in a version."""
    names, stubs = known
    if name in stubs.get(minor, {}).get(module, {}):
        return True
    if minor in names:
        # What has lost the whole module hasn't lost the name.
        there = name in names[minor].get(module, {})
        # Too old for typeshed: what the next version got by a security release, this one may have got too.
        unsure = minor == OLDEST and name not in names.get(minor + 1, {}).get(module, {})
        return there or (unsure and name in stubs[FIRST_STUB].get(module, {}))
    # No interpreter: it has what the version before it has, unless typeshed says that it was lost in between.
    before = minor - 1
    lost = minor in stubs and name in stubs.get(before, {}).get(module, {})
    return not lost and before >= FIRST and has(module, name, before, known)


if __name__ == "__main__":
    write_names()
