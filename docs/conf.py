"""How Sphinx makes a site of the pages in this folder: `make docs`.

The pages are plain Markdown, so that a code host shows them as well. So the navigation isn't written in directives: it is read from the
lists of links in the index pages. A page that no list has makes the build fail, and so does a page in two lists.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

_ROOT = Path(__file__).resolve().parents[1]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_REPOSITORY = _PROJECT["urls"]["Repository"]

project = _PROJECT["name"]
release = version_of(project)

extensions = ["myst_parser"]
# As on code hosts, each heading is an anchor.
myst_heading_anchors = 6
nitpicky = True
# Samples leave things out by `…`, which no grammar knows.
suppress_warnings = ["misc.highlighting_failure"]

# The pages are read as they are written: two hyphens stay two.
smartquotes = False

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_use_index = False

# The pages whose lists are the navigation.
_INDEXES = ("index", "README")
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?")
_LOGGER = logging.getLogger(__name__)


class ListsAsNavigation(SphinxTransform):
    """Each list of an index page whose items begin with a link to a page is a table of contents, too."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Put a hidden table of contents after each of these lists."""
        if self.env.docname.rpartition("/")[2] not in _INDEXES:
            return
        for found in list(self.document.findall(nodes.bullet_list)):
            pages = [page for item in found.children if (page := _page_of(item)) is not None]
            if pages:
                found.parent.insert(found.parent.index(found) + 1, self._contents(pages))

    def _contents(self, pages: list[str]) -> nodes.Node:
        contents = addnodes.toctree(
            parent=self.env.docname,
            entries=[(None, page) for page in pages],
            includefiles=pages,
            maxdepth=-1,
            caption=None,
            glob=False,
            hidden=True,
            includehidden=False,
            numbered=0,
            titlesonly=True,
        )
        return nodes.compound("", contents, classes=["toctree-wrapper"])


def _page_of(item: nodes.Node) -> str | None:
    """Return the page that a list's item begins with a link to."""
    link = next(iter(item.findall(nodes.paragraph)), nodes.paragraph()).next_node()
    is_page = isinstance(link, addnodes.pending_xref) and link.get("refdomain") == "doc"
    return str(link["reftarget"]) if is_page else None


def link_to_repository(app: Sphinx, docname: str, content: list[str]) -> None:
    """Let links to files outside of this folder lead to the code host; one to a file that doesn't exist is a warning."""
    page, root = Path(app.env.doc2path(docname)), Path(app.srcdir).parent

    def replace(link: re.Match[str]) -> str:
        target = (page.parent / link["path"]).resolve()
        if target.is_relative_to(app.srcdir):
            return link[0]
        if not target.exists() or not target.is_relative_to(root):
            _LOGGER.warning("the link %r leads to no file of the repository", link["path"], location=docname)
            return link[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"{_REPOSITORY}/{kind}/main/{target.relative_to(root).as_posix()}{link['anchor'] or ''}"

    content[0] = _LINK.sub(replace, content[0])


def check_groups(_: Sphinx, env: BuildEnvironment) -> None:
    """Warn of pages that are in two lists of the navigation."""
    lists = defaultdict(list)
    for index, pages in env.toctree_includes.items():
        for page in pages:
            lists[page].append(index)
    for page, found in lists.items():
        if len(found) > 1:
            _LOGGER.warning("the page is in more than one list: of %s", " and of ".join(found), location=page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the navigation, and the links to the repository."""
    app.add_transform(ListsAsNavigation)
    app.connect("source-read", link_to_repository)
    app.connect("env-check-consistency", check_groups)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
