"""`cdk-lambda-package verify`: which files of an archive aren't those of the package, and how bytecode is compared."""

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from entries import write_files

from cdk_lambda_package import verification
from cdk_lambda_package.cli import main
from cdk_lambda_package.interpreters import Compiler

RUNTIME = "python{}.{}".format(*sys.version_info[:2])
CACHE = "__pycache__/app.cpython-{}{}.pyc".format(*sys.version_info[:2])

pytestmark = pytest.mark.needs("a Python that Lambda has")


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs a command about the entry directory `svc`; returns the exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    files = {"app.py": "import chalicelib.a\ndef handler(event, context): ...\n", "chalicelib/a.py": "A = 1\n"}
    write_files(tmp_path / "svc", {**files, "chalicelib/run.sh": "#!/bin/sh\n"})

    def run_command(command, *argv):
        status = main([command, "svc", "--runtime", RUNTIME, "--cache-dir", str(tmp_path / "cache"), *argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_command


@pytest.fixture
def build(run):
    def built(*options):
        assert run("build", "-o", "svc.zip", "--manifest", "svc.json", *options)[0] == 0

    return built


@pytest.fixture
def verify(run):
    """Runs `verify` with JSON; returns the exit status and the report."""

    def verified(*options):
        status, out, _ = run("verify", "--zip", "svc.zip", "--format", "json", *options)
        return status, json.loads(out)

    return verified


def rewrite(change):
    """Write the archive anew, with the files that `change` makes of its files: content by name."""
    with zipfile.ZipFile("svc.zip") as archive:
        files = {info.filename: (archive.read(info), info.external_attr) for info in archive.infolist()}
    change(files)
    with zipfile.ZipFile("svc.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, (content, attributes) in reversed(files.items()):
            info = zipfile.ZipInfo(name, (2024, 2, 2, 2, 2, 2))
            info.external_attr = attributes
            archive.writestr(info, content)


def with_content(name, edit):
    return lambda files: files.update({name: (edit(files[name][0]), files[name][1])})


def test_the_package_itself_is_the_same_in_any_order_and_compression(run, build, verify):
    build()
    rewrite(lambda files: None)
    assert run("verify", "--zip", "svc.zip")[:2] == (0, "svc.zip is the package of svc: 3 files\n")
    status, report = verify()
    assert (status, report["same"], report["differences"]) == (0, True, [])
    assert report["content_digest"] == json.loads(Path("svc.json").read_text())["content_digest"]


def test_each_file_that_is_not_the_same_is_listed(run, build):
    build()

    def change(files):
        files["app.py"] = (b"import os\n", files["app.py"][1])
        del files["chalicelib/a.py"]
        files["chalicelib/run.sh"] = (files["chalicelib/run.sh"][0], 0o644 << 16)
        files["extra\n.py"] = (b"", 0o644 << 16)

    rewrite(change)
    status, out, _ = run("verify", "--zip", "svc.zip")
    assert status == 1
    assert out.splitlines() == [
        "svc.zip isn't the package of svc, of 3 files: 4 differences",
        "  differs  app.py: it has 10 bytes, and 53 are expected",
        "  missing  chalicelib/a.py",
        "  differs  chalicelib/run.sh: its mode is 0644, and 0755 is expected",
        r"  extra    'extra\n.py'",
    ]


def test_a_file_of_the_same_size_is_read(build, verify):
    build()
    rewrite(with_content("chalicelib/a.py", lambda content: b"A = 2\n"))
    assert verify()[1]["differences"] == [
        {"path": "chalicelib/a.py", "kind": "differs", "reason": "its content is another one"}
    ]


def test_a_path_that_is_there_twice_differs(build, verify):
    build()
    with zipfile.ZipFile("svc.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("app.py", "import os")
    assert verify()[1]["differences"][0]["reason"] == "it is there 2 times"


def test_an_edit_and_other_options_are_seen(build, verify, tmp_path):
    build()
    assert verify("--exclude", "run.sh")[1]["differences"] == [
        {"path": "chalicelib/run.sh", "kind": "extra", "reason": ""}
    ]
    (tmp_path / "svc" / "app.py").write_text("def handler(event, context): ...\n")
    assert verify()[0] == 1


def edit_code(content):
    return content[:16] + b"\x00" + content[17:]


def edit_hash(content):
    return content[:8] + bytes(8) + content[16:]


def unchecked(content):
    return content[:4] + b"\x01" + content[5:]


def test_bytecode_is_compared_byte_by_byte_with_that_of_the_named_interpreter(build, verify):
    build("--bytecode", "require")
    assert verify("--bytecode", "require", "--manifest", "svc.json")[1]["differences"] == []
    rewrite(with_content(CACHE, edit_code))
    status, report = verify("--bytecode", "require", "--manifest", "svc.json")
    assert status == 1
    assert report["differences"] == [
        {"path": CACHE, "kind": "differs", "reason": "its interpreter compiles other bytecode"}
    ]


def test_without_a_manifest_bytecode_is_compared_by_its_source(run, build, verify):
    build("--bytecode", "require")
    rewrite(with_content(CACHE, edit_code))
    status, report = verify("--bytecode", "require")
    assert (status, report["compared_by_source"]["files"]) == (0, [CACHE])
    assert "the interpreter that compiled the archive is unknown" in report["compared_by_source"]["reason"]
    out = run("verify", "--zip", "svc.zip", "--bytecode", "require")[1]
    assert "1 .pyc file compared by magic number and source hash alone: the interpreter" in out


@pytest.mark.parametrize("edit", [edit_hash, unchecked, lambda content: b"\x00" + content[1:], lambda content: b""])
def test_bytecode_of_another_source_flag_or_python_differs(build, verify, edit):
    build("--bytecode", "require")
    rewrite(with_content(CACHE, edit))
    status, report = verify("--bytecode", "require")
    assert status == 1
    assert report["differences"][0]["reason"] == "it isn't bytecode of its source for this runtime"


def test_bytecode_is_not_compared_by_a_source_that_was_edited(build, verify):
    build("--bytecode", "require")
    rewrite(with_content(CACHE, edit_code))
    rewrite(with_content("app.py", lambda content: content + b"\n"))
    assert {one["path"] for one in verify("--bytecode", "require")[1]["differences"]} == {CACHE, "app.py"}


def name_another_release():
    """Have the manifest name a release that isn't here."""
    manifest = json.loads(Path("svc.json").read_text())
    manifest["bytecode"]["interpreter"] = {"version": "{}.{}.99".format(*sys.version_info[:2]), "build": "another"}
    Path("svc.json").write_text(json.dumps(manifest))


def test_where_the_named_interpreter_is_missing_bytecode_is_compared_by_its_source(build, verify):
    build("--bytecode", "require")
    rewrite(with_content(CACHE, edit_code))
    name_another_release()
    status, report = verify("--bytecode", "require", "--manifest", "svc.json")
    assert (status, report["compared_by_source"]["files"]) == (0, [CACHE])
    assert "this machine hasn't Python" in report["compared_by_source"]["reason"]
    assert ".99 (another), which the manifest names" in report["compared_by_source"]["reason"]


@pytest.mark.parametrize("is_same", [True, False])
def test_another_release_that_is_here_compiles_again(build, verify, monkeypatch, is_same):
    build("--bytecode", "require")
    name_another_release()
    rewrite(with_content(CACHE, edit_code))
    with zipfile.ZipFile("svc.zip") as archive:
        edited = verification.hashlib.sha256(archive.read(CACHE)).hexdigest()
    asked = []

    def compile_again(request, compiler, program, *rest):
        asked.append((compiler, program))
        return {CACHE: edited if is_same else "0"}, {}

    monkeypatch.setattr(verification, "find_named", lambda named, store: "/opt/other/python")
    monkeypatch.setattr(verification, "compile_again", compile_again)
    status, report = verify("--bytecode", "require", "--manifest", "svc.json")
    assert (status, report["compared_by_source"]["files"]) == (0 if is_same else 1, [])
    ((compiler, program),) = asked
    assert (compiler.build, program) == ("another", "/opt/other/python")


def test_a_real_interpreter_compiles_again(run, tmp_path, store, monkeypatch):
    from cdk_lambda_package.inspection import compile_again
    from cdk_lambda_package.interpreters import find_compiler, find_named
    from cdk_lambda_package.options import PackageRequest, Packaging
    from cdk_lambda_package.pipeline import package

    found, program = find_compiler(sys.version_info[:2], store)
    assert find_named(found, store) == program
    assert find_named(Compiler(version=found.version, build="another", magic=found.magic), store) is None
    # Also after another one on PATH.
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "first" / RUNTIME).write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "first" / RUNTIME).chmod(0o755)
    (tmp_path / "second" / RUNTIME).symlink_to(program)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "first" / RUNTIME))
    places = {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'first'}{os.pathsep}{tmp_path / 'second'}"}
    assert find_named(found, store, places) is not None
    request = PackageRequest(entry="svc", runtime=RUNTIME, packaging=Packaging(bytecode="require"))
    rows = {row["path"]: row["sha256"] for row in package(request, store=store).manifest["files"] if "identity" in row}
    assert compile_again(request, found, program, store) == (rows, {})


