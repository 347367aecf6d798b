"""Modules that the target's Python can't compile: what is found is what CPython's own compiler finds."""

import dataclasses
import hashlib
import json
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from entries import HANDLER, package_request, write_files
from this_host import require_python

from cdk_lambda_package import package
from cdk_lambda_package.errors import CheckError, FindingsError
from cdk_lambda_package.import_analysis import SourceFile
from cdk_lambda_package.import_analysis.syntax import begin_syntax_faults, start_limited, syntax_faults
from cdk_lambda_package.processes import Finished, run_process
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import RUNTIMES, Target

VERSIONS = [row.version for row in RUNTIMES]
ALWAYS, NEVER = (3, 0), (4, 0)

# Sources, each with the first version of Python that compiles it.
SOURCES = {
    "": ALWAYS,
    "x = 1\n": ALWAYS,
    "match = case = type = 1\nmatch(case), type(match)\n": ALWAYS,
    "async def f():\n    async with a as b, c: await d\n    return [x async for x in y]\n": ALWAYS,
    "def f(a, /, b, *, c): return (d := a)\n": ALWAYS,
    "@a[0].b\ndef f(): ...\n": (3, 9),
    "with (open(a) as b, open(c) as d): ...\n": (3, 9),  # by the parser; documented for 3.10
    "match x:\n    case [1, *_] | A(b=2) if b: ...\n    case {'a': b, **c}: ...\n": (3, 10),
    "match x:\n    case [a] | {'b': b}: ...\n": NEVER,  # other names in each
    "try: ...\nexcept* ValueError: ...\n": (3, 11),
    "a[*b]\n": (3, 11),
    "def f(*args: *Ts): ...\n": (3, 11),
    "def f[T: int](x: T) -> T: ...\n": (3, 12),
    "class A[*Ts, **P]: ...\n": (3, 12),
    "type X[T] = list[T]\n": (3, 12),
    "f'{a['b']}'\n": (3, 12),
    "f'{'\\n'.join(a)}'\n": (3, 12),
    "f'''{\n    a  # why\n}'''\n": (3, 12),
    "class A[T = int]: ...\n": (3, 13),
    "t'{a}'\n": (3, 14),
    "try: ...\nexcept A, B: ...\n": (3, 14),
    "def f(\n": NEVER,
    "def f()\n    pass\n": NEVER,
    "if x:\npass\n": NEVER,
    "if x:\n        a\n    b\n": NEVER,
    "if x:\n\ta\n        b\n": NEVER,
    "def f():\n        if x:\n        \ta\n        b\n  \n": ALWAYS,
    f"x = {'(' * 200}1{')' * 200}\n": ALWAYS,
    "print 'x'\n": NEVER,
    "exec 'x'\n": NEVER,
    "raise E, 'x'\n": NEVER,
    "x = 0777\n": NEVER,
    "x = 'a\n": NEVER,
    "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n": NEVER,
    "return 1\n": NEVER,
    "yield 1\n": NEVER,
    "await x\n": NEVER,
    "class A:\n    return 1\n": NEVER,
    "def f():\n    await x\n": NEVER,
    "break\n": NEVER,
    "continue\n": NEVER,
    "def f():\n    from a import *\n": NEVER,
    "x = 1\nfrom __future__ import annotations\n": NEVER,
    "from __future__ import magic\n": NEVER,
    "def f():\n    nonlocal x\n": NEVER,
    "def f():\n    x = 1\n    global x\n": NEVER,
    "def f(a, a): ...\n": NEVER,
    "def f(a=1, b): ...\n": NEVER,
    "f(a=1, 2)\n": NEVER,
    "f() = 1\n": NEVER,
    "None = 1\n": NEVER,
    "*a, *b = c\n": NEVER,
    "try: ...\nexcept: ...\nexcept E: ...\n": NEVER,
    "async def f():\n    yield from x\n": NEVER,
    "lambda: (yield)\n": ALWAYS,
    "class {{ name }}: ...\n": NEVER,
}


