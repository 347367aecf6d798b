"""The entry directory: which of its files are in the package."""

import os
import socket

import pytest
from entries import DOCUMENT, HANDLER, snapshot, write_files

from cdk_lambda_package.app_directory import App, Origin, Selection, SymlinkFollowMode, read_app, read_facts
from cdk_lambda_package.errors import ContentError, EntryError, OptionError


def read(entry, **options) -> App:
    return read_app(entry, Selection(**options), read_facts)


def paths(app, origin=None):
    return [file.path for file in app.files if origin in (None, file.origin)]


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": HANDLER})


def test_the_documents_layout(tmp_path):
    app = read(write_files(tmp_path / "svc", {**DOCUMENT, "requirements.txt": "sortedcontainers==1.5.4\n"}))
    assert paths(app, Origin.APP) == ["app.py", "chalicelib/__init__.py", "chalicelib/utils.py"]
    assert paths(app, Origin.VENDOR) == ["internalpackage/__init__.py"]
    assert app.requirements == tmp_path / "svc" / "requirements.txt"


def test_everything_in_chalicelib_is_taken(entry):
    files = {
        "chalicelib/data.json": "{}",
        "chalicelib/deep/er/x.bin": b"\0",
        "chalicelib/.dotfile": "",
        "chalicelib/env/settings.py": "",
        "chalicelib/tests/test_x.py": "",
        "chalicelib/libfoo.so": b"\x7fELF",
        "chalicelib/only.pyc": b"c",
        "chalicelib/requirements.txt": "six",
    }
    assert paths(read(write_files(entry, files))) == sorted(["app.py", *files])


def test_what_is_nobodys_content_is_not(entry):
    write_files(
        entry,
        {
            "chalicelib/__init__.py": "",
            "chalicelib/__pycache__/x.cpython-313.pyc": b"",
            "chalicelib/x.py": "",
            "chalicelib/x.pyc": b"",
            "chalicelib/.git/HEAD": "",
            "chalicelib/.DS_Store": b"",
            "chalicelib/venv/pyvenv.cfg": "",
            "chalicelib/venv/lib/x.py": "",
            "vendor/pkg/__pycache__/y.pyc": b"",
            "vendor/.svn/entries": "",
        },
    )
    assert paths(read(entry)) == ["app.py", "chalicelib/__init__.py", "chalicelib/x.py"]


def test_what_lies_beside_app_py_is_not_even_looked_at(entry):
    others = ["other.py", ".env", "tests/test_app.py", ".git/HEAD", ".chalice/config.json", "cdk.out/x", ".venv/x.py"]
    write_files(entry, dict.fromkeys(others, "secret"))
    looked_at = []

    def read_aloud(file):
        looked_at.append(file.source)
        return read_facts(file)

    read_app(entry, Selection(), read_aloud)
    assert looked_at == [str(entry / "app.py")]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["assets/**"], [], ["app.py", "assets/a.json", "assets/b/c.png", "chalicelib/f/x.json", "chalicelib/u.py"]),
        ([], ["chalicelib/f/**"], ["app.py", "chalicelib/u.py"]),
        ([], ["chalicelib/f/"], ["app.py", "chalicelib/u.py"]),
        ([], ["*.json", "!x.json"], ["app.py", "chalicelib/f/x.json", "chalicelib/u.py"]),
        (["assets/**"], ["*.json"], ["app.py", "assets/b/c.png", "chalicelib/u.py"]),
        (["*.md"], [], ["README.md", "app.py", "chalicelib/f/x.json", "chalicelib/u.py"]),
        (["**"], ["/chalicelib"], ["README.md", "app.py", "assets/a.json", "assets/b/c.png", "größe ü.txt"]),
    ],
)
def test_include_and_exclude_are_patterns_as_in_gitignore(entry, include, exclude, expected):
    names = ["README.md", "assets/a.json", "assets/b/c.png", "chalicelib/f/x.json", "chalicelib/u.py", "größe ü.txt"]
    write_files(entry, dict.fromkeys(names, "x"))
    assert paths(read(entry, include=tuple(include), exclude=tuple(exclude))) == expected


def test_exclude_takes_files_of_vendor_by_their_path_in_the_entry_directory(entry):
    write_files(entry, {"vendor/pkg/__init__.py": "", "vendor/pkg/big.dat": "x"})
    assert paths(read(entry, exclude=("vendor/pkg/*.dat",))) == ["app.py", "pkg/__init__.py"]