def test_a_machine_without_any_interpreter_compares_by_the_source(build, verify, monkeypatch):
    build("--bytecode", "require")
    for place in ("cdk_lambda_package.stages.s3_inputs", "cdk_lambda_package.verification"):
        monkeypatch.setattr(f"{place}.find_compiler", lambda version, store: None)
    monkeypatch.setattr(verification, "find_named", lambda named, store: None)
    status, report = verify("--bytecode", "require")
    assert (status, len(report["compared_by_source"]["files"])) == (0, 2)
    assert "has no interpreter of" in report["compared_by_source"]["reason"]
    assert report["compared_by_source"]["reason"].endswith("which modules should be compiled wasn't compared either")
    rewrite(with_content(CACHE, edit_hash))
    assert verify("--bytecode", "require", "--manifest", "svc.json")[1]["differences"] == [
        {"path": CACHE, "kind": "extra", "reason": ""}
    ]


def test_bytecode_that_should_not_be_there_is_extra_and_missing_bytecode_is_missing(build, verify):
    build("--bytecode", "require")
    assert {one["kind"] for one in verify()[1]["differences"]} == {"extra"}
    build()
    assert {one["kind"] for one in verify("--bytecode", "require")[1]["differences"]} == {"missing"}


def test_a_damaged_archive_is_an_error(run, build):
    build()
    content = bytearray(Path("svc.zip").read_bytes())
    content[content.index(b"app.py") + len("app.py") + 4] ^= 0xFF
    Path("svc.zip").write_bytes(content)
    status, _, err = run("verify", "--zip", "svc.zip")
    assert status == 1
    assert "'svc.zip' isn't a .zip file archive that can be read" in err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("svc.zip", "no archive", "'svc.zip' isn't a .zip file archive that can be read"),
        ("svc.zip", None, "The archive 'svc.zip' can't be read: No such file"),
        ("svc.json", "{}", "'svc.json' isn't a manifest: it has no content_digest"),
        ("svc.json", "[", "'svc.json' isn't a manifest"),
        ("svc.json", '{"content_digest": "", "bytecode": 1}', "'svc.json' isn't a manifest"),
        ("svc.json", None, "The manifest 'svc.json' can't be read: No such file"),
    ],
)
def test_what_cannot_be_read_is_an_error(run, build, tmp_path, name, content, told):
    build()
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    status, out, err = run("verify", "--zip", "svc.zip", "--manifest", "svc.json")
    assert (status, out) == (1, "")
    assert told in err


