"""The site that `make docs` builds: a broken link, or a page that no index has, makes the build fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from entries import write_files
from offline import ROOT

pytest.importorskip("sphinx", reason="the dependency group `docs` isn't installed")

INDEX = "# Site\n\n- [One](one.md): the first page.\n- [Folder](folder/README.md): others.\n"
PAGES = {
    "docs/index.md": INDEX,
    "docs/one.md": "# One\n\n## A heading\n\nSee [two](folder/two.md#a-part), [here](#a-heading) and [the schema](a.schema.json).\n",
    "docs/a.schema.json": "{}",
    "docs/folder/README.md": "# Folder\n\n## Pages\n\n- [Two](two.md)\n",
    "docs/folder/two.md": "# Two\n\n## A `part`\n\n[An example](../../examples/app.py), [a folder](../../examples), [one](../one.md).\n",
    "examples/app.py": "",
}


def build(root: Path, changes: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Build a tiny copy of the site, with the project's own configuration."""
    write_files(root, {**PAGES, **(changes or {})})
    for name in ("docs/conf.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    options = ["-b", "html", "--fail-on-warning", "--keep-going", "--quiet"]
    argv = [sys.executable, "-m", "sphinx", *options, str(root / "docs"), str(root / "site")]
    return subprocess.run(argv, capture_output=True, text=True)


def test_the_site_has_its_pages_navigation_and_links(tmp_path):
    done = build(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    one, two = ((tmp_path / "site" / name).read_text() for name in ("one.html", "folder/two.html"))
    # The navigation has the pages of the lists, below each other.
    assert 'class="sidebar-tree"' in one
    assert one.index('href="folder/README.html"') < one.index('href="folder/two.html"')
    assert 'href="folder/two.html#a-part"' in one
    repository = "https://github.com/cdk-lambda-package/cdk-lambda-package"
    assert f'href="{repository}/blob/main/examples/app.py"' in two
    assert f'href="{repository}/tree/main/examples"' in two
    assert list((tmp_path / "site" / "_downloads").rglob("a.schema.json"))


def test_a_page_needs_no_network(tmp_path):
    build(tmp_path)
    for path in (tmp_path / "site").rglob("*.html"):
        page = path.read_text()
        loaded = [
            part.partition(">")[0] for tag in ("<script", "<link", "<img", "<iframe") for part in page.split(tag)[1:]
        ]
        assert [text for text in loaded if "//" in text] == []
    sheets = [path.read_text() for path in (tmp_path / "site").rglob("*.css")]
    assert sheets
    assert [text for text in sheets if "url(http" in text or "url(//" in text or "@import" in text] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"docs/one.md": "# One\n\n[Two](folder/tow.md)\n"}, "tow.md"),
        ({"docs/one.md": "# One\n\n[Two](folder/two.md#b-part)\n"}, "b-part"),
        ({"docs/one.md": "# One\n\n[Here](#another-heading)\n"}, "another-heading"),
        ({"docs/one.md": "# One\n\n[An example](../examples/none.py)\n"}, "'../examples/none.py' leads to no file"),
        ({"docs/three.md": "# Three\n"}, "isn't included in any toctree|document isn't included"),
        ({"docs/index.md": f"{INDEX}- [Two](folder/two.md)\n"}, "in more than one list"),
    ],
    ids=["page", "anchor", "own anchor", "file outside", "page without a list", "page in two lists"],
)
def test_a_build_fails(tmp_path, changes, message):
    done = build(tmp_path, changes)
    assert done.returncode != 0
    assert any(part in done.stderr for part in message.split("|")), done.stderr
