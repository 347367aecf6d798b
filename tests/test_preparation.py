"""What commands leave before packaging is read as if it lay where the entry directory is."""

import shlex
import sys
from pathlib import Path

import pytest
from entries import HANDLER, package_request, snapshot, write_files
from pip_projects import isolate_pip
from source_projects import write_project
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import CommandError, ContentError, EntryError, PackageError, RequirementsError
from cdk_lambda_package.pipeline import package


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """A function of a repository that has wheels, requirements and a project for all its functions."""
    isolate_pip(monkeypatch)
    repository = write_files(tmp_path / "my repository", {".git/HEAD": "", "services/orders/app.py": HANDLER})
    for name in ("one", "two", "later"):
        build_wheel(repository / "wheels", name)
    build_wheel(repository / "wheels", "one", "2.0")
    return repository / "services" / "orders"


def python(code):
    return [sys.executable, "-c", code]


def build(entry, store, *commands, **options):
    request = package_request(
        entry=entry, runtime="python3.13", before_packaging=commands or [python("pass")], **options
    )
    return package(request, store=store)


def distributions(made):
    return {one["name"]: one["version"] for one in made.manifest["distributions"]}


def test_requirements_that_lead_out_of_the_entry_directory_are_found(entry, store):
    write_files(
        entry,
        {
            "requirements.txt": "-r ../base/common.txt\n-c ../../limits.txt\none\n",
            "../base/common.txt": "--no-index\n--find-links ../../wheels\n-r more/two.txt\n",
            "../base/more/two.txt": "two\n",
            "../../limits.txt": "one<2\n",
        },
    )
    before = snapshot(entry.parents[1])
    made = build(entry, store)
    assert distributions(made) == {"one": "1.0", "two": "1.0"}
    plain = package(package_request(entry=entry, runtime="python3.13"), store=store)
    assert made.content_digest == plain.content_digest
    assert snapshot(entry.parents[1]) == before


@pytest.mark.thorough
def test_projects_beside_the_entry_directory_are_found_and_looked_at_again(entry, store):
    write_project(entry.parent / "shared", "shared")
    write_project(entry.parent / "live", "live")
    write_files(entry, {"requirements.txt": "../shared\n-e ../live\n"})
    first = build(entry, store)
    assert distributions(first) == {"shared": "1.0", "live": "1.0"}
    write_files(entry.parent / "shared", {"shared.py": "changed = True\n"})
    assert build(entry, store).content_digest != first.content_digest


def test_options_lead_out_of_the_entry_directory_too(entry, store):
    write_files(entry, {"../lambda.txt": "--no-index\n--find-links ../wheels\ntwo\n", "../limits.txt": ""})
    made = build(entry, store, requirements="../lambda.txt", build_constraint=Path("../limits.txt"))
    assert distributions(made) == {"two": "1.0"}


def test_what_comes_and_goes_beside_the_entry_directory_is_noticed(entry, store):
    write_files(entry, {"requirements.txt": "--no-index\n--find-links ../../wheels\n-r ../later.txt\n"})
    with pytest.raises(RequirementsError, match="services/later.txt"):
        build(entry, store)
    write_files(entry, {"../later.txt": "later\n"})
    assert distributions(build(entry, store)) == {"later": "1.0"}
    (entry.parent / "later.txt").unlink()
    with pytest.raises(RequirementsError, match="services/later.txt"):
        build(entry, store)


def write_lock(entry, path):
    requirements = write_files(entry, {"requirements.txt": "--no-index\n--find-links ../../wheels\ntwo\n"})
    assert main(["lock", str(entry), "--runtime=python3.13", f"--output={path}"]) == 0
    (requirements / "requirements.txt").unlink()
    return path


def test_the_lock_above_the_entry_directory_applies(entry, store, capsys):
    write_lock(entry, entry.parents[1] / "pylock.toml")
    assert distributions(build(entry, store)) == {"two": "1.0"}


@pytest.mark.parametrize("root", [0, 1], ids=["the entry directory", "above it"])
def test_a_lock_above_the_repository_does_not(entry, store, capsys, root):
    write_lock(entry, entry.parents[2] / "pylock.toml")
    (entry.parents[1] / ".git").rename([entry, *entry.parents][root] / ".git")
    assert distributions(build(entry, store)) == {}


def test_a_link_to_the_entry_directory_leads_out_from_where_it_really_is(entry, store, tmp_path):
    write_files(entry, {"requirements.txt": "-r ../common.txt\n", "../common.txt": f"two @ {wheel_url(entry)}\n"})
    (tmp_path / "link").symlink_to(entry)
    assert distributions(build(tmp_path / "link", store)) == {"two": "1.0"}