def test_include_doesnt_bring_vendor_twice(entry):
    write_files(entry, {"vendor/pkg/__init__.py": ""})
    assert paths(read(entry, include=("**",))) == ["app.py", "pkg/__init__.py"]


def test_an_index_in_a_folder_brings_the_whole_folder_and_no_app_py(entry):
    write_files(entry, {"api/inner/custom.py": HANDLER, "api/data.txt": "x", "chalicelib/u.py": ""})
    assert paths(read(entry, index="api/inner/custom.py")) == ["api/data.txt", "api/inner/custom.py", "chalicelib/u.py"]


def test_psycopg2_in_vendor_is_taken_byte_for_byte(entry):
    binary = b"\x7fELF" + bytes(range(256)) * 300
    write_files(entry, {"vendor/psycopg2/__init__.py": "", "vendor/psycopg2/_psycopg.so": binary})
    app = read(entry)
    assert paths(app, Origin.VENDOR) == ["psycopg2/__init__.py", "psycopg2/_psycopg.so"]
    assert app.files[-1].executable


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o777])
@pytest.mark.parametrize(
    ("content", "executable"),
    [(b"#!/bin/sh\n", True), (b"\x7fELF\2", True), (b"", False), (b" #!/bin/sh", False), (b"MZ", False), (b"#", False)],
)
def test_content_says_what_is_executable_whatever_the_hosts_mode(entry, mode, content, executable):
    path = write_files(entry, {"chalicelib/x": content}) / "chalicelib/x"
    path.chmod(mode)
    assert read(entry).files[1].executable is executable


def test_vendored_wheels_and_distributions_are_found(entry):
    write_files(
        entry,
        {
            "vendor/demo-1.0-py3-none-any.whl": b"",
            "vendor/deep/other-1.0-py3-none-any.whl": b"",
            "vendor/Psycopg2_Binary-2.9.dist-info/METADATA": "",
            "vendor/deep/hidden-1.dist-info/METADATA": "",
        },
    )
    app = read(entry)
    assert [wheel.path for wheel in app.vendored_wheels] == ["demo-1.0-py3-none-any.whl"]
    assert app.vendored_distributions == ("psycopg2-binary",)
    assert "deep/other-1.0-py3-none-any.whl" in paths(app)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from chalice import Chalice\n", True),
        ("import chalice\n", True),
        ("import os, chalice\n", True),
        ("def f():\n    from chalice.app import Response\n", True),
        ("import chalicelib\n", False),
        ("from chalicelib import x\n", False),
        ("x = 'chalice'\n", False),
        ("# import chalice\n", False),
        ("import os # chalice\n", False),
    ],
)
@pytest.mark.parametrize("place", ["app.py", "chalicelib/api.py"])
def test_an_import_of_chalice_is_seen(entry, place, source, found):
    assert read(write_files(entry, {place: source})).imports_chalice is found


def test_an_import_of_chalice_in_vendor_doesnt_count(entry):
    assert not read(write_files(entry, {"vendor/lib.py": "import chalice\n"})).imports_chalice


# Names and places


@pytest.mark.needs("backslashes and quotes in file names")
@pytest.mark.parametrize("name", ["with space", 'it\'s "quoted"', "größe", "日本", "a;b&c", "-x", "100%"])
def test_odd_names_work(tmp_path, name):
    entry = write_files(tmp_path / name, {"app.py": HANDLER, f"chalicelib/{name}.txt": "x"})
    assert paths(read(entry)) == ["app.py", f"chalicelib/{name}.txt"]


@pytest.mark.needs("file names that are no Unicode")
def test_a_name_that_is_no_unicode_is_an_error_that_can_be_printed(entry):
    (entry / "chalicelib").mkdir()
    (entry / os.fsdecode(b"chalicelib/\xff.txt")).write_text("x")
    with pytest.raises(EntryError, match="it isn't Unicode. Rename or exclude it") as caught:
        read(entry)
    str(caught.value).encode()


@pytest.mark.needs("backslashes and quotes in file names")
def test_a_name_with_a_backslash_is_an_error(entry):
    with pytest.raises(EntryError, match="has a backslash"):
        read(write_files(entry, {"chalicelib/a\\b.py": ""}))


# What is refused


def test_a_missing_entry_is_named(tmp_path):
    with pytest.raises(EntryError, match=r"svc' doesn't exist; it should be a directory with app\.py in it"):
        read(tmp_path / "svc")


