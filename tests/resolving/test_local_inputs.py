"""Local files and folders that requirements name: each checkout and each service is packaged with its own."""

import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from entries import HANDLER, package_request, write_files
from index_server import serve_index
from source_projects import build_sdist, commit, write_project
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.pipeline import package

pytestmark = pytest.mark.usefixtures("isolated_pip")


@dataclass(frozen=True)
class Form:
    """A way to name something local: the requirements file's text, packaging options, and what writes the files."""

    name: str
    text: str
    write: Callable[[Path, str], object]
    options: tuple[tuple[str, object], ...] = ()
    environ: tuple[tuple[str, str], ...] = ()

    def lay(self, root: Path, code: str) -> Path:
        """Write a service below `root` of which the module `tool` is `code`, and return its entry directory."""
        entry = write_files(root / "svc", {"app.py": HANDLER, "requirements.txt": self.text})
        self.write(root, code)
        return entry


def tool(folder: Path, code: str, version: str = "1.0") -> Path:
    return build_wheel(folder, "tool", version, files={"tool.py": f"CODE = {code!r}\n"})


def write_wheel_beside(root: Path, code: str) -> None:
    tool(root / "svc", code)


def write_wheels(root: Path, code: str) -> None:
    tool(root / "wheels", code)


def write_versions(root: Path, code: str) -> None:
    """Two versions, of which limits.txt and common.txt allow one."""
    chosen = {"a": "1.0", "b": "2.0"}[code]
    for version, content in (("1.0", "a"), ("2.0", "b")):
        tool(root / "wheels", content, version)
    (root / "limits.txt").write_text(f"tool=={chosen}\n")
    (root / "common.txt").write_text(f"tool=={chosen}\n")
    write_files(root, {"deep/more.txt": f"tool=={chosen}\n", "nested.txt": "-r deep/more.txt\n"})


def write_shared(root: Path, code: str) -> None:
    write_project(root / "shared", "tool", files={"tool.py": f"CODE = {code!r}\n"})


def write_chain(root: Path, code: str) -> None:
    """A local project that needs another one, which no requirements file names."""
    write_project(root / "deeper", "tool", files={"tool.py": f"CODE = {code!r}\n"})
    write_project(root / "shared", "outer", requires=["tool @ {beside}/deeper"], pyproject=PATH_SOURCE)


def write_sdist(root: Path, code: str) -> None:
    build_sdist(root / "wheels", "tool", files={"tool.py": f"CODE = {code!r}\n"})


def write_link(root: Path, code: str) -> None:
    wheel = tool(root / "real", code)
    link = root / "wheels" / wheel.name
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(f"../real/{wheel.name}")


def write_page(root: Path, code: str) -> None:
    wheel = tool(root / "wheels", code)
    (root / "page.html").write_text(f'<a href="wheels/{wheel.name}#sha256={sha256(wheel)}">{wheel.name}</a>')


def write_configured(root: Path, code: str) -> None:
    write_wheels(root, code)
    (root / "svc" / "pip.conf").write_text("[global]\nno-index = true\nfind-links = ../wheels\n")


def write_lock(root: Path, code: str) -> None:
    write_shared(root, code)
    lock = (
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "tool"\ndirectory = { path = "../shared" }\n'
    )
    (root / "svc" / "pylock.toml").write_text(lock)


PATH_SOURCE = '[tool.poetry.dependencies]\ntool = { path = "../deeper" }\n'
WHEEL = "tool-1.0-py3-none-any.whl"
LINKS = "--no-index\n--find-links ../wheels\n"
FORMS = [
    Form("a project", "../shared", write_shared),
    Form("an editable project", "-e ../shared", write_shared),
    Form("a project by a relative URL", "tool @ file:../shared", write_shared),
    Form("a project that needs another", "../shared", write_chain),
    Form("a wheel", f"./{WHEEL}", write_wheel_beside),
    Form("a wheel elsewhere", f"../wheels/{WHEEL}", write_wheels),
    Form("a wheel by a link", f"../wheels/{WHEEL}", write_link),
    Form("a wheel by a relative URL", f"tool @ file:../wheels/{WHEEL}", write_wheels),
    Form("a wheel by a variable", "${HERE_AT}/tool-1.0-py3-none-any.whl", write_wheels, environ=(("HERE_AT", "../wheels"),)),
    Form("an sdist", "../wheels/tool-1.0.tar.gz", write_sdist),
    Form("--find-links", f"{LINKS}tool", write_wheels),
    Form("--find-links with links", f"{LINKS}tool", write_link),
    Form("--find-links with an sdist", f"{LINKS}tool", write_sdist),
    Form("--find-links with a page", "--no-index\n--find-links ../page.html\ntool", write_page),
    Form("pip_args", "tool", write_wheels, (("pip_args", ("--no-index", "--find-links", "../wheels")),)),
    Form("pip_environment", "--no-index\ntool", write_wheels, (("pip_environment", {"PIP_FIND_LINKS": "../wheels"}),)),
    Form("PIP_FIND_LINKS", "--no-index\ntool", write_wheels, environ=(("PIP_FIND_LINKS", "../wheels"),)),
    Form("pip.conf", "tool", write_configured, (("pip_environment", {"PIP_CONFIG_FILE": "pip.conf"}),)),
    Form("-r", f"{LINKS}-r ../common.txt", write_versions),
    Form("-r in a file that is included", f"{LINKS}-r ../nested.txt", write_versions),
    Form("-c", f"{LINKS}-c ../limits.txt\ntool", write_versions),
    Form("-c in pip_args", f"{LINKS}tool", write_versions, (("pip_args", ("-c", "../limits.txt")),)),
    Form("PIP_CONSTRAINT", f"{LINKS}tool", write_versions, environ=(("PIP_CONSTRAINT", "../limits.txt"),)),
    Form("a lock", "", write_lock),
]  # fmt: skip


