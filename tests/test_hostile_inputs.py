"""Files that nobody would write, given to the command line: an error with place and fix, no traceback, and no long wait."""

import contextlib
import os
import zipfile
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from offline import RUNTIME
from raw_zip import build_zip, member
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.cli import main
from cdk_lambda_package.stages.s6_unpacking import _unpack_layers

HEAD = 'lock-version = "1.0"\ncreated-by = "x"\n'
FILE = f'hashes = {{ sha256 = "{"0" * 64}" }}'

ARCHIVE = f"archive = {{ path = 'a-1-py3-none-any.whl', {FILE} }}\n"


def cpu_time() -> float:
    """Seconds of this process and of those that it started: a busy machine is no failure."""
    return sum(os.times()[:4])


@pytest.fixture
def build(tmp_path, capsys, isolated_pip):
    """Builds an entry directory with these files; returns the exit status and what is on stderr."""

    def build(files, *options):
        entry = write_files(tmp_path / "svc", {"app.py": HANDLER, **files})
        argv = ["build", str(entry), "--runtime", RUNTIME, "-o", str(tmp_path / "x.zip"), *options]
        began = cpu_time()
        status = main([*argv, "--cache-dir", str(tmp_path / "cache")])
        assert cpu_time() - began < 20
        told = capsys.readouterr().err
        assert "Internal error" not in told
        assert "Traceback" not in told
        assert len(told) < 3_000, told[:5000]
        return status, told

    return build


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("pylock.toml", HEAD + "packages = ['x']", "packages[0] should be a table, not a string"),
        ("pylock.toml", HEAD + "packages = 'x'", "packages should be a list, not a string"),
        ("pylock.toml", HEAD + "packages = []\ntool = 'x'", "tool should be a table, not a string"),
        ("pylock.toml", HEAD + "packages = []\n[tool]\ncdk-lambda-package = 'x'", "tool.cdk-lambda-package should be a table, not a string"),
        ("pylock.toml", HEAD + "[[packages]]\nname = 'a'\nversion = '1'\nmarker = \"extra == 'a'\"\n" + ARCHIVE, "The marker 'extra == \"a\"' of a can't"),
        ("pylock.toml", HEAD + f"[[packages]]\nname = 'a'\nversion = '1'\nwheels = [{{ url = 'http://[::1', name = 'a-1-py3-none-any.whl', {FILE} }}]",
         "a has the URL 'http://[::1', which is invalid"),
        ("pylock.toml", "a = " + "[" * 3000 + "]" * 3000, "nested more than 100 deep"),
        ("pylock.toml", "a." * 3000 + "a = 1", "nested more than 100 deep"),
        ("pylock.toml", "a = " + "9" * 5000, "can't be read: Exceeds the limit"),
        ("pylock.toml", HEAD + f"[[packages]]\nname = 'a'\nversion = '{'9' * 5000}'\n", "isn't a lock as PEP 751 has it"),
        ("pylock.toml", HEAD + f"[[packages]]\nname = 'a'\nversion = '1'\nmarker = \"{'(' * 2000}os_name == 'a'{')' * 2000}\"\n",
         "isn't a lock as PEP 751 has it"),
        ("pylock.toml", b"\xff\xfe", "can't be read"),
        ("uv.lock", "package = 'x'", "package should be a list, not a string"),
        ("uv.lock", "package = ['x']", "package[0] should be a table, not a string"),
        ("uv.lock", "[[package]]\nversion = '1'", "missing required field `name`"),
    ],
)  # fmt: skip
def test_a_lock_that_isnt_one_is_an_error_with_its_file_and_key(build, name, text, told):
    status, found = build({name: text, "pyproject.toml": "[project]\nname = 'svc'\nversion = '1'\n"})
    assert status == 1
    assert told in found
    assert name in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("project = 3", "pyproject.toml: project should be a table, not an integer. Correct it."),
        ("[project]\ndependencies = [1]", "project.dependencies[0] should be a string, not an integer"),
        ("a = " + "{a = " * 3000 + "1" + "}" * 3000, "nested more than 100 deep"),
    ],
)
def test_a_project_file_of_another_form_is_an_error_with_its_key(build, text, told):
    status, found = build({"pylock.toml": HEAD + "packages = []", "pyproject.toml": text})
    assert status == 1
    assert told in found


