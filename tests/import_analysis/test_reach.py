"""What is remembered of modules that an edit doesn't change, and that it says the same as following them again."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from package_contents import package_contents

from cdk_lambda_package.checks import check
from cdk_lambda_package.import_analysis.reach import reach_of
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.reading import ModuleReader
from cdk_lambda_package.store import Store

LIBRARY = {
    "demo==1.0: demo/__init__.py": "from demo import core\nimport sys\nsys.path.append('x')",
    "demo==1.0: demo/core.py": "try:\n    import fast\nexcept ImportError:\n    import slow\ndef f():\n    import demo.late",
    "demo==1.0: demo/late.py": "import nowhere",
    "demo==1.0: slow.py": "import other\nother.name = 1",
    "other==1.0: other.py": "value = 1",
}


def followed(contents):
    """The reach of a package, as it is without a memory."""
    return reach_of(contents.graph, contents.imports._side)


def comparable(reach):
    lacking = [(path, step.runs, step.statement.line, step.lacks) for path, step in reach.lacking]
    return reach._replace(lacking=sorted(lacking), own_steps={}, changers=sorted(reach.changers))


def remember(files, store, **more):
    contents = package_contents(files, store=store, **more)
    contents.reach  # noqa: B018 - worked out, to be kept
    contents.imports.save()


def reads_of(contents, *, with_facts=False):
    """The paths that a package's analysis reads when it is asked for its reach, `with_facts` of those that it read before."""
    modules = contents.imports._modules
    read, reads = modules._read, []
    modules._read = lambda path: reads.append(path) or read(path)
    if not with_facts:
        modules.memory._store = None
    contents.reach  # noqa: B018 - worked out, to see what is read
    return reads


def test_only_the_users_own_modules_are_followed_after_an_edit(tmp_path):
    store = Store(tmp_path)
    remember({**LIBRARY, "app.py": "import demo"}, store)
    edited = package_contents({**LIBRARY, "app.py": "import json\nimport demo\nX = 1"}, store=store)
    assert reads_of(edited) == ["app.py"]
    assert comparable(edited.reach) == comparable(followed(edited))
    assert edited.reach.certain >= {"app.py", "demo/core.py", "slow.py", "other.py"}


def test_the_checks_of_a_sound_package_follow_nothing_else_after_an_edit(tmp_path):
    store = Store(tmp_path)
    sound = {**LIBRARY, "demo==1.0: demo/late.py": ""}
    remember({**sound, "app.py": "import demo\ndef handler(event, context): pass"}, store)
    edited = package_contents({**sound, "app.py": "import demo\nX = 1\ndef handler(event, context): pass"}, store=store)
    assert check(edited) == ()
    assert not edited.imports._graphs


@pytest.mark.parametrize(
    "change",
    [
        {"app.py": "import demo.late"},
        {"app.py": "def f():\n    import demo"},
        {"app.py": "try:\n    import demo\nexcept ImportError:\n    pass"},
        {"fast.py": ""},
        {"other==1.0: other.py": "import nowhere"},
        {"demo==1.0: demo/data.txt": "", "demo==1.0: fast.py": ""},
    ],
)
def test_another_way_to_other_modules_is_followed_anew(change, tmp_path):
    store = Store(tmp_path)
    remember({**LIBRARY, "app.py": "import demo"}, store)
    changed = package_contents({**LIBRARY, "app.py": "import demo", **change}, store=store)
    assert comparable(changed.reach) == comparable(followed(changed))


USED = {
    "demo==1.0: demo/__init__.py": "",
    "demo==1.0: demo/core.py": "def f():\n    import other\ndef g():\n    import slow\n"
    "def h(n=None):\n    if not n:\n        import nowhere",
    "demo==1.0: slow.py": "",
    "other==1.0: other.py": "",
}