def test_an_entry_that_is_a_file_is_named(entry):
    with pytest.raises(EntryError, match=r"app\.py' is a file; it should be the directory that holds app\.py"):
        read(entry / "app.py")


def test_a_missing_app_py_is_named_with_what_is_there(tmp_path):
    entry = write_files(tmp_path / "svc", {"main.py": "", "lambda.py": ""})
    with pytest.raises(EntryError, match=r"svc/app\.py' doesn't exist; .* has lambda\.py, main\.py.*index="):
        read(entry)


@pytest.mark.parametrize("index", ["app.py", "api/main.py"])
def test_what_is_no_file_in_the_modules_place_is_called_what_it_is(tmp_path, index):
    entry = write_files(tmp_path / "svc", {f"{index}/x.py": ""})
    with pytest.raises(EntryError, match=rf"{index}' is a folder, and the handler's module should be there.*index="):
        read(entry, index=index)
    (entry / "link.py").symlink_to("gone")
    with pytest.raises(EntryError, match=r"link\.py' is a link that leads nowhere"):
        read(entry, index="link.py")
    with pytest.raises(EntryError, match=r"other\.py' doesn't exist; the entry directory has no module at all"):
        read(entry, index="other.py")


@pytest.mark.parametrize("name", ["vendor", "chalicelib"])
def test_a_file_in_the_place_of_a_folder_of_the_layout_is_an_error_unless_it_is_excluded(entry, name):
    write_files(entry, {name: "x"})
    with pytest.raises(ContentError, match=rf"{name}' is a file, and should be a folder\. Rename it, or exclude it\."):
        read(entry)
    assert paths(read(entry, exclude=(name,))) == ["app.py"]


@pytest.mark.parametrize(
    ("index", "why"),
    [
        ("app", "doesn't end in .py"),
        ("app.js", "doesn't end in .py"),
        ("../app.py", "leaves the package's root"),
        ("/app.py", "absolute"),
        ("api\\app.py", "backslash"),
        ("", "empty"),
        ("a.b.py", "'a.b' has a dot, and `import` takes 'a/b' for what it names"),
        ("a.b/c.py", "'a.b' has a dot"),
        ("my app.py", "it has a space"),
    ],
)
def test_an_index_that_cant_be_a_module_is_refused(entry, index, why):
    with pytest.raises(EntryError, match="can't be the handler's module") as caught:
        read(entry, index=index)
    assert repr(index) in str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize("index", ["vendor/app.py", "cdk.out/app.py", ".git/app.py"])
def test_an_index_in_a_folder_that_isnt_the_apps_is_refused_by_its_name(entry, index):
    write_files(entry, {index: HANDLER})
    with pytest.raises(EntryError) as caught:
        read(entry, index=index)
    assert index in str(caught.value)
    assert "exclude" not in str(caught.value), "there is no pattern to blame"


def test_an_exclude_of_the_handlers_module_is_refused_with_the_patterns(entry):
    with pytest.raises(EntryError, match=r"exclude leaves out 'app\.py', .*\['\*\.py'\]"):
        read(entry, exclude=("*.py",))


@pytest.mark.parametrize(
    "name",
    [
        "vendor/app.py",
        "vendor/app/__init__.py",
        "vendor/app.cpython-313-x86_64-linux-gnu.so",
        "vendor/chalicelib/x.py",
        "vendor/chalicelib",
    ],
)
def test_vendor_cant_provide_the_apps_own_names(entry, name):
    with pytest.raises(EntryError, match="vendor/ has (app|app.py|chalicelib), a name that the app's own code has"):
        read(write_files(entry, {name: ""}))


def test_missing_requirements_are_named_if_asked_for(entry):
    assert read(entry).requirements is None
    with pytest.raises(EntryError, match=r"requirements '.*lambda\.txt' doesn't exist"):
        read(entry, requirements="lambda.txt")


def test_patterns_given_as_one_string_are_refused(entry):
    with pytest.raises(OptionError, match="should be a list of patterns"):
        read(entry, include="assets/**")


def test_a_file_beyond_lambdas_limit_is_refused_unread(entry):
    (entry / "chalicelib").mkdir()
    with (entry / "chalicelib" / "huge").open("wb") as stream:
        stream.truncate(5 << 30)  # sparse
    with pytest.raises(EntryError, match="huge' is 5,368,709,120 bytes large, and Lambda's limit for all files is"):
        read(entry)


