"""What is remembered of following vendor/'s imports: used while nothing changes that it depends on, and never beyond."""

import dataclasses
import json

import pytest
from entries import HANDLER, package_request, sha256, write_files
from hypothesis import given
from hypothesis import strategies as st
from package_contents import layer, package_contents
from raw_zip import member, raw_wheel

from cdk_lambda_package import package
from cdk_lambda_package.checks.import_graph import trace_imports
from cdk_lambda_package.errors import FindingsError


class Notes:
    """Keeps notes as the store does, as JSON."""

    def __init__(self):
        self.texts = {}

    def get(self, key):
        return json.loads(self.texts[key]) if key in self.texts else None

    def keep(self, key, value):
        self.texts[key] = json.dumps(value)


def trace(files, notes=None, **options):
    """Return what following the imports comes to, and the modules that were read for it."""
    read = []
    contents = package_contents(files, notes=notes, **options)
    inner = contents.module_facts

    def read_facts(path):
        read.append(path)
        return inner(path)

    graph = trace_imports(dataclasses.replace(contents, module_facts=read_facts))
    return graph._replace(modules=None), set(read)


VENDORED = {
    "vendor: a/__init__.py": "from . import b\ntry:\n    from . import fast\nexcept ImportError:\n    from . import slow\n",
    "vendor: a/b.py": "import missing, c\ndef f():\n    from . import later\n",
    "vendor: a/fast.py": "import nothing",
    "vendor: a/slow.py": "import a.b",
    "vendor: a/later.py": "import sys\nsys.path.insert(0, 'x')",
    "vendor: c.py": "import d, sys\nsys.path.append('y')",
    "vendor: d.py": "import c\nif c.x:\n    import e",
    "vendor: e.py": "import tkinter",
}
APPS = [
    "import a",
    "import a\n\nx = 1",
    "def handler():\n    import a, e",
    "try:\n    import a.fast\nexcept ImportError:\n    import e",
    "from chalicelib import both",
    "import json",
]


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("before", APPS)
def test_an_edited_app_comes_to_the_same_whatever_it_was_before(before, app):
    notes, own = Notes(), {"chalicelib/__init__.py": "", "chalicelib/both.py": "import d\nfrom a import b, later"}
    trace({"app.py": before, **own, **VENDORED}, notes)
    expected, _ = trace({"app.py": app, **own, **VENDORED})
    for _ in range(2):
        assert trace({"app.py": app, **own, **VENDORED}, notes)[0] == expected


def test_after_an_edit_of_the_app_vendored_modules_are_not_followed_again():
    notes = Notes()
    assert "d.py" in trace({"app.py": "import a", **VENDORED}, notes)[1]
    graph, read = trace({"app.py": "import os\n\nimport a\nx = 1", **VENDORED}, notes)
    assert read == {"app.py"}
    assert {"a/b.py", "c.py", "d.py"} < graph.certain


def test_what_is_imported_in_another_order_is_followed_again():
    notes = Notes()
    trace({"app.py": "import a, c", **VENDORED}, notes)
    files = {"app.py": "import c, a", **VENDORED}
    assert trace(files, notes) == trace(files)


def test_a_chain_longer_than_python_follows_comes_to_the_same():
    chain = {f"vendor: m{number}.py": f"import m{number + 1}" for number in range(400)}
    files, notes = {"app.py": "import m0", **chain, "vendor: m400.py": "import missing"}, Notes()
    assert [trace(files, notes)[0] for _ in range(2)] == [trace(files)[0]] * 2


MODULES = ("a", "b", "c", "d")
FORMS = (
    "import {}\n",
    "try:\n    import {}\nexcept ImportError:\n    import {}\n",
    "try:\n    import {}\nexcept ImportError:\n    pass\nelse:\n    import {}\n",
    "def f():\n    import {}\n",
    "if f():\n    import {}\n",
    "from {} import *\n",
    "from {} import x\n",
    "import missing\n",
    "import tkinter\n",
    "x = 1\n",
)