@pytest.mark.parametrize(
    ("first", "edited"),
    [
        # The import is in the function that is called, and then in another one.
        ("def setup():\n    import slow\ndef last(): pass", "def setup(): pass\ndef last():\n    import slow"),
        ("def setup(): pass\ndef last():\n    import slow", "def setup():\n    import slow\ndef last(): pass"),
        # The function that is called is another one of the same module.
        ("from demo.core import f as setup", "from demo.core import g as setup"),
        # A table of lazy imports.
        (
            "def __getattr__(name):\n    if name == 'setup':\n        from slow import setup\n        return setup",
            "def __getattr__(name):\n    if name == 'unset':\n        from slow import setup\n        return setup",
        ),
        ("from demo.core import f as setup", "def setup():\n    import slow\nfrom demo.core import f"),
        ("setup = 1", "import slow\nsetup = slow.run"),
        ("class setup:\n    pass", "class setup:\n    def __init__(self):\n        import slow"),
        ("def setup():\n    import slow", "def setup():\n    last()\ndef last():\n    import slow"),
        ("def setup(): pass\ndef last():\n    import nowhere", "def setup():\n    import nowhere\ndef last(): pass"),
        # An import in a function that certainly runs, on another line, and then one that may.
        ("def setup():\n    import nowhere", "X = 1\ndef setup():\n    import nowhere"),
        ("def setup():\n    import nowhere", "def setup():\n    if wrong():\n        return\n    import nowhere"),
        ("from demo.core import h as setup", "from demo.core import h as setup\nsetup()"),
        ("from demo.core import h\nh()\ndef setup(): pass", "from demo.core import h\nh(1)\ndef setup(): pass"),
        ("from demo.core import h\nh()\ndef setup(): pass", "from demo.core import h\nh\ndef setup(): pass"),
    ],
)
def test_an_edit_of_what_another_of_the_users_own_modules_uses_is_noticed(first, edited, tmp_path):
    app = {**USED, "app.py": "import helper\nimport demo.core\nhelper.setup()"}
    store = Store(tmp_path)
    for helper in (first, edited, first):
        contents = package_contents({**app, "helper.py": helper}, store=store)
        fresh = package_contents({**app, "helper.py": helper})
        assert comparable(contents.reach) == comparable(followed(fresh))
        contents.imports.save()


def test_nothing_is_remembered_of_modules_that_import_the_users_own(tmp_path):
    files = {"app.py": "import demo", "demo==1.0: demo.py": "import settings", "settings.py": ""}
    remember(files, Store(tmp_path))
    edited = package_contents({**files, "settings.py": "import nowhere"}, store=Store(tmp_path))
    assert comparable(edited.reach) == comparable(followed(edited))
    assert [path for path, _ in edited.reach.lacking] == ["settings.py"]


def test_facts_of_a_wheel_are_shared_by_all_packages_with_it(tmp_path):
    from cdk_lambda_package.import_analysis.facts import ModuleFacts, SourceFile
    from cdk_lambda_package.import_analysis.memory import module_memory

    store, segment = Store(tmp_path), "a" * 64
    first = module_memory({"x.py": SourceFile("1" * 64, "demo==1", segment)}, (3, 13), store)
    first.add("x.py", ModuleFacts(exported=("a",)))
    first.save()
    other = {"x.py": SourceFile("1" * 64, "demo==1", segment), "y.py": SourceFile("2" * 64, "demo==1", segment)}
    second = module_memory(other, (3, 13), store)
    assert second.value("x.py").exported == ("a",)
    assert not second.knows("y.py")
    assert [path.name[:64] for path in (tmp_path / "v1" / "modules").iterdir()] == [segment]
    assert not module_memory(other, (3, 12), store).knows("x.py")


MODULES = ("a", "b", "c", "p", "p.q")
OWN = ("app", "helper")


@st.composite
def sources(draw, importable):
    """A module's source: some imports in all positions that matter."""
    lines = []
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(importable))
        form = draw(st.sampled_from(["{i}", "try:\n    {i}\nexcept ImportError:\n    {j}", "def f():\n    {i}",
                                     "if unknown():\n    {i}", "try:\n    {i}\nfinally:\n    {j}",
                                     "try:\n    {i}\nexcept ImportError:\n    pass\nelse:\n    {j}"]))  # fmt: skip
        other = draw(st.sampled_from(importable))
        statement = draw(st.sampled_from([f"import {name}", f"from {name} import x", f"from {name} import *"]))
        lines.append(form.format(i=statement, j=f"import {other}"))
    if draw(st.booleans()):
        lines.append("x = 1")
    return "\n".join(lines)