@pytest.mark.needs("named pipes")
@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_what_is_no_file_is_refused_unopened(entry, kind, monkeypatch):
    (entry / "chalicelib").mkdir()
    path = entry / "chalicelib" / "odd"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        monkeypatch.chdir(path.parent)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("odd")
    with pytest.raises(EntryError, match="odd' is neither a file nor a folder"):
        read(entry)


@pytest.mark.needs("named pipes", "backslashes and quotes in file names")
def test_all_that_cant_be_packaged_is_said_at_once(entry):
    write_files(entry, {"chalicelib/a\\b.py": "", "vendor/app.py": "", "requirements.txt/x": ""})
    (entry / "chalicelib" / "nowhere").symlink_to("gone")
    (entry / "vendor" / "out").symlink_to("/")
    os.mkfifo(entry / "vendor" / "pipe")
    with (entry / "vendor" / "huge").open("wb") as stream:
        stream.truncate(5 << 30)  # sparse
    with pytest.raises(ContentError) as caught:
        read(entry)
    words = ("leads nowhere", "outside", "vendor/ has app.py", "backslash", "large", "neither", "requirements.txt'")
    assert [word for word in words if sum(word in fault for fault in caught.value.faults) != 1] == []
    assert str(caught.value).startswith("7 problems:\n  - ")
    assert str(caught.value).count("\n") == len(caught.value.faults) == len(words)


@pytest.mark.needs("named pipes")
@pytest.mark.parametrize("wrong", [{"index": "other.py"}, {"exclude": ("app.py",)}, {"requirements": "gone.txt"}])
def test_an_option_that_leads_nowhere_is_no_matter_of_content(entry, wrong):
    os.mkfifo(write_files(entry, {"chalicelib/x": ""}) / "chalicelib" / "pipe")
    with pytest.raises(EntryError) as caught:
        read(entry, **wrong)
    assert not isinstance(caught.value, ContentError)


# Symbolic links


@pytest.fixture
def linked(entry):
    """An entry with a file and a folder to link to, inside and outside."""
    write_files(entry.parent / "outside", {"file.txt": "out", "folder/deep.txt": "out"})
    write_files(entry, {"assets/file.txt": "in", "assets/folder/deep.txt": "in", "chalicelib/__init__.py": ""})
    return entry


def link(entry, name, target):
    (entry / name).parent.mkdir(parents=True, exist_ok=True)
    (entry / name).symlink_to(target)


@pytest.mark.parametrize("place", ["chalicelib/l", "vendor/l"])
def test_links_that_stay_inside_are_followed(linked, place):
    link(linked, f"{place}ink.txt", "../assets/file.txt")
    link(linked, f"{place}folder", "../assets/folder")
    found = paths(read(linked))
    inside = place.removeprefix("vendor/")
    assert f"{inside}ink.txt" in found
    assert f"{inside}folder/deep.txt" in found


@pytest.mark.parametrize("target", ["../../outside/file.txt", "../../outside/folder"])
def test_links_that_lead_outside_are_refused_unless_asked_for(linked, target):
    link(linked, "chalicelib/link", target)
    with pytest.raises(EntryError, match="a symbolic link to .* outside the entry directory"):
        read(linked)
    for mode in (SymlinkFollowMode.ALWAYS, SymlinkFollowMode.EXTERNAL):
        assert any(path.startswith("chalicelib/link") for path in paths(read(linked, follow_symlinks=mode)))


def test_a_name_that_only_begins_like_the_entrys_is_outside(linked):
    write_files(linked.parent / "svc-other", {"x.txt": "x"})
    link(linked, "chalicelib/link", "../../svc-other/x.txt")
    with pytest.raises(EntryError, match="outside the entry directory"):
        read(linked)


def test_never_leaves_links_out_with_a_warning(linked):
    link(linked, "chalicelib/link.txt", "../assets/file.txt")
    app = read(linked, follow_symlinks=SymlinkFollowMode.NEVER)
    assert paths(app) == ["app.py", "chalicelib/__init__.py"]
    assert [(finding.id, finding.path) for finding in app.findings] == [("symlink-left-out", "chalicelib/link.txt")]


def test_a_link_that_leads_nowhere_is_refused_if_it_is_wanted(linked):
    link(linked, "chalicelib/link", "nowhere")
    link(linked, "unwanted", "nowhere")
    with pytest.raises(EntryError, match="chalicelib/link' is a symbolic link that leads nowhere"):
        read(linked)
    assert paths(read(linked, exclude=("chalicelib/link",))) == ["app.py", "chalicelib/__init__.py"]