def find(sources, runtime="python3.13", *, store, runner=run_process, group="app"):
    """Return the faults of modules, given by their paths."""
    contents = {path: text if isinstance(text, bytes) else text.encode() for path, text in sources.items()}
    files = {path: SourceFile(hashlib.sha256(content).hexdigest(), group) for path, content in contents.items()}
    target = Target.parse(runtime)
    versions = [target.runtime.version, VERSIONS[-1]] if target.assumed else [target.runtime.version]
    starter = lambda *arguments: lambda: runner(*arguments)  # noqa: E731
    return syntax_faults(files, contents.__getitem__, versions, store, starter=starter)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_the_faults_that_it_has(version, shared_store):
    names = {f"m{number}.py": source for number, source in enumerate(SOURCES)}
    faults = set(find(names, f"python3.{version[1]}", store=shared_store))
    expected = {path for path, source in names.items() if SOURCES[source] > version}
    assert {names[path] for path in faults ^ expected} == set()


# Compiles what it is given as that Python does, and writes a list of verdicts.
COMPILE = """
import json, sys, warnings
warnings.simplefilter("ignore")
def compiles(source):
    try:
        compile(source, "x", "exec", dont_inherit=True)
        return True
    except SyntaxError:
        return False
    except ValueError as error:
        # Some releases fail over what they have parsed themselves, such as 3.12.1 over test_fstring of 3.13.
        return None if str(error).startswith("field ") else False
sources = [open(path, "rb").read() for path in json.load(sys.stdin)]
json.dump(list(map(compiles, sources)), sys.stdout)
"""


def compile_all(version, paths):
    """Return which files an interpreter of this version compiles, None for a fault of its own; skip where there is none."""
    python = require_python("python{}.{}".format(*version))
    done = subprocess.run(
        [python, "-c", COMPILE], input=json.dumps(list(map(str, paths))), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_versions_own_compiler_says_the_same(version, tmp_path):
    paths = [tmp_path / f"m{number}.py" for number, _ in enumerate(SOURCES)]
    for path, source in zip(paths, SOURCES, strict=True):
        path.write_text(source, encoding="utf-8")
    verdicts = compile_all(version, paths)
    assert {
        source: verdict
        for source, verdict in zip(SOURCES, verdicts, strict=True)
        if verdict != (SOURCES[source] <= version)
    } == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_over_the_standard_library_each_compiler_agrees(version, shared_store):
    folder = Path(sysconfig.get_path("stdlib"))
    # What tests the compiler itself has the oddest syntax, and some that is wrong on purpose.
    odd = ["test_grammar", "test_syntax", "test_fstring", "test_patma", "test_except_star", "test_coroutines",
           "test_generators", "test_unpack_ex", "test_future", "bad_coding", "badsyntax_future3"]  # fmt: skip
    paths = [
        *sorted(folder.glob("*.py"))[::2],
        *(path for name in odd if (path := folder / "test" / f"{name}.py").exists()),
    ]
    sources = {str(path): path.read_bytes() for path in paths}
    verdicts = {str(path): fine for path, fine in zip(paths, compile_all(version, paths), strict=True)}
    faulty = set(find(sources, "python{}.{}".format(*version), store=shared_store))
    unknown = {path for path, fine in verdicts.items() if fine is None}
    assert len(unknown) <= 1
    assert faulty - unknown == {path for path, fine in verdicts.items() if fine is False}


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("x = 1\nmatch x:\n    case 1: ...\n", 2, "Cannot use `match` statement on Python 3.9 (syntax was added in Python 3.10)"),
        ("x = 1\n\n\nreturn x\nbreak\n", 4, "`return` statement outside of a function/method"),
        ("def f():\n    print 'x'\n", 2, "missing parentheses in a call of print: this is Python 2"),
        ("def f():\n<<<<<<< ours\n", 2, "a merge was never finished, its markers are still there"),
        (b"a = 1\nb = '\xfc'\n", 2,
         "(unicode error) 'utf-8' codec can't decode byte 0xfc in position 11: invalid start byte"),
        (b"# coding: nonsense\n", 1, "unknown encoding: nonsense"),
        (b"a = 1\n\0", 2, "source code cannot contain null bytes"),
    ],
)  # fmt: skip
def test_the_first_fault_of_a_module_is_told_with_its_line(source, line, message, store):
    [fault] = find({"a.py": source}, "python3.9", store=store).values()
    assert (fault.line, fault.message) == (line, message)


@pytest.mark.parametrize(
    "source",
    [
        b"# coding: latin-1\nx = '\xe9'\n",
        "\ufeffx = 'é'\n".encode(),
        b"if x:\r\n    a\r\nb\r\n",
        b"if x:\r    a\rb\r",
        b"if x:\n\x0c    a\n\x0cb\n",
        "# coding: shift_jis\nx = '漢字'\n".encode("shift_jis"),
    ],
)
def test_a_sound_module_is_sound_in_any_encoding(source, store):
    assert find({"a.py": source}, store=store) == {}