@st.composite
def packages(draw):
    missing = ("gone", "json")
    library = {f"lib==1: {name.replace('.', '/')}{'/__init__' * (name == 'p')}.py": draw(sources((*MODULES, *missing)))
               for name in MODULES}  # fmt: skip
    first = {f"{name}.py": draw(sources((*MODULES, *OWN, *missing))) for name in OWN}
    edited = draw(st.sampled_from(sorted(first)))
    change = draw(
        st.sampled_from(["import json\n{old}", "{old}\nx = 2", "{old}\nimport gone", "{old}\nimport a", "{new}"])
    )
    source = change.format(old=first[edited], new=draw(sources((*MODULES, *OWN, *missing))))
    return library, first, {**first, edited: source}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packages())
def test_the_memory_says_the_same_as_following_everything(tmp_path_factory, package):
    library, first, second = package
    store = Store(tmp_path_factory.mktemp("store"))
    remember({**library, **first}, store)
    for own in (first, second, first):
        contents = package_contents({**library, **own}, store=store)
        assert comparable(contents.reach) == comparable(followed(package_contents({**library, **own})))
        contents.imports.save()


LINES = st.sampled_from(
    ["{old}", "\n\n{old}", "{old}\n# end", "{old}\ny = 2", "import gone\n{old}", "{old}\nimport a", "x = 3\n{old}"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packages(), st.lists(st.tuples(st.sampled_from(MODULES), LINES), max_size=3))
def test_after_an_edit_of_other_modules_the_memory_says_the_same_too(tmp_path_factory, package, edits):
    """As of vendor/, whose content isn't part of the key under which it is remembered what its modules lead to."""
    library, first, second = package
    edited = dict(library)
    for name, change in edits:
        path = next(
            path for path in library if path.endswith((f": {name.replace('.', '/')}.py", f": {name}/__init__.py"))
        )
        edited[path] = change.format(old=edited[path])
    store = Store(tmp_path_factory.mktemp("store"))
    remember({**library, **first}, store, surroundings="names")
    for own, others in ((first, library), (first, edited), (second, edited), (first, edited), (first, library)):
        contents = package_contents({**others, **own}, store=store, surroundings="names")
        assert comparable(contents.reach) == comparable(followed(package_contents({**others, **own})))
        contents.imports.save()


VENDORED = {f"vendor: {path.partition(': ')[2]}": source for path, source in LIBRARY.items()}


@pytest.mark.parametrize(
    ("path", "source", "read"),
    [
        (
            "demo/core.py",
            "try:\n    import fast\nexcept ImportError:\n    import slow\n\ndef f():\n    x = 1\n    import demo.late",
            True,
        ),
        ("demo/core.py", "# one more\n" + VENDORED["vendor: demo/core.py"], True),
        ("unused.py", "import nowhere", False),
        ("unused.py", "import (", False),
    ],
)
def test_an_edit_of_vendor_that_says_the_same_lets_nothing_else_be_read(tmp_path, path, source, read):
    store = Store(tmp_path)
    app = {**VENDORED, "app.py": "import demo", "vendor: unused.py": ""}
    remember(app, store, surroundings="names")
    edited = package_contents({**app, f"vendor: {path}": source}, store=store, surroundings="names")
    assert reads_of(edited, with_facts=True) == [path] * read
    assert not edited.imports._graphs
    assert comparable(edited.reach) == comparable(followed(edited))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("demo/core.py", "import fast"),
        ("demo/core.py", VENDORED["vendor: demo/core.py"] + "\nsecond = 1"),
        (
            "demo/core.py",
            VENDORED["vendor: demo/core.py"].replace("def f()", "def f(n)").replace("import demo.late", "import other"),
        ),
        ("other.py", "other = 1"),
        ("other.py", "value = 1\nvalue = 2"),
    ],
)
def test_an_edit_of_vendor_that_says_something_else_is_followed_anew(tmp_path, path, source):
    store = Store(tmp_path)
    app = {**VENDORED, "app.py": "import demo"}
    remember(app, store, surroundings="names")
    edited = package_contents({**app, f"vendor: {path}": source}, store=store, surroundings="names")
    assert comparable(edited.reach) == comparable(followed(edited))
    assert edited.imports._graphs