# Layers


@pytest.fixture
def build_divided(run, tmp_path):
    """Builds the function's archive and the layer's."""
    write_files(
        tmp_path / "svc", {"app.py": "import own\ndef handler(event, context): ...\n", "vendor/own.py": "A = 1\n"}
    )

    def built(*options):
        argv = ("-o", "svc.zip", "--manifest", "svc.json", "--dependencies=layer", *options)
        assert run("build", *argv)[0] == 0

    return built


def verify_divided(run, *options):
    status, out, _ = run("verify", "--dependencies=layer", "--format=json", *options)
    return status, json.loads(out)


BOTH = ("--zip", "svc.zip", "--layer-zip", "svc-layer.zip")
OWN = f"python/lib/{RUNTIME}/site-packages/own.py"


def test_the_archives_of_a_function_and_its_layer_are_compared(run, build_divided):
    build_divided()
    status, report = verify_divided(run, *BOTH)
    assert (status, report["same"], report["layer"]["same"], report["layer"]["files"]) == (0, True, True, 1)
    manifest = json.loads(Path("svc.json").read_text())
    assert report["layer"]["content_digest"] == manifest["layer"]["content_digest"] != report["content_digest"]
    assert run("verify", "--dependencies=layer", *BOTH)[1].splitlines() == [
        "svc.zip is the package of svc: 3 files",
        "svc-layer.zip is the layer of svc: 1 file",
    ]


