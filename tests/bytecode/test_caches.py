"""Bytecode caches that users have, in vendor/ or from a command: which of them are packaged."""

import importlib.util
import sys
import zipfile

import pytest
from entries import package_request, write_files
from wheel_factory import build_wheel

from cdk_lambda_package.pipeline import package
from cdk_lambda_package.target import BytecodeHead, magic_number, source_hash

SOURCE = "VALUE = 'own'\n"
CACHE = "own/__pycache__/core.cpython-313.pyc"
APP = "import own.core\ndef handler(event, context): ...\n"


def pyc(flags=1, magic=3571, source=SOURCE, code=b"code"):
    """The content of a .pyc file; with flags 0 it has a time in the place of a hash."""
    found = source_hash(source.encode(), (3, 13))
    return magic.to_bytes(2, "little") + b"\r\n" + bytes([flags, 0, 0, 0]) + found + code


@pytest.fixture
def entry(tmp_path):
    files = {"app.py": APP, "vendor/own/__init__.py": "", "vendor/own/core.py": SOURCE}
    return write_files(tmp_path / "entry", files)


def make(entry, store, tmp_path, **packaging):
    request = package_request(entry=entry, runtime="python3.13", **packaging)
    made = package(request, lambda digest: tmp_path / "package.zip", store=store)
    with zipfile.ZipFile(made.path) as archive:
        return made, {name: archive.read(name) for name in archive.namelist()}


def notes(made):
    return [finding for finding in made.findings if finding.id == "bytecode-left-out"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (CACHE, pyc(1)),
        (CACHE, pyc(3)),
        ("own/__pycache__/core.cpython-313.opt-1.pyc", pyc(1)),
        (CACHE, pyc(3, source="edited since")),  # which Python finds out
        ("own/alone.pyc", pyc(0)),
    ],
    ids=["unchecked", "checked", "optimized", "checked and old", "without a source"],
)
def test_bytecode_of_vendor_that_lambda_takes_is_packaged(entry, store, tmp_path, path, content):
    write_files(entry / "vendor", {path: content})
    made, files = make(entry, store, tmp_path)
    assert files[path] == content
    assert not notes(made)


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        (CACHE, pyc(0), "valid for one modification time of its source only"),
        (CACHE, pyc(magic=3570), "it is of another Python"),  # a preview of the same version
        ("own/__pycache__/core.cpython-312.pyc", pyc(magic=3531), "it is of another Python"),
        ("own/__pycache__/core.pypy311-73.pyc", pyc(), "it is of another Python"),
        (CACHE, pyc(1, source="edited since"), "its source is another one by now"),
        ("own/__pycache__/gone.cpython-313.pyc", pyc(), "its source isn't there"),
        (CACHE, pyc()[:15], "it is of another Python"),
        (CACHE, pyc(4), "it is of another Python"),
    ],
    ids=["by time", "preview", "older", "other implementation", "stale", "no source", "cut off", "unknown flag"],
)
def test_other_bytecode_of_vendor_is_left_out_with_a_note(entry, store, tmp_path, path, content, reason):
    write_files(entry / "vendor", {path: content})
    made, files = make(entry, store, tmp_path)
    assert path not in files
    (note,) = notes(made)
    assert note.path == f"vendor/{path}"
    assert (
        f"1 bytecode cache of vendor/ is not packaged, such as vendor/{path}: python3.13 wouldn't use it"
        in note.message
    )
    assert reason in note.message


def test_several_with_one_reason_are_one_note(entry, store, tmp_path):
    write_files(entry / "vendor", {CACHE: pyc(0), "own/__pycache__/__init__.cpython-313.pyc": pyc(0)})
    (note,) = notes(make(entry, store, tmp_path)[0])
    assert "2 bytecode caches of vendor/ are not packaged" in note.message


def test_what_python_writes_into_vendor_changes_nothing(entry, store, tmp_path):
    before = make(entry, store, tmp_path)[0]
    write_files(
        entry / "vendor", {CACHE: pyc(0), "own/__pycache__/notes.txt": "", "__pycache__/x.cpython-311.pyc": b""}
    )
    after = make(entry, store, tmp_path)[0]
    assert (after.package_key, after.content_digest) == (before.package_key, before.content_digest)


def test_only_vendor_is_searched(entry, store, tmp_path):
    caches = {"chalicelib/__pycache__/a.cpython-313.pyc": pyc(), "__pycache__/app.cpython-313.pyc": pyc(source=APP)}
    write_files(entry, {"chalicelib/a.py": SOURCE, **caches})
    made, files = make(entry, store, tmp_path, include=["**"])
    assert not any(name.endswith(".pyc") for name in files)
    assert not notes(made)


def test_excluded_caches_are_neither_packaged_nor_noted(entry, store, tmp_path):
    write_files(entry / "vendor", {CACHE: pyc(), "own/__pycache__/__init__.cpython-313.pyc": pyc(0)})
    made, files = make(entry, store, tmp_path, exclude=["__pycache__"])
    assert not any(name.endswith(".pyc") for name in files)
    assert not notes(made)