def test_a_line_that_a_message_tells_is_never_an_old_one(tmp_path):
    store = Store(tmp_path)
    app = {"app.py": "import demo", "vendor: demo.py": "import nowhere"}
    remember(app, store, surroundings="names")
    edited = package_contents({**app, "vendor: demo.py": "\nimport nowhere"}, store=store, surroundings="names")
    assert [step.statement.line for _, step in edited.reach.lacking] == [2]


def test_an_edit_of_many_modules_is_followed_anew(tmp_path):
    store = Store(tmp_path)
    app = {f"vendor: m{number}.py": "x = 1" for number in range(20)}
    app["app.py"] = "\n".join(f"import m{number}" for number in range(20))
    remember(app, store, surroundings="names")
    edited = package_contents({path: f"\n{source}" for path, source in app.items()}, store=store, surroundings="names")
    assert comparable(edited.reach) == comparable(followed(edited))


def test_old_facts_are_dropped_once_there_are_many_more_than_files(tmp_path):
    from cdk_lambda_package.import_analysis.facts import ModuleFacts, SourceFile
    from cdk_lambda_package.import_analysis.memory import module_memory

    store, counts = Store(tmp_path), []
    for number in range(300):
        memory = module_memory({"x.py": SourceFile(f"{number:064}", "app")}, (3, 13), store)
        memory.add("x.py", ModuleFacts())
        memory.save()
        assert module_memory({"x.py": SourceFile(f"{number:064}", "app")}, (3, 13), store).knows("x.py")
        (record,) = (tmp_path / "v1" / "modules").iterdir()
        counts.append(record.stat().st_size)
    assert max(counts) < 100 * counts[0]
    # Some of the past are there, for an edit that is taken back.
    assert module_memory({"x.py": SourceFile(f"{298:064}", "app")}, (3, 13), store).knows("x.py")


@pytest.mark.parametrize("imported", ["packaging", "pytest"])
def test_the_memory_says_the_same_of_real_packages(imported, tmp_path):
    folder = Path(pytest.__file__).parents[1]
    tops = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file() and path.name != "setuptools"}
    files = {
        f"{path.relative_to(folder).parts[0]}==1: {path.relative_to(folder).as_posix()}": path.read_text("utf-8")
        for top in sorted({imported, f"_{imported}", "pluggy", "packaging", "sortedcontainers"} & tops)
        for path in (folder / top).rglob("*.py")
    }
    store = Store(tmp_path)
    remember({**files, "app.py": f"import {imported}\nimport packaging"}, store)
    edited = package_contents(
        {**files, "app.py": f"import json\nimport {imported}\nimport packaging\nX = 1"}, store=store
    )
    assert reads_of(edited) == ["app.py"]
    assert comparable(edited.reach) == comparable(followed(edited))
    assert len(edited.reach.all) > 1


def test_modules_are_read_the_same_in_two_processes():
    sources = {f"m{number}": f"import a{number}\nX = 1\nfrom b import *\n".encode() for number in range(9)}
    here = {name: read_module(source, (3, 13)) for name, source in sources.items()}
    read_here = []

    with ModuleReader(read_module, (3, 13), worth=10) as reader:
        assert reader.read(sources) == here
        reader._read = lambda source, python: read_here.append(source) or read_module(source, python)
        # A process that was started is used for less: here, for nothing as small as this.
        assert reader.read(sources) == here
        assert len(read_here) == len(sources)


@pytest.mark.parametrize("work", ["import sys; sys.exit(3)", "no python", "print('no answer')"])
def test_modules_are_read_here_if_the_other_process_fails(work, monkeypatch):
    sources = {f"m{number}": f"import a{number}".encode() for number in range(9)}
    with ModuleReader(read_module, (3, 13), worth=10) as reader:
        monkeypatch.setattr(reader, "_program", lambda: ([sys.executable, "-c", work], dict(os.environ)))
        assert list(reader.read(sources)) == list(sources)


def test_a_process_that_reads_modules_ends_with_its_reader():
    with ModuleReader(read_module, (3, 13), worth=10) as reader:
        reader.read({"a": b"import b", "b": b"import c"})
        process = reader._worker._process
        assert process.poll() is None
    assert process.poll() is not None