def wheel_url(entry):
    return next((entry.parents[1] / "wheels").glob("two-*")).as_uri()


@pytest.mark.parametrize(
    ("files", "code", "kind", "named"),
    [
        ({"requirements.txt": "-r ../gone.txt"}, "pass", RequirementsError, "services/gone.txt"),
        ({"requirements.txt": "../gone"}, "pass", RequirementsError, "../gone"),
        ({"requirements.txt": "-r ../bad.txt", "../bad.txt": "one=1"}, "pass", RequirementsError, "services/bad.txt"),
        ({"pylock.toml": "no lock"}, "pass", RequirementsError, "services/orders/pylock.toml"),
        ({}, "open('chalicelib', 'w'); import os; os.remove('app.py')", EntryError, "services/orders/app.py"),
        ({}, r"import os; os.mkdir('vendor'); open('vendor/a\\b', 'w')", ContentError, "orders/vendor/a"),
        ({}, "import os; os.symlink('gone', 'data')", ContentError, "services/orders/data"),
        ({}, "import os; raise SystemExit(os.getcwd())", CommandError, "services/orders\n"),
        ({}, "import os; raise SystemExit(os.path.abspath('x'))", CommandError, "services/orders/x"),
    ],
)
def test_errors_name_the_paths_of_the_entry_directory_and_never_the_copys(entry, store, files, code, kind, named):
    write_files(entry, files)
    with pytest.raises(kind) as caught:
        build(entry, store, python(code))
    assert named in f"{caught.value}\n"
    assert str(store.root) not in str(caught.value)
    assert str(store.root) not in "".join(getattr(caught.value, "faults", ()))


def test_a_project_that_cant_be_built_is_named_by_its_own_path(entry, store):
    write_project(entry.parent / "shared", "shared", fail="no wheel today")
    write_files(entry, {"requirements.txt": "../shared\n"})
    with pytest.raises(PackageError, match="no wheel today") as caught:
        build(entry, store)
    assert str(entry.parent / "shared") in str(caught.value)
    assert str(store.root) not in str(caught.value)


def test_a_missing_entry_directory_is_a_wrong_option_here_too(entry, store):
    with pytest.raises(EntryError, match="nowhere' doesn't exist") as caught:
        build(entry / "nowhere", store)
    assert not isinstance(caught.value, ContentError)


def test_a_lock_is_made_of_what_the_commands_leave(entry, capsys, store):
    code = "open('requirements.txt', 'w').write('--no-index\\n--find-links ../../wheels\\n./own.whl\\ntwo\\n');"
    build_wheel(entry, "own").rename(entry / "own.whl")
    code += "import os; os.rename('own.whl', 'own-1.0-py3-none-any.whl')"
    code = code.replace("own.whl\\n", "own-1.0-py3-none-any.whl\\n")
    command = "--before-packaging=" + shlex.join(python(code))
    assert main(["lock", str(entry), "--runtime=python3.13", command, f"--cache-dir={store.root}"]) == 0
    text = (entry / "pylock.toml").read_text()
    assert 'path = "own-1.0-py3-none-any.whl"' in text
    assert 'path = "../../wheels/two-1.0-py3-none-any.whl"' in text
    assert 'requirements-file = "requirements.txt"' in text
    assert str(store.root) not in text
    assert distributions(build(entry, store, python(code))) == {"own": "1.0", "two": "1.0"}


def test_the_store_neither_counts_nor_clears_what_is_around_the_entry_directory(entry, store):
    build(entry, store)
    before = snapshot(entry.parents[1])
    files, size = store.sizes()["prepared"]
    assert (files, size) == (1, (entry / "app.py").stat().st_size)
    store.clear()
    assert store.sizes() == {}
    assert snapshot(entry.parents[1]) == before


@pytest.mark.needs("file modes")
def test_what_commands_see_is_private_and_what_they_leave_for_a_while_goes_with_them(entry, store, tmp_path):
    write_files(entry, {"requirements.txt": ""})
    seen = tmp_path / "seen.txt"
    code = f"import os, tempfile; open({str(seen)!r}, 'w').write(tempfile.mkdtemp())"
    build(entry, store, python(code))
    temporary = Path(seen.read_text())
    assert temporary.is_relative_to(store.root)
    assert not temporary.exists()
    (copy,) = (store.root / "v1" / "prepared").iterdir()
    assert copy.stat().st_mode & 0o777 == 0o700