@pytest.mark.parametrize(
    "links",
    [
        {"chalicelib/self": "self"},
        {"chalicelib/up": ".."},
        {"chalicelib/here": "."},
        {"chalicelib/a/b": "../c", "chalicelib/c/d": "../a"},
    ],
    ids=["itself", "above", "its folder", "one another"],
)
def test_links_in_circles_are_refused(linked, links):
    for name, target in links.items():
        link(linked, name, target)
    with pytest.raises(EntryError, match="symbolic link"):
        read(linked)


def test_an_entry_that_is_a_link_itself_is_fine(linked):
    alias = linked.parent / "alias"
    alias.symlink_to(linked)
    link(linked, "chalicelib/link.txt", "../assets/file.txt")
    assert paths(read(alias)) == ["app.py", "chalicelib/__init__.py", "chalicelib/link.txt"]


def test_a_folder_named_like_one_that_is_never_taken_isnt_entered_through_a_link(linked):
    link(linked, "chalicelib/__pycache__", "../assets/folder")
    assert paths(read(linked)) == ["app.py", "chalicelib/__init__.py"]


def test_reading_changes_nothing(linked):
    before = snapshot(linked.parent)
    read(linked, include=("**",))
    assert snapshot(linked.parent) == before


@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_a_requirements_file_that_isnt_a_file_is_no_absence(entry, kind):
    if kind == "folder":
        (entry / "requirements.txt").mkdir()
    else:
        (entry / "requirements.txt").symlink_to("nowhere.txt")
    with pytest.raises(EntryError, match=r"requirements\.txt' is not a file"):
        read(entry)


def test_an_entry_whose_name_is_too_long_is_an_error(tmp_path):
    with pytest.raises(EntryError, match="can't be read"):
        read(tmp_path / ("x" * 300))


def test_a_pattern_of_include_that_matches_nothing_is_a_warning_and_one_of_exclude_is_not(entry):
    write_files(entry, {"assets/a.txt": "", "data/b.txt": ""})
    include = ("asset/**", "*.txt", "!data/", "#x", "", "data/**")
    app = read(entry, include=include, exclude=("nothing/", "data/"))
    assert paths(app) == ["app.py", "assets/a.txt"]
    assert [finding.precise_id for finding in app.findings] == [
        "include-selects-nothing:asset/**",
        "include-selects-nothing:data/**",
    ]


def test_an_index_that_is_a_link_left_out_is_named_as_such(tmp_path):
    entry = write_files(tmp_path / "svc", {"real.py": HANDLER})
    (entry / "app.py").symlink_to("real.py")
    with pytest.raises(EntryError, match="it is a symbolic link and follow_symlinks is 'never'"):
        read(entry, follow_symlinks=SymlinkFollowMode.NEVER)


def test_of_a_project_without_app_py_the_handler_in_its_sources_is_named(tmp_path):
    """The folder src/orders as entry directory would lack what the project requires."""
    files = {
        "src/orders/main.py": "import orders.db\ndef lambda_handler(event, context): ...\n",
        "src/orders/db.py": "",
    }
    entry = write_files(
        tmp_path, {**files, "pyproject.toml": "[project]\nname = 'orders'\n[build-system]\nrequires = []\n"}
    )
    with pytest.raises(
        EntryError, match=r"src/orders/main.py with a handler. Set handler='orders.main.lambda_handler': "
    ):
        read_app(entry, Selection(), read_facts)
    (entry / "pyproject.toml").unlink()
    with pytest.raises(EntryError, match=r"Set entry='.*/src/orders', or index='src/orders/main.py', which"):
        read_app(entry, Selection(), read_facts)


def test_of_an_entry_directory_without_a_module_the_folders_with_handlers_are_named(tmp_path):
    files = {
        "orders/app.py": "def handler(event, context): ...\n",
        "services/bills/index.py": "from chalice import Chalice\napp = Chalice('bills')\n",
        "common/texts.py": "HELLO = 'handler'\n",
        "vendor/wrapper/app.py": "def handler(event, context): ...\n",
        ".cache/app.py": "def handler(event, context): ...\n",
        "env/pyvenv.cfg": "",
        "env/lib/app.py": "def handler(event, context): ...\n",
    }
    entry = write_files(tmp_path / "functions", files)
    with pytest.raises(EntryError) as caught:
        read_app(entry, Selection(), read_facts)
    assert "no module itself, but orders/app.py, services/bills/index.py with a handler." in str(caught.value)
    assert f"Set entry='{entry}/orders', or index='orders/app.py'" in str(caught.value)
