"""A large vendor/: after an edit, only what changed is compressed again, and the package is that of a first build."""

import random
import shutil
from pathlib import Path

import pytest
from entries import HANDLER, package_request, snapshot, write_files
from entry_changes import CHANGES, FILES
from offline import RUNTIME

from cdk_lambda_package import PackageError, Store, package
from cdk_lambda_package.packages import Job, make_packages

PACKAGES, FOLDERS, MODULES = 8, 4, 25


def write_vendor(root: Path) -> Path:
    """Write an entry directory with 800 files in vendor/, more than a batch has."""
    choice = random.Random(1)
    files = {
        f"vendor/p{number}/f{folder}/m{module:02}.py": f"x = {choice.random()!r}\n"
        for number in range(PACKAGES)
        for folder in range(FOLDERS)
        for module in range(MODULES)
    }
    return write_files(root, {**files, "app.py": f"import p1.f1.m01\n{HANDLER}"})


def make(entry, store, folder: Path, **options):
    """Return a package, and the bytes of its archives, of the layer too if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    request = package_request(**{"entry": entry, "runtime": RUNTIME, **options})
    made = package(request, lambda digest: folder / f"{digest}.zip", store=store)
    archives = [path.read_bytes() for path in (made.path, made.layer and made.layer.path) if path]
    return made, archives


def outcome(entry, store, folder, **options):
    """Return all that is the same for two builds of the same files: archives, findings and manifest; or the error."""
    try:
        made, archives = make(entry, store, folder, **options)
    except PackageError as error:
        return str(error)
    return archives, made.content_digest, made.package_key, made.findings, made.manifest


@pytest.mark.parametrize("options", [{}, {"dependencies": "layer"}], ids=["function", "layer"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_after_each_change_the_package_is_that_of_a_first_build(tmp_path, store, change, options):
    entry = write_files(tmp_path / "svc", FILES)
    first = outcome(entry, store, tmp_path / "out", **options)
    change(entry)
    changed = outcome(entry, store, tmp_path / "out", **options)
    assert changed == outcome(entry, Store(tmp_path / "other"), tmp_path / "fresh", **options)
    assert (changed == first) == (change.__name__ in ("new_mode", "link_in_place_of_a_folder"))
    assert outcome(entry, store, tmp_path / "out", **options) == changed


def test_the_same_files_give_the_same_bytes_whether_at_once_or_after_many_changes(tmp_path, store):
    entry, choice = write_vendor(tmp_path / "svc"), random.Random(2)
    make(entry, store, tmp_path / "out")
    for number in range(12):
        files = sorted((entry / "vendor").rglob("*.py"))
        one, two, three = choice.sample(files, 3)
        one.write_text(f"x = {number}\n")
        two.rename(two.with_name(f"renamed{number}.py"))
        three.unlink()
        write_files(entry, {f"vendor/p{number % PACKAGES}/new{number}/m.py": f"x = {number}\n"})
        made = make(entry, store, tmp_path / "out")
    elsewhere = Path(shutil.copytree(entry, tmp_path / "elsewhere" / "svc"))
    assert made[1] == make(elsewhere, Store(tmp_path / "other"), tmp_path / "fresh")[1]


@pytest.mark.parametrize("options", [{}, {"dependencies": "layer"}], ids=["function", "layer"])
def test_an_edit_compresses_the_files_around_it_and_no_others(tmp_path, store, options):
    entry, segments = write_vendor(tmp_path / "svc"), store.root / "v1" / "segments"
    make(entry, store, tmp_path / "out", **options)
    before = snapshot(segments)
    (entry / "vendor/p3/f2/m07.py").write_text("edited = 1\n")
    make(entry, store, tmp_path / "out", **options)
    after = snapshot(segments)
    assert {name: found for name, found in after.items() if name in before and name != "."} == {
        name: found for name, found in before.items() if name != "."
    }
    new = [segments / name for name in after.keys() - before.keys()]
    # With a layer, its segments are copies with other paths.
    assert len(new) == (2 if options else 1)
    assert len(before) - 1 >= 4 * len(new)
    assert all(path.stat().st_size < sum(one.stat().st_size for one in segments.iterdir()) / 3 for path in new)


def test_an_edit_of_what_nothing_imports_follows_no_import_and_one_that_is_imported_is_read(tmp_path, store):
    entry = write_vendor(tmp_path / "svc")
    make(entry, store, tmp_path / "out")
    modules, reaches = store.root / "v1" / "modules", store.root / "v1" / "reaches"
    before = snapshot(modules), snapshot(reaches)
    (entry / "vendor/p3/f2/m07.py").write_text("import nowhere\n")
    make(entry, store, tmp_path / "out")
    assert (snapshot(modules), snapshot(reaches)) == before
    (entry / "vendor/p1/f1/m01.py").write_text("import nowhere\n")
    with pytest.raises(PackageError, match="'nowhere' is imported"):
        make(entry, store, tmp_path / "out")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("# one line more\nimport nowhere\n", r"vendor/p1/f1/m01.py:2: 'nowhere' is imported"),
        ("import nowhere as other\n", r"vendor/p1/f1/m01.py:1: 'nowhere' is imported"),
        ("x = 1\ny = (\n", r"vendor/p1/f1/m01.py:3: .*can't compile this module"),
    ],
)
def test_what_fails_in_an_edited_module_of_vendor_is_told_where_it_is_now(tmp_path, store, source, words):
    entry = write_vendor(tmp_path / "svc")
    module = entry / "vendor/p1/f1/m01.py"
    module.write_text("x = 1\n" if "y = (" in source else "import nowhere\n")
    outcome(entry, store, tmp_path / "out")
    module.write_text(source)
    with pytest.raises(PackageError, match=words):
        make(entry, store, tmp_path / "out")


def test_a_module_that_says_the_same_on_other_lines_needs_no_import_to_be_followed(tmp_path, store):
    entry = write_vendor(tmp_path / "svc")
    module = entry / "vendor/p1/f1/m01.py"
    module.write_text("import json\ndef f():\n    return 1\nX = 2\n")
    make(entry, store, tmp_path / "out")
    for source in (
        "import json\ndef f():\n    y = 1\n    return y\nX = 2\n",
        "\n\nimport json\ndef f(): pass\nX = 3\n",
    ):
        module.write_text(source)
        assert outcome(entry, store, tmp_path / "out") == outcome(entry, Store(tmp_path / "other"), tmp_path / "fresh")
        shutil.rmtree(tmp_path / "other")


def test_two_functions_with_one_entry_directory_share_its_segments(tmp_path, store):
    entry = write_vendor(tmp_path / "svc")
    write_files(entry, {"other.py": HANDLER})
    requests = [package_request(entry=entry, runtime=RUNTIME, index=index) for index in ("app.py", "other.py")]
    jobs = [Job(request, lambda digest: tmp_path / f"{digest}.zip") for request in requests]
    made = make_packages(jobs, store=store)
    assert [one.files for one in made] == [801, 801]
    alone = Store(tmp_path / "alone")
    make_packages(jobs[:1], store=alone)
    own = len(list((alone.root / "v1" / "segments").iterdir()))
    assert len(list((store.root / "v1" / "segments").iterdir())) == own + 1