@pytest.mark.parametrize(
    "text",
    [
        "[tool]\nother = 'x'\nuv = 1\npoetry = []",
        "tool = 'x'",
        "project = []",
        "[project]\ndependencies = 'x'",
    ],
)
def test_tables_of_other_tools_that_are_none_are_left_to_these(build, text):
    assert build({"pyproject.toml": text, "requirements.txt": ""})[0] == 0
    assert build({"pyproject.toml": text, "requirements.txt": "--no-index\n"})[0] == 0


@pytest.mark.parametrize(
    "line",
    [
        "demo==" + "9" * 5000,
        "-r \0x",
        "demo; " + "(" * 2000 + "os_name == 'a'" + ")" * 2000,
        "demo @ http://[::1",
        "-r requirements.txt",
    ],
)
def test_a_line_of_requirements_that_nobody_would_write_is_an_error(build, line):
    status, told = build({"requirements.txt": f"--no-index\n{line}\n"})
    assert status == 1 or line.startswith("-r req")
    assert told.startswith(("error: ", "warning: ")) or status == 0


@pytest.mark.parametrize(
    "source",
    ["with b,]c:\n    import x\n", "(" * 3000, "".join(" " * n + "if a:\n" for n in range(400)), "x = " + "9" * 5000],
)
def test_source_that_cant_be_read_is_a_finding(build, source):
    status, told = build({"chalicelib/__init__.py": "", "chalicelib/x.py": source})
    assert status == 0 or "chalicelib/x.py:" in told


def test_many_nested_folders_are_packaged_or_refused(build, tmp_path):
    folder = tmp_path / "svc" / "chalicelib"
    folder.mkdir(parents=True)
    # Deeper than a path may be long, so each folder is made from inside of the one around it.
    with contextlib.chdir(folder):
        for _ in range(400):
            Path("directory").mkdir()
            os.chdir("directory")
        Path("x.py").write_text("")
    status, told = build({})
    assert status == 0 or told.startswith("error: ")


@pytest.mark.parametrize(
    "content",
    [
        build_zip([member("", "x")]),
        build_zip([member("a", "x", size=0xFFFFFFFF, extra=b"\x01\0\x02\0\0\0")]),
        build_zip([member("a", "x")])[:-10] + b"\xff\xff\xff\x7f" + b"\0" * 6,
        b"PK\x05\x06",
        b"",
    ],
    ids=["nameless", "zip64 that lies", "directory elsewhere", "end alone", "empty"],
)
def test_a_layer_that_isnt_an_archive_is_an_error_that_names_it(build, tmp_path, content):
    path = tmp_path / "layer.zip"
    path.write_bytes(content)
    status, told = build({}, "--layers", str(path))
    assert status == 1
    assert f"layers: '{path}' can't be read: " in told