def test_what_the_user_has_configured_for_ruff_has_no_say(tmp_path, monkeypatch):
    folder = write_files(
        tmp_path,
        {
            ".gitignore": "*\n",
            "pyproject.toml": "[tool.ruff]\nexclude = ['*.py']\ntarget-version = 'py314'\n[tool.ruff.lint]\nselect = []\n",
        },
    )
    monkeypatch.setenv("RUFF_OUTPUT_FILE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("RUFF_NO_CACHE", "nonsense")
    sources = {
        "a.py": "return 1  # noqa\n",
        "b.py": "# ruff: noqa\n# flake8: noqa\nreturn 1\n",
        "c.py": "# /// script\n# requires-python = '>=3.14'\n# ///\ntype X = int\n",
        "d.py": "# ruff: disable[F706]\nreturn 1\n",
        "e.py": "x = 1\n",
    }
    faults = find(sources, "python3.9", store=Store(folder / "build" / ".venv" / "store"))
    assert list(faults) == ["a.py", "b.py", "c.py", "d.py"]
    assert not (tmp_path / "elsewhere").exists()


def recording(seen):
    """Run a process, and note which modules it finds in its folder."""

    def run(argv, directory, environment):
        seen.append({path.read_text() for path in directory.glob("*.py")} - {"return\n"})
        return run_process(argv, directory, environment)

    return run


def test_what_was_checked_is_not_checked_again(store):
    seen = []
    sources = {"a.py": "x = 1\n", "b.py": "def f(\n", "c.py": b"\xff"}
    first = find(sources, store=store, runner=recording(seen))
    assert find(sources, store=store, runner=recording(seen)) == first
    assert seen == [{"x = 1\n", "def f(\n"}]
    find({**sources, "a.py": "x = 2\n"}, store=store, runner=recording(seen))
    assert seen[1:] == [{"x = 2\n"}]
    assert find(sources, store=store, runner=recording(seen)) == first
    assert len(seen) == 2
    find(sources, "python3.12", store=store, runner=recording(seen))
    assert len(seen) == 3


def test_an_edit_of_the_app_leaves_what_is_known_of_vendor(store):
    seen, run = [], None
    run = recording(seen)
    vendored = {f"vendored/m{number}.py": f"x = {number}\n" for number in range(30)}
    find(vendored, store=store, runner=run, group="vendor")
    find({"app.py": "y = 1\n"}, store=store, runner=run)
    find(vendored, store=store, runner=run, group="vendor")
    assert [len(modules) for modules in seen] == [30, 1]


def test_what_is_remembered_does_not_grow_without_end(store):
    for number in range(150):
        find({"app.py": f"x = {number}\nreturn\n"}, store=store, runner=answering([]))
    [record] = store.folders("syntax")[0].iterdir()
    assert len(json.loads(record.read_bytes().partition(b"\n")[2])["by_digest"]) < 100


def test_the_parser_is_at_work_from_the_beginning_until_it_is_waited_for(store):
    done = []

    def starter(*arguments):
        done.append("started")
        finish = start_limited(*arguments)
        return lambda: done.append("waited for") or finish()

    content = b"return\n"
    sources = {"app.py": SourceFile(hashlib.sha256(content).hexdigest(), "app")}
    end = begin_syntax_faults(sources, lambda _: content, [(3, 13)], store, starter=starter)
    done.append("begun")
    assert end()["app.py"].line == 1
    assert done == ["started", "begun", "waited for"]


def answering(rows, status=0, output=""):
    """Stand in for a process of ruff's that reports these rows besides the one that shows that it has worked."""

    def run(argv, directory, environment):
        report = next(word for word in argv if word.startswith("--output-file=")).partition("=")[2]
        row = {"filename": "canary.py", "location": {"row": 1, "column": 1}, "message": "x", "code": "F706"}
        (directory / report).write_text(json.dumps([row, *rows]))
        return Finished(status=status, output=output)

    return run


@pytest.mark.parametrize(
    "runner",
    [
        lambda *_: Finished(status=0, output=""),
        lambda *_: Finished(status=2, output="ruff failed\n  Cause: Unknown rule selector"),
        answering([], status=2, output="ruff failed"),
        answering([], output="warning: Failed to lint x.py: it is not there"),
        answering([], output="error: Panicked while linting x.py"),
    ],
)
def test_a_checker_that_did_not_work_is_an_error_and_never_taken_for_soundness(runner, store):
    with pytest.raises(
        CheckError, match=r"didn't check the modules for python3\.13.*pip install --force-reinstall ruff"
    ):
        find({"a.py": "x = 1\n"}, store=store, runner=runner)
    assert find({"a.py": "x = 1\n"}, store=store) == {}


CHAIN = f"x = {' + '.join(['1'] * 30_000)}\n"


def test_a_module_that_ends_the_checker_is_uncertain_and_all_others_are_judged(store):
    sources = {f"m{number}.py": f"x = {number}\n" for number in range(20)}
    faults = find({**sources, "bad.py": "return 1\n", "chain.py": CHAIN, "worse.py": "f(\n"}, store=store)
    found = [(path, fault.certain) for path, fault in faults.items()]
    assert found == [("bad.py", True), ("chain.py", False), ("worse.py", True)]
    assert faults["chain.py"].message == "the parser can't read it"


def test_a_module_that_ends_the_checker_is_found_in_a_few_runs(store):
    seen, sources = [], {f"m{number}.py": f"x = {number}\n" for number in range(300)}
    assert list(find({**sources, "chain.py": CHAIN}, store=store, runner=recording(seen))) == ["chain.py"]
    assert len(seen) < 30


def test_what_ended_the_checker_is_tried_again_the_next_time(store):
    def fail(argv, directory, environment):
        if (directory / f"{hashlib.sha256(b'x = 1').hexdigest()}.py").exists():
            return Finished(status=-9, output="")
        return run_process(argv, directory, environment)

    sources = {"a.py": "x = 1", "b.py": "return\n\n"}
    assert list(find(sources, store=store, runner=fail)) == ["a.py", "b.py"]
    seen = []
    assert list(find(sources, store=store, runner=recording(seen))) == ["b.py"]
    assert seen == [{"x = 1"}]


def test_a_checker_that_takes_hardly_any_module_is_an_error(store):
    def fail(argv, directory, environment):
        if len(list(directory.glob("*.py"))) > 1:
            return Finished(status=-9, output="")
        return run_process(argv, directory, environment)

    with pytest.raises(CheckError, match="it ended with status -9"):
        find({f"m{number}.py": f"x = {number}\n" for number in range(40)}, store=store, runner=fail)


def test_a_checker_that_takes_too_long_is_an_error_that_says_so(store):
    def wait(*_):
        return Finished(status=-9, output="", timed_out=True)

    with pytest.raises(CheckError, match="it wasn't done after 300 seconds"):
        find({"a.py": "x = 1\n"}, store=store, runner=wait)


def test_another_version_of_the_parsers_checks_anew(store, tmp_path, monkeypatch):
    seen, sources = [], {"a.py": "x = 1\n"}
    find(sources, store=store, runner=recording(seen))
    (tmp_path / "ruff-99.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    find(sources, store=store, runner=recording(seen))
    assert len(seen) == 2


def test_a_report_without_the_known_fault_is_no_report(store):
    def run(argv, directory, environment):
        (directory / "report.json").write_text("[]")
        return Finished(status=0, output="")

    with pytest.raises(CheckError, match="didn't check"):
        find({"a.py": "def f(\n"}, store=store, runner=run)


def test_a_checker_that_cant_be_started_is_an_error_that_says_so(store):
    def run(argv, directory, environment):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(CheckError, match="ruff.*can't be started: .*Permission denied"):
        find({"a.py": "x = 1\n"}, store=store, runner=run)


def test_without_the_checker_nothing_is_said_to_be_sound(store, monkeypatch):
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setitem(sys.modules, "ruff.__main__", None)
    with pytest.raises(CheckError, match="ruff.*can't be started"):
        find({"a.py": "x = 1\n"}, store=store)


def test_outside_of_a_virtual_environment_the_checker_is_looked_for_where_it_says(store, monkeypatch):
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert find({"a.py": "x = 1\nreturn\n"}, store=store)["a.py"].line == 2


def test_a_runtime_that_nobody_knows_yet_is_like_the_newest(store):
    sources = {"a.py": "t'{a}'\n", "b.py": "def f(\n"}
    assert list(find(sources, "python3.99", store=store)) == ["b.py"]


# What the checks say of a package.


@pytest.fixture
def check(tmp_path, store):
    """Package an app for python3.9, and return the findings about syntax, shown."""

    def check(files, **options):
        entry = write_files(tmp_path / "entry", {"app.py": HANDLER, **files})
        try:
            found = package(package_request(entry=entry, runtime="python3.9", **options), store=store).findings
        except FindingsError as error:
            found = error.findings
        return [str(finding) for finding in found if finding.id.startswith("syntax-")]

    return check


MATCH = "match x:\n    case 1: ...\n"
REASON = (
    "python3.9 can't compile this module: cannot use `match` statement on Python 3.9 (syntax was added in Python 3.10)."
)


def test_each_faulty_module_of_the_app_is_an_error_with_file_line_reason_and_way_out(check):
    assert check({"chalicelib/a.py": MATCH, "chalicelib/b/c.py": "x = (\n"}) == [
        f"chalicelib/a.py:1: {REASON} Write it for the older version, or choose a newer runtime. [syntax-error]",
        "chalicelib/b/c.py:2: python3.9 can't compile this module: unexpected EOF while parsing. Correct it. [syntax-error]",
    ]


def test_a_faulty_module_of_vendor_is_an_error_where_the_app_imports_it(check):
    files = {
        "app.py": f"import own\n{HANDLER}",
        "vendor/own/__init__.py": "from . import b\n",
        "vendor/own/b.py": MATCH,
    }
    fix = "Vendor a release that supports python3.9."
    assert check(files) == [f"vendor/own/b.py:1: {REASON} {fix} [syntax-error]"]


@pytest.mark.parametrize(
    "app",
    [
        "def handler(event, context):\n    import own.b\n",
        f"if x:\n    import own.b\n{HANDLER}",
        f"try:\n    from own import b\nexcept Exception:\n    b = None\n{HANDLER}",
    ],
)
def test_one_that_may_be_imported_is_a_warning(check, app):
    files = {"app.py": app, "vendor/own/__init__.py": "", "vendor/own/b.py": MATCH}
    [finding] = check(files)
    assert "vendor/own/b.py:1" in finding
    assert finding.endswith("[syntax-uncertain]")


@pytest.mark.parametrize(
    "files",
    [
        {"vendor/own/__init__.py": "", "vendor/own/tests/bad_syntax.py": "def f(\n"},
        {"vendor/own/__init__.py": "import sys\nif sys.version_info[0] == 2:\n    from own import two\n",
         "vendor/own/two.py": "print 'two'\n"},
        {"vendor/own/__init__.py": "", "vendor/own/templates/{{ name }}.py": "class {{ name }}: ...\n"},
        {"chalicelib/templates/my-model.py": "class {{ name }}: ...\n"},
        {"scripts/old.py": "print 'two'\n"},
        {"chalicelib/notes.txt": "def f(\n"},
    ],
)  # fmt: skip
def test_what_nobody_imports_is_no_finding(check, files):
    files = {"app.py": f"{'import own' if 'vendor/own/__init__.py' in files else ''}\n{HANDLER}", **files}
    assert check(files, include=["scripts/**"]) == []


def test_what_the_parser_cannot_read_is_a_warning_beside_all_other_findings(check):
    files = {"chalicelib/a.py": CHAIN, "chalicelib/b.py": "return\n"}
    [faulty], [chained] = check(files), check(files, acknowledge=["syntax-error"])
    assert "chalicelib/a.py:1: python3.9 may not be able to compile this module: the parser can't read it" in chained
    assert chained.endswith("[syntax-uncertain]")
    assert faulty.endswith("[syntax-error]")


def test_an_acknowledged_fault_is_packaged(check):
    assert check({"chalicelib/a.py": MATCH}, acknowledge=["syntax-error"]) == []


def test_a_runtimes_syntax_that_the_hosts_python_lacks_is_sound(tmp_path, store):
    source = textwrap.dedent(
        """
        class Box[T = int]: ...
        type Name = str

        def handler(event, context):
            try:
                return str(t'{event['name']}')
            except KeyError, TypeError:
                return Box()
        """
    )
    request = package_request(entry=write_files(tmp_path / "entry", {"app.py": source}), runtime="python3.14")
    assert package(request, store=store).findings == ()
    with pytest.raises(FindingsError) as caught:
        package(dataclasses.replace(request, runtime="python3.13"), store=store)
    [finding] = caught.value.findings
    assert (finding.id, finding.line) == ("syntax-error", 7)