@st.composite
def sources(draw, names):
    forms = draw(st.lists(st.sampled_from(FORMS), max_size=4))
    return "".join(form.format(draw(st.sampled_from(names)), draw(st.sampled_from(names))) for form in forms)


@given(st.data())
def test_whatever_is_imported_what_is_remembered_changes_nothing(data):
    # Sometimes vendor/ imports the app's own modules, whose content then matters.
    names = data.draw(st.sampled_from([MODULES, (*MODULES, "chalicelib", "app")]))
    vendored = {f"vendor: {name}.py": data.draw(sources(names)) for name in MODULES}
    notes = Notes()
    for _ in range(3):
        own = {path: data.draw(sources((*MODULES, "chalicelib"))) for path in ("app.py", "chalicelib/__init__.py")}
        assert trace({**own, **vendored}, notes)[0] == trace({**own, **vendored})[0]


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"vendor: d.py": "import nowhere"}},
        {"files": {"demo==1.0: missing/__init__.py": ""}},
        {"files": {"missing.py": ""}},
        {"runtime": "python3.12"},
        {"architecture": "arm64"},
        {"layers": [layer("python/missing.py")]},
        {"layers": [layer(known=False)]},
        {"provided": ("missing",)},
        {"index": "other.py"},
    ],
    ids=lambda change: str(next(iter(change))),
)
def test_whatever_else_changes_has_everything_followed_again(change):
    notes, changed = Notes(), dict(change)
    files = {"app.py": "import a", "other.py": "import a", **VENDORED}
    trace(files, notes)
    files |= changed.pop("files", {})
    graph, read = trace(files, notes, **changed)
    assert graph == trace(files, **changed)[0]
    assert "d.py" in read


def test_vendored_modules_that_import_the_app_are_followed_each_time():
    notes = Notes()
    vendored = {
        "vendor: a.py": "try:\n    from chalicelib import settings\nexcept ImportError:\n    import b",
        "vendor: b.py": "",
    }
    files = {"app.py": "import a", "chalicelib/__init__.py": "", "chalicelib/settings.py": "", **vendored}
    assert "b.py" not in trace(files, notes)[0].certain
    assert "b.py" in trace({**files, "chalicelib/settings.py": "import nothing"}, notes)[0].certain


# Whole packages, with a real store


def find(entry, store, **options):
    request = package_request(**{"entry": entry, "runtime": "python3.13", **options})
    try:
        return [finding.subject for finding in package(request, store=store).findings if finding.subject]
    except FindingsError as error:
        return [finding.subject for finding in error.findings]


def test_a_package_is_judged_by_what_it_is_now(tmp_path, store):
    files = {"app.py": f"import own\n{HANDLER}", "vendor/own/__init__.py": "from . import part\n"}
    entry = write_files(tmp_path / "svc", {**files, "vendor/own/part.py": "import yaml, cgi\n"})
    assert find(entry, store) == ["yaml", "cgi"]
    write_files(entry, {"app.py": f"import own, json\n{HANDLER}"})
    assert find(entry, store) == ["yaml", "cgi"]
    assert find(entry, store, runtime="python3.12") == ["yaml"]
    assert find(entry, store, provided=("pyyaml",)) == ["cgi"]
    write_files(tmp_path / "layer", {"python/yaml.py": ""})
    assert find(entry, store, layers=(tmp_path / "layer",)) == ["cgi"]
    wheel = raw_wheel(entry / "wheels", [member("yaml/__init__.py", "")])
    line = f"demo==1.0 --hash=sha256:{sha256(wheel)}"
    write_files(entry, {"requirements.txt": f"--no-index --find-links wheels\n{line}\n"})
    assert find(entry, store) == ["cgi"]
    write_files(entry, {"vendor/own/part.py": "import toml\n"})
    assert find(entry, store) == ["toml"]
    (entry / "requirements.txt").unlink()
    write_files(entry, {"vendor/own/part.py": "import yaml, cgi\n", "app.py": HANDLER})
    assert find(entry, store) == []
