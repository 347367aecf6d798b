"""Commands of the user's, before and after packaging."""

import os
import sys
import zipfile
from pathlib import Path

import pytest
from entries import package_request, write_files
from readers import assert_reads_alike

from cdk_lambda_package.errors import CommandError, FindingsError, OptionError
from cdk_lambda_package.pipeline import package


def build(entry, tmp_path, store, **options):
    made = package(
        package_request(entry=entry, runtime="python3.13", **options), lambda _: tmp_path / "out.zip", store=store
    )
    assert_reads_alike(made.path)
    with zipfile.ZipFile(made.path) as archive:
        return made, {name: archive.read(name) for name in archive.namelist()}


def python(code):
    return [sys.executable, "-c", code]


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": "x = 1\n", "chalicelib/a.py": "", "data.json": "{}"})


def snapshot(folder: Path):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_command_before_packaging_works_in_a_copy_that_has_the_whole_entry_directory(entry, tmp_path, store):
    before = snapshot(entry)
    code = "import pathlib; pathlib.Path('chalicelib/made.txt').write_text(pathlib.Path('data.json').read_text())"
    _, files = build(entry, tmp_path, store, before_packaging=[python(code)])
    assert files["chalicelib/made.txt"] == b"{}"
    assert snapshot(entry) == before


def test_a_command_before_packaging_may_write_the_requirements(entry, tmp_path, store):
    code = "import pathlib; pathlib.Path('requirements.txt').write_text('sortedcontainers==2.4.0')"
    _, files = build(entry, tmp_path, store, before_packaging=[python(code)])
    assert "sortedcontainers/__init__.py" in files


def test_a_command_after_packaging_may_add_change_and_remove_files(entry, tmp_path, store):
    (entry / "requirements.txt").write_text("sortedcontainers==2.4.0")
    code = (
        "import os, pathlib; os.remove('sortedcontainers/sortedset.py'); pathlib.Path('new.txt').write_text('n');"
        "pathlib.Path('app.py').write_text('y = 2')"
    )
    made, files = build(entry, tmp_path, store, after_packaging=[python(code)])
    assert files["app.py"] == b"y = 2"
    assert files["new.txt"] == b"n"
    assert "sortedcontainers/sortedset.py" not in files
    record = next(content for name, content in files.items() if name.endswith(".dist-info/RECORD"))
    assert b"sortedset" not in record
    owners = {file["path"]: file["owner"] for file in made.manifest["files"]}
    assert (owners["new.txt"], owners["chalicelib/a.py"]) == ("after_packaging", "app")


def test_commands_run_once_for_the_same_inputs(entry, tmp_path, store):
    log = tmp_path / "log"
    note = python(f"open({str(log)!r}, 'a').write('ran;')")
    first, _ = build(entry, tmp_path, store, before_packaging=[note], after_packaging=[note])
    first.path.unlink()
    second, _ = build(entry, tmp_path, store, before_packaging=[note], after_packaging=[note])
    assert log.read_text() == "ran;ran;"
    assert second.content_digest == first.content_digest


def test_a_changed_file_runs_them_again_and_a_touched_one_does_not(entry, tmp_path, store):
    log = tmp_path / "log"
    note = python(f"open({str(log)!r}, 'a').write('ran;')")
    build(entry, tmp_path, store, before_packaging=[note])
    (entry / "data.json").touch()
    build(entry, tmp_path, store, before_packaging=[note])
    assert log.read_text() == "ran;"
    (entry / "data.json").write_text("[]")
    build(entry, tmp_path, store, before_packaging=[note])
    assert log.read_text() == "ran;ran;"


def test_another_command_makes_another_package_key(entry, tmp_path, store):
    first, _ = build(entry, tmp_path, store, after_packaging=[python("pass")])
    second, _ = build(entry, tmp_path, store, after_packaging=[python("pass # again")])
    assert first.package_key != second.package_key
    assert first.content_digest == second.content_digest


def test_an_altered_copy_in_the_store_is_made_again(entry, tmp_path, store):
    command = python("open('chalicelib/made.txt', 'w').write('right')")
    build(entry, tmp_path, store, before_packaging=[command])
    for made in store.root.rglob("made.txt"):
        made.write_text("wrong")
    _, files = build(entry, tmp_path, store, before_packaging=[command])
    assert files["chalicelib/made.txt"] == b"right"


@pytest.mark.parametrize("option", ["before_packaging", "after_packaging"])
def test_a_command_that_fails_is_an_error_with_its_output_and_nothing_is_written(entry, tmp_path, store, option):
    failing = python("import sys; print('the reason'); sys.exit(3)")
    with pytest.raises(CommandError, match=rf"{option}: .* ended with status 3. Its output:\nthe reason"):
        build(entry, tmp_path, store, **{option: [failing]})
    assert not (tmp_path / "out.zip").exists()