def test_a_file_of_the_layer_that_differs_fails(run, build_divided, tmp_path):
    build_divided()
    (tmp_path / "svc" / "vendor" / "own.py").write_text("A = 2\n")
    status, out, _ = run("verify", "--dependencies=layer", *BOTH)
    assert status == 1
    assert out.splitlines()[1:] == [
        "svc-layer.zip isn't the layer of svc, of 1 file: 1 difference",
        f"  differs  {OWN}: its content is another one",
    ]


def test_the_archive_that_wasnt_named_is_told(run, build_divided):
    build_divided()
    status, out, _ = run("verify", "--dependencies=layer", "--zip", "svc.zip")
    lines = [
        "svc.zip is the package of svc: 3 files",
        "The layer of its dependencies, of 1 file, wasn't compared: name it with --layer-zip.",
    ]
    assert (status, out.splitlines()) == (0, lines)
    status, out, _ = run("verify", "--dependencies=layer", "--layer-zip", "svc-layer.zip")
    assert (status, out.splitlines()[-1]) == (
        0,
        "The function's package, of 3 files, wasn't compared: name it with --zip.",
    )
    assert verify_divided(run, "--layer-zip", "svc-layer.zip")[1].keys() == {"layer"}
    with pytest.raises(SystemExit):
        run("verify", "--dependencies=layer")


def test_a_layer_that_the_package_hasnt_is_an_error(run, build_divided, tmp_path):
    build_divided()
    assert "since dependencies isn't 'layer'" in run("verify", *BOTH)[2]
    (tmp_path / "svc" / "vendor" / "own.py").unlink()
    (tmp_path / "svc" / "app.py").write_text("def handler(event, context): ...\n")
    assert "since it has neither requirements nor vendor/" in run("verify", "--dependencies=layer", *BOTH)[2]


def test_bytecode_of_both_archives_is_compiled_again(run, build_divided, monkeypatch):
    build_divided("--bytecode", "require")
    options = ("--bytecode", "require", "--manifest", "svc.json", *BOTH)
    assert verify_divided(run, *options)[0] == 0
    # By another release, which makes the same.
    actual = json.loads(Path("svc.json").read_text())["bytecode"]["interpreter"]
    name_another_release()
    compiled = verification.compile_again
    monkeypatch.setattr(verification, "find_named", lambda named, store: sys.executable)
    monkeypatch.setattr(
        verification,
        "compile_again",
        lambda request, named, *rest: compiled(request, Compiler(**actual, magic=named.magic), *rest),
    )
    status, report = verify_divided(run, *options)
    assert (status, report["compared_by_source"]["files"], report["layer"]["compared_by_source"]["files"]) == (
        0,
        [],
        [],
    )


def test_what_other_functions_need_of_a_layer_is_told_to_be_unknown(run, build_divided, tmp_path):
    build_divided("--bytecode", "require")
    (tmp_path / "svc" / "app.py").write_text("def handler(event, context): ...\n")
    out = run("verify", "--dependencies=layer", "--bytecode", "require", *BOTH)[1]
    assert "A layer that several functions share has what any of them needs" in out
    out = run("verify", "--dependencies=layer", "--bytecode", "require", "--bytecode-scope=all", "--zip", "svc.zip")[1]
    assert "A layer that several" not in out


def test_an_archive_of_a_layer_is_compared(run, tmp_path):
    write_files(tmp_path / "libs", {"vendor/own.py": "A = 1\n"})
    argv = ["libs", "--runtime", RUNTIME, "--cache-dir", str(tmp_path / "cache"), "--layer"]
    assert main(["build", *argv, "-o", "libs.zip"]) == 0
    assert main(["verify", *argv, "--zip", "libs.zip"]) == 0
    (tmp_path / "libs" / "vendor" / "own.py").write_text("A = 2\n")
    assert main(["verify", *argv, "--zip", "libs.zip"]) == 1