def test_the_digest_is_that_of_the_content(entry, store, tmp_path):
    write_files(entry / "vendor", {CACHE: pyc()})
    first = make(entry, store, tmp_path)[0].content_digest
    write_files(entry / "vendor", {CACHE: pyc(code=b"other")})
    assert make(entry, store, tmp_path)[0].content_digest != first
    write_files(entry / "vendor", {CACHE: pyc()})
    assert make(entry, type(store)(tmp_path / "new"), tmp_path)[0].content_digest == first


def test_caches_of_vendor_replace_no_distribution(entry, store, tmp_path):
    write_files(entry / "vendor", {"single.py": SOURCE, "__pycache__/single.cpython-313.pyc": pyc()})
    write_files(
        entry, {"requirements.txt": "demo", "app.py": "import demo, single\ndef handler(event, context): ...\n"}
    )
    build_wheel(entry / "vendor", "demo", files={"demo/__init__.py": ""})
    files = make(entry, store, tmp_path)[1]
    assert {"single.py", "__pycache__/single.cpython-313.pyc", "demo/__init__.py"} <= files.keys()


def test_commands_before_packaging_get_the_caches_that_are_packaged(entry, store, tmp_path):
    write_files(entry / "vendor", {CACHE: pyc(), "own/__pycache__/__init__.cpython-313.pyc": pyc(0)})
    touch = [sys.executable, "-c", "open('chalicelib.txt', 'w').close()"]
    first, files = make(entry, store, tmp_path, before_packaging=[touch])
    assert files[CACHE] == pyc()
    # What Python writes itself makes no command run again.
    write_files(entry / "vendor", {"own/__pycache__/__init__.cpython-313.pyc": pyc(0, code=b"other")})
    assert make(entry, store, tmp_path, before_packaging=[touch])[0].package_key == first.package_key


@pytest.mark.needs("a Python that Lambda has")
def test_compiled_modules_replace_those_of_vendor(store, tmp_path):
    runtime, version = "python{}.{}".format(*sys.version_info[:2]), sys.version_info[:2]
    suffix = "cpython-{}{}.pyc".format(*version)
    head = importlib.util.MAGIC_NUMBER + bytes([1, 0, 0, 0]) + importlib.util.source_hash(SOURCE.encode())
    write_files(
        tmp_path / "entry",
        {
            "app.py": APP,
            "vendor/own/__init__.py": "",
            "vendor/own/core.py": SOURCE,
            "vendor/own/other.py": SOURCE,
            f"vendor/own/__pycache__/core.{suffix}": head + b"theirs",
            f"vendor/own/__pycache__/other.{suffix}": head + b"theirs",
        },
    )

    def built(**packaging):
        request = package_request(entry=tmp_path / "entry", runtime=runtime, **packaging)
        made = package(request, lambda digest: tmp_path / "package.zip", store=store)
        with zipfile.ZipFile(made.path) as archive:
            names = archive.namelist()
            assert len(names) == len(set(names)) == made.files
            assert sum(info.file_size for info in archive.infolist()) == made.size
            return {name: archive.read(name) for name in names}

    assert built()[f"own/__pycache__/core.{suffix}"] == head + b"theirs"
    files = built(bytecode="require")
    assert files[f"own/__pycache__/core.{suffix}"].startswith(head)
    assert not files[f"own/__pycache__/core.{suffix}"].endswith(b"theirs")
    # It isn't reached, so it isn't compiled.
    assert files[f"own/__pycache__/other.{suffix}"] == head + b"theirs"


def test_a_command_that_edits_a_source_makes_its_unchecked_cache_old(entry, store, tmp_path):
    write_files(entry / "vendor", {CACHE: pyc()})
    edit = [sys.executable, "-c", "open('own/core.py', 'a').write('X = 1')"]
    made, files = make(entry, store, tmp_path, after_packaging=[edit])
    assert CACHE not in files
    assert "of after_packaging is not packaged" in notes(made)[0].message


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 11), (3, 12), (3, 13)])
def test_magic_numbers_and_hashes_are_those_of_each_python(version, run_in_python):
    code = "import importlib.util as u; print(u.MAGIC_NUMBER.hex(), *(u.source_hash(bytes(range(n))).hex() for n in range(40)))"
    magic, *hashes = run_in_python(version, code).split()
    assert bytes.fromhex(magic)[:2] == magic_number(version).to_bytes(2, "little")
    assert hashes == [source_hash(bytes(range(size)), version).hex() for size in range(40)]


@pytest.fixture
def run_in_python(store):
    import subprocess

    from cdk_lambda_package.interpreters import find_compiler

    def run(version, code):
        found = find_compiler(version, store)
        if found is None:
            pytest.skip("this host hasn't that Python")
        return subprocess.run([found[1], "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout

    return run


def test_a_head_is_read_as_pep_552_has_it():
    assert BytecodeHead.parse(pyc(3)) == (3571, True, True, source_hash(SOURCE.encode(), (3, 13)))
    assert BytecodeHead.parse(pyc(0)).by_hash is False
    assert BytecodeHead.parse(b"\x00" * 16) is None
    assert source_hash(b"", (3, 30)) is None