def test_a_command_that_prints_its_environment_tells_no_token(entry, tmp_path, store, monkeypatch):
    monkeypatch.setenv("OWN_TOKEN", "canary-one")
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:canary-two@host.invalid/simple")
    failing = python("import os, sys; print(dict(os.environ)); sys.exit(3)")
    with pytest.raises(CommandError, match="https://host.invalid/simple") as caught:
        build(entry, tmp_path, store, before_packaging=[failing])
    assert "canary" not in str(caught.value)


def test_a_program_that_isnt_there_is_an_error_that_says_how_commands_are_run(entry, tmp_path, store):
    with pytest.raises(CommandError, match="'no-such-program' can't be started.*without a shell"):
        build(entry, tmp_path, store, before_packaging=[["no-such-program"]])


@pytest.mark.parametrize("commands", ["make assets", ["make assets"], [[]]])
def test_a_command_that_isnt_a_list_of_words_is_an_error_that_shows_the_form(entry, commands):
    with pytest.raises(OptionError, match=r"a list of commands .*, each a list of words, such as \[\["):
        package_request(entry=entry, runtime="python3.13", before_packaging=commands)


def test_an_entry_given_by_dots_is_copied_into_the_store_and_nowhere_else(entry, tmp_path, store):
    before = snapshot(entry)
    _, files = build(
        entry / "chalicelib" / "..", tmp_path, store, before_packaging=[python("open('chalicelib/n', 'w')")]
    )
    assert "chalicelib/n" in files
    assert snapshot(entry) == before
    # The open store has its lock and its notes there.
    assert {path.name for path in (store.root / "v1").glob("tmp/*/*")} <= {"lock", "used"}


@pytest.mark.needs("file modes")
def test_the_copy_has_the_modes_of_the_entry(entry, tmp_path, store):
    (entry / "build.sh").write_text("#!/bin/sh\nstat -c %a secret > chalicelib/mode\n")
    (entry / "build.sh").chmod(0o755)
    (entry / "secret").write_text("s")
    (entry / "secret").chmod(0o600)
    _, files = build(entry, tmp_path, store, before_packaging=[["./build.sh"]])
    assert files["chalicelib/mode"] == b"600\n"


def test_the_copy_has_the_folders_that_are_empty_and_a_new_one_runs_the_commands_again(entry, tmp_path, store):
    command = python("import os; open('chalicelib/found.txt', 'w').write(' '.join(sorted(next(os.walk('.'))[1])))")
    assert build(entry, tmp_path, store, before_packaging=[command])[1]["chalicelib/found.txt"] == b"chalicelib"
    (entry / "generated" / "deep").mkdir(parents=True)
    files = build(entry, tmp_path, store, before_packaging=[command])[1]
    assert files["chalicelib/found.txt"] == b"chalicelib generated"


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "gone", "..", "link"])
def test_a_link_that_a_command_left_is_named_as_in_the_package(entry, tmp_path, store, target):
    with pytest.raises(CommandError) as raised:
        build(entry, tmp_path, store, after_packaging=[["ln", "-s", target, "chalicelib/link"]])
    assert str(raised.value) == (
        f"after_packaging: the commands left 'chalicelib/link', a symbolic link to {target!r}, which leads to no file of the "
        "package, or to a folder that it lies in. Leave a copy in the place of a link."
    )


def test_a_link_that_leads_to_a_file_of_the_package_becomes_that(entry, tmp_path, store):
    commands = [["ln", "-s", "a.py", "chalicelib/b.py"], ["ln", "-s", "chalicelib", "other"]]
    _, files = build(entry, tmp_path, store, after_packaging=commands)
    assert {"chalicelib/b.py", "other/a.py", "other/b.py"} <= files.keys()


@pytest.mark.needs("file modes", "named pipes")
def test_empty_folders_pipes_modes_and_times_that_a_command_left_are_not_packaged(entry, tmp_path, store):
    plain, before = build(entry, tmp_path, store)
    code = (
        "import os; os.mkdir('empty'); os.mkfifo('pipe'); os.chmod('app.py', 0o755); os.utime('app.py', (0, 0));"
        "open('tool', 'w').write('x'); os.chmod('tool', 0o755); open('script', 'w').write('#!/bin/sh')"
    )
    made, files = build(entry, tmp_path, store, after_packaging=[python(code)])
    assert files.keys() - before.keys() == {"tool", "script"}
    modes = {file["path"]: file["mode"] for file in made.manifest["files"]}
    assert (modes["app.py"], modes["tool"], modes["script"]) == ("0644", "0644", "0755")
    assert plain.content_digest != made.content_digest


