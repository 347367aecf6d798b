"""An index on this machine that passes on PyPI's answers, and says of them what PyPI says: how long they are good.

Mirrors and proxies often leave `Cache-Control` out; uv then asks for each page and each wheel's metadata anew, and what
is measured is the way to the mirror.
"""

from __future__ import annotations

import contextlib
import http.server
import threading
import urllib.request
from collections.abc import Iterator

from cdk_lambda_package.requirements.default_index import find_default_index

_INDEX = find_default_index()
_PAGES, _FILES = _INDEX.url, f"https://{_INDEX.file_host}"
# What PyPI itself says of its pages, and of files, which never change.
_PAGE_IS_GOOD, _FILE_IS_GOOD = "max-age=600, public", "max-age=365000000, immutable, public"
_PASSED_ON = ("Content-Type", "Content-Range", "Content-Length", "Accept-Ranges")


class _Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Pass a page, a file or a part of one on."""
        is_page = self.path.startswith("/simple/")
        url = self.path.replace("/simple", _PAGES, 1) if is_page else self.path.replace("/files", _FILES, 1)
        asked = {name: self.headers[name] for name in ("Accept", "Range") if name in self.headers}
        with urllib.request.urlopen(urllib.request.Request(url, headers=asked, method=self.command)) as answer:
            status, content = answer.status, answer.read()
            told = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        if is_page:
            content = content.replace(_FILES.encode(), f"http://{self.headers['Host']}/files".encode())
        self.send_response(status)
        length = {"Content-Length": str(len(content))} if self.command == "GET" else {}
        good = {"Cache-Control": _PAGE_IS_GOOD if is_page else _FILE_IS_GOOD}
        for name, value in {**told, **length, **good}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - the name that its base class looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing."""


@contextlib.contextmanager
def relay_pages() -> Iterator[str]:
    """Serve the pages until the block ends; yields the index URL."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Relay) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()