def test_a_layer_unpacked_for_a_try_changes_nothing_outside(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    outside.chmod(0o600)
    with zipfile.ZipFile(tmp_path / "layer.zip", "w") as archive:
        info = zipfile.ZipInfo("../outside.txt")
        info.external_attr = 0o100777 << 16
        archive.writestr(info, "y")
    folder = tmp_path / "opt"
    folder.mkdir()
    _unpack_layers([Path(tmp_path / "layer.zip")], folder)
    assert outside.stat().st_mode & 0o777 == 0o600
    assert outside.read_text() == "x"


@pytest.mark.parametrize("specifier", [">=3.6.*", "nonsense"])
def test_an_invalid_requires_python_is_ignored_with_a_warning(build, tmp_path, specifier):
    build_wheel(tmp_path / "svc" / "wheels", "demo", requires_python=specifier)
    status, told = build({"requirements.txt": "--no-index\n--find-links wheels\ndemo\n"})
    assert status == 0
    assert "demo has an invalid Requires-Python" in told
    assert "[requires-python-invalid]" in told


def test_invalid_metadata_of_a_locked_wheel_is_no_obstacle(build, tmp_path):
    wheel = build_wheel(
        tmp_path / "svc" / "wheels", "demo", requires_python=">=3.6.*", requires_dist=["not a ( requirement"]
    )
    lock = f"{HEAD}[[packages]]\nname = 'demo'\nversion = '1.0'\nwheels = [{{ path = 'wheels/{wheel.name}', hashes = {{ sha256 = '{sha256(wheel)}' }} }}]\n"
    assert build({"pylock.toml": lock})[0] == 0


def test_a_lock_with_a_comment_of_megabytes_is_read_soon(build):
    comments = f"# {'a' * 5_000_000}\n# {'http://' * 700_000}\n"
    assert build({"pylock.toml": f"{HEAD}{comments}packages = []\n"})[0] == 0


def test_requirements_of_megabytes_are_read_soon(build):
    lines = "# " + "a" * 5_000_000 + "\n" + "x" + " " * 1_000_000 + "y\n"
    assert build({"pylock.toml": HEAD + "packages = []", "requirements.txt": lines})[0] in (0, 1)


def test_a_module_of_megabytes_is_a_warning_and_not_searched_for_imports(build):
    status, told = build({"chalicelib/__init__.py": "", "chalicelib/data.py": "import missing_module\nDATA = [\n" + "1,\n" * 700_000 + "]\n",
                          "app.py": f"import chalicelib.data\n{HANDLER}"})  # fmt: skip
    assert status == 0
    assert "its imports weren't read" in told
    assert "[syntax-uncertain]" in told


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("-r pipe\n", "pipe is a device, pipe or socket; give a regular file"),
        ("-c pipe\ndemo\n", "pipe is a device, pipe or socket; give a regular file"),
        ("--requirement=pipe\n", "pipe is a device, pipe or socket; give a regular file"),
        ("demo @ file:///dev/zero\n", "/dev/zero is not a regular file"),
        ("-r 0.txt\n", "includes more than"),
        ("demo " + " " * 300_000 + "x\n", "requirements.txt:1: more than 200 spaces in a row"),
        ("\n" + " \\\n" * 300 + "demo\n", "more than 200 spaces in a row"),
        ("demo" + ",".join(f"!=1.{number}" for number in range(20_000)), "the line has more than 10000 characters"),
        (f"demo=={'9' * 5000}!1.0\n", "4300 digits"),
    ],
    ids=["r-pipe", "c-pipe", "requirement-pipe", "device", "fan", "spaces", "joined-spaces", "specifiers", "epoch"],
)
def test_requirements_that_would_hold_pip_up_are_an_error(build, tmp_path, lines, told):
    (tmp_path / "svc").mkdir()
    os.mkfifo(tmp_path / "svc" / "pipe")
    wheel = build_wheel(tmp_path / "svc" / "wheels", "demo")
    # Files of which each names the next one twice.
    fan = {f"{number}.txt": f"-r {number + 1}.txt\n" * 2 for number in range(25)}
    status, said = build(
        {"requirements.txt": f"{lines}\n--no-index\n--find-links {wheel.parent}\n", **fan, "25.txt": "demo\n"}
    )
    assert status == 1
    assert told in said


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (f"wheels = [{{ path = 'a\\u0000b/demo-1.0-py3-none-any.whl', {FILE} }}]".replace("'", '"'), "which no file can have"),
        ('directory = { path = "a\\u0000b" }', "which no file can have"),
        (f"wheels = [{{ name = 'demo-1.0-py3-none-any.whl', path = '/dev/zero', {FILE} }}]", "isn't a regular file at"),
        (f"wheels = [{{ name = 'demo-1.0-py3-none-any.whl', url = 'file:///dev/zero', {FILE} }}]", "isn't a regular file at"),
        (f"wheels = [{{ path = 'demo-1.0-py3-none-any.whl', upload-time = 0001-01-01T00:00:00+23:59, {FILE} }}]", "can't be read at"),
    ],
    ids=["wheel-nul", "directory-nul", "path-device", "url-device", "first-day"],
)  # fmt: skip
def test_a_file_of_a_lock_that_there_cant_be_is_an_error(build, file, told):
    status, said = build({"pylock.toml": f"{HEAD}[[packages]]\nname = 'demo'\nversion = '1.0'\n{file}\n"})
    assert status == 1
    assert told in said