@pytest.mark.needs("named pipes")
def test_a_named_pipe_is_not_opened(entry, tmp_path, store):
    os.mkfifo(entry / "pipe")
    _, files = build(entry, tmp_path, store, before_packaging=[python("pass")])
    assert "app.py" in files


def test_a_name_that_a_command_left_and_that_cant_be_packaged_is_refused(entry, tmp_path, store):
    with pytest.raises(CommandError, match="it has a backslash"):
        build(entry, tmp_path, store, after_packaging=[python(r"open('a\\b', 'w')")])
    assert not (tmp_path / "out.zip").exists()


def test_a_command_that_removes_the_handlers_module_is_an_error(entry, tmp_path, store):
    with pytest.raises(CommandError, match="after_packaging removed 'app.py', the handler's module"):
        build(entry, tmp_path, store, after_packaging=[python("import os; os.remove('app.py')")])


def compile_for(tag, flags):
    """A command that leaves a bytecode cache of a Python, with PEP 552's flags."""
    return python(
        "import pathlib; folder = pathlib.Path('__pycache__'); folder.mkdir();"
        "from cdk_lambda_package.target import source_hash; known = source_hash(pathlib.Path('app.py').read_bytes(), (3, 13));"
        f"(folder / 'app.{tag}.pyc').write_bytes(b'\\xf3\\r\\r\\n' + bytes([{flags}, 0, 0, 0]) + known + b'code')"
    )


@pytest.mark.parametrize("flags", [1, 3], ids=["unchecked", "checked by hash"])
def test_bytecode_that_the_runtime_takes_is_packaged(entry, tmp_path, store, flags):
    made, files = build(entry, tmp_path, store, after_packaging=[compile_for("cpython-313", flags)])
    assert "__pycache__/app.cpython-313.pyc" in files
    assert {"after-packaging-left-out", "bytecode-left-out"}.isdisjoint(finding.id for finding in made.findings)


@pytest.mark.parametrize(("tag", "flags"), [("cpython-313", 0), ("cpython-311", 1)], ids=["by time", "other Python"])
def test_bytecode_that_the_runtime_would_not_take_is_noted_with_the_command_for_it(entry, tmp_path, store, tag, flags):
    for _ in range(2):
        # The second time, the store knows what the command did.
        made, files = build(entry, tmp_path, store, after_packaging=[compile_for(tag, flags)])
        (finding,) = (one for one in made.findings if one.id == "bytecode-left-out")
        assert finding.path == f"__pycache__/app.{tag}.pyc"
        assert finding.path not in files
        assert "1 bytecode cache of after_packaging is not packaged" in finding.message
        assert "`python3.13 -m compileall --invalidation-mode unchecked-hash`" in finding.message
        made.path.unlink()


@pytest.mark.parametrize(("magic", "fits"), [(3571, True), (3495, False), (3627, False)], ids=["own", "older", "newer"])
def test_a_module_that_is_bytecode_alone_must_be_of_the_runtimes_python(entry, tmp_path, store, magic, fits):
    """As `compileall -b` and removing the sources leave it. A module of another Python's can't be imported."""
    write = f"import pathlib; pathlib.Path('alone.pyc').write_bytes(({magic}).to_bytes(2, 'little') + b'\\r\\n' + bytes(12))"
    if fits:
        assert "alone.pyc" in build(entry, tmp_path, store, after_packaging=[python(write)])[1]
    else:
        with pytest.raises(
            FindingsError, match=f"alone.pyc is bytecode of another Python: its magic number is {magic}"
        ):
            build(entry, tmp_path, store, after_packaging=[python(write)])


def test_compileall_beside_the_sources_is_packaged_and_in_caches_by_time_it_is_noted(entry, tmp_path, store):
    compileall = [sys.executable, "-m", "compileall", "-q"]
    _, files = build(entry, tmp_path, store, after_packaging=[[*compileall, "-b", "."]])
    assert "app.pyc" in files
    made, _ = build(entry, tmp_path, store, after_packaging=[[*compileall, "."]])
    assert "2 bytecode caches of after_packaging are not packaged" in next(
        finding.message for finding in made.findings if finding.id == "bytecode-left-out"
    )


def test_a_folder_that_is_never_packaged_is_named(entry, tmp_path, store):
    code = "import pathlib; pathlib.Path('.git').mkdir(); pathlib.Path('.git/HEAD').write_text('x')"
    made, files = build(entry, tmp_path, store, after_packaging=[python(code)])
    assert ".git/HEAD" not in files
    assert "such as .git/HEAD: folders of version control" in "".join(finding.message for finding in made.findings)