# One of each kind, which the default suite tries; each costs several runs of pip.
KINDS = frozenset({"a project", "a wheel", "a wheel by a link", "--find-links", "pip.conf", "pip_environment", "-r", "-c", "a lock"})  # fmt: skip


@pytest.fixture(
    params=[form.name if form.name in KINDS else pytest.param(form.name, marks=pytest.mark.thorough) for form in FORMS]
)
def form(request, monkeypatch):
    form = next(form for form in FORMS if form.name == request.param)
    for name, value in form.environ:
        monkeypatch.setenv(name, value)
    return form


def some(*names):
    """Parametrise with these forms only: each costs several runs of pip."""
    return pytest.mark.parametrize("form", names, indirect=True)


@pytest.fixture
def build(store, tmp_path):
    """Returns the code of the module `tool` in the package of an entry directory."""

    def build(entry: Path, form: Form) -> str:
        request = package_request(entry=entry, runtime="python3.13", **dict(form.options))
        package(request, lambda _: tmp_path / "package.zip", store=store)
        with zipfile.ZipFile(tmp_path / "package.zip") as archive:
            found: dict[str, str] = {}
            exec(archive.read("tool.py"), found)
        return found["CODE"]

    return build


def test_each_worktree_is_packaged_with_its_own(form, build, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    form.lay(first, "a")
    commit(first)
    add = ["git", "worktree", "add", "--quiet", "-b", "second", str(second)]
    subprocess.run(add, cwd=first, check=True, capture_output=True)
    form.lay(second, "b")
    commit(second)
    assert [build(root / "svc", form) for root in (first, second, first, second)] == ["a", "b", "a", "b"]


@some("a project", "a wheel", "--find-links", "pip.conf", "-r in a file that is included", "-c", "a lock")
@pytest.mark.thorough
def test_each_service_of_a_repository_is_packaged_with_its_own(form, build, tmp_path):
    one, two = (form.lay(tmp_path / "repository" / name, code) for name, code in (("one", "a"), ("two", "b")))
    commit(tmp_path / "repository")
    assert [build(entry, form) for entry in (one, two, one, two)] == ["a", "b", "a", "b"]


@some(
    "a project that needs another",
    pytest.param("an sdist", marks=pytest.mark.thorough),
    "a wheel by a link",
    "--find-links",
    pytest.param("--find-links with an sdist", marks=pytest.mark.thorough),
    "-c",
)
def test_a_change_is_packaged_at_once(form, build, tmp_path):
    entry = form.lay(tmp_path / "repository", "a")
    assert build(entry, form) == "a"
    form.lay(tmp_path / "repository", "b")
    assert build(entry, form) == "b"


@pytest.mark.parametrize("name", ["--find-links", "pip_args", "pip_environment", "PIP_FIND_LINKS", "pip.conf"])
def test_a_new_version_in_a_folder_of_links_is_packaged_at_once(name, build, monkeypatch, tmp_path):
    form = next(form for form in FORMS if form.name == name)
    for variable, value in form.environ:
        monkeypatch.setenv(variable, value)
    entry = form.lay(tmp_path, "a")
    assert build(entry, form) == "a"
    tool(tmp_path / "wheels", "new", "1.1")
    assert build(entry, form) == "new"


def test_a_file_index_is_read_again_when_it_changes(build, tmp_path):
    def write(root, code):
        wheel = tool(root / "index" / "tool", code)
        (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}#sha256={sha256(wheel)}">{wheel.name}</a>')

    index = (tmp_path / "index").as_uri()
    form = Form("file index", f"--index-url {index}\ntool", write)
    assert [build(form.lay(tmp_path, code), form) for code in ("a", "b")] == ["a", "b"]


def test_two_checkouts_of_the_same_share_what_was_resolved(build, store, tmp_path, monkeypatch):
    form = next(form for form in FORMS if form.name == "--find-links")
    assert build(form.lay(tmp_path / "one", "a"), form) == "a"

    def refuse(*_, **__):
        raise AssertionError("pip was started")

    monkeypatch.setattr("cdk_lambda_package.resolving.resolver.start_pip", refuse)
    assert build(form.lay(tmp_path / "two", "a"), form) == "a"


# -- index options of a file without requirements --


@pytest.fixture
def index(tmp_path):
    build_wheel(tmp_path / "index", "needed", files={"tool.py": "CODE = 'index'\n"})
    with serve_index(tmp_path / "index") as server:
        yield server


def write_vendored(entry: Path, text: str) -> None:
    write_files(entry, {"app.py": HANDLER, "requirements.txt": text})
    build_wheel(entry / "vendor", "outer", requires_dist=["needed"])


def test_an_index_url_counts_without_requirements_beside_it(index, build, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    write_vendored(tmp_path / "svc", f"--index-url {index.url()}\n")
    assert build(tmp_path / "svc", FORMS[0]) == "index"


def test_no_index_counts_without_requirements_beside_it(index, build, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", index.url())
    write_vendored(tmp_path / "svc", "--no-index\n")
    with pytest.raises(Exception, match="needed"):
        build(tmp_path / "svc", FORMS[0])
    assert index.requests == []
