"""A package index (PEP 503, and PEP 691 for upload times) on the loopback interface, over a directory of files."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import ssl
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

_PIECE = 1 << 18


class IndexServer(http.server.ThreadingHTTPServer):
    """Serves the files of `directory`.

    With `password`, only to the `user` who knows it; with `link_password`, files want another one, which stands
    in the links of the index pages. With `token`, whatever is asked for needs `?token=…` behind it; with `folder`, all is
    below that, as where a token is part of the path. Files of a `slow` server come in that many seconds. `/links/` has all
    files on one page. With `upload_times`, by file name, pages are JSON and say them (PEP 700). `files_at` is the base of
    the links where the files are another server's; `redirects` leads paths elsewhere. With `metadata`, that of wheels is served
    apart (PEP 658). With `sizes`, pages are JSON and say them (PEP 700): those by file name, else the files' own. `padded` files
    have so many bytes, zeros after their own; `sent` counts what was sent of each file. With `ranges`, parts of files can be asked for. `requests` has the path of each
    request, whatever became of it.
    """

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.user = "user"
        self.password: str | None = None
        self.link_password: str | None = None
        self.token: str | None = None
        self.folder = ""
        self.slow = 0.0
        self.hashes = True
        self.metadata = False
        self.upload_times: dict[str, str] = {}
        self.sizes: dict[str, int] | None = None
        self.padded: dict[str, int] = {}
        self.ranges = False
        self.sent: Counter[str] = Counter()
        self.files_at: str | None = None
        self.redirects: dict[str, str] = {}
        self.scheme, self.name = "http", "127.0.0.1"
        self.requests: list[str] = []
        self.refused: list[str] = []

    def url(self, password: str | None = None) -> str:
        """Return the index URL, with credentials if there is a password."""
        user = f"{self.user}:{password}@" if password else ""
        return f"{self.scheme}://{user}{self.host}{self.folder}/simple"

    @property
    def host(self) -> str:
        """The host with its port."""
        return f"{self.name}:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: IndexServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.path, _, query = self.path.partition("?")
        known = self.path.startswith(f"{self.server.folder}/")
        self.path = self.path.removeprefix(self.server.folder)
        if not known:
            self._answer(404, b"", {})
        elif self.server.token is not None and unquote(query) != f"token={self.server.token}":
            self._answer(403, b"", {})
        elif not self._is_allowed():
            self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
        elif self.path in self.server.redirects:
            self._answer(302, b"", {"Location": self.server.redirects[self.path]})
        elif match := re.fullmatch(r"/simple/([^/]+)/|/links/", self.path):
            self._answer_page(match[1])
        elif self.server.metadata and self.path.endswith(".whl.metadata"):
            self._answer(200, _metadata(self.server.directory / unquote(self.path)[len("/files/") : -9]), {})
        elif (file := self.server.directory / unquote(self.path).removeprefix("/files/")).is_file():
            content = file.read_bytes()
            length = {"Content-Length": str(self.server.padded.get(file.name, len(content)))}
            accepted = {"Accept-Ranges": "bytes"} if self.server.ranges else {}
            if self.server.ranges and (part := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))):
                first, last = int(part[1]), min(int(part[2]), len(content) - 1)
                accepted["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                self._answer(206, content[first : last + 1], accepted)
                return
            self._answer(200, content, {"Content-Type": "application/octet-stream", **length, **accepted})
        else:
            self._answer(404, b"", {})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _is_allowed(self) -> bool:
        password = self.server.link_password if self.path.startswith("/files/") else None
        password = password or self.server.password
        if password is None:
            return True
        expected = base64.b64encode(f"{self.server.user}:{password}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _answer_page(self, name: str | None) -> None:
        """Answer with the files of a project, or with all."""
        every = sorted(file for file in self.server.directory.iterdir() if file.is_file())
        files = [file for file in every if name in (None, _project(file.name))]
        user = f"{self.server.user}:{self.server.link_password}@" if self.server.link_password else ""
        base = self.server.files_at or f"{self.server.scheme}://{user}{self.server.host}{self.server.folder}/files/"
        query = f"?token={quote(self.server.token, safe='')}" if self.server.token else ""
        if self.server.upload_times or self.server.sizes is not None:
            self._answer_json(name, files, base)
            return
        links = "".join(
            f'<a href="{base}{file.name}{query}{self._fragment(file)}"{self._apart(file)}>{file.name}</a>\n'
            for file in files
        )
        self._answer(200 if files else 404, links.encode(), {"Content-Type": "text/html"})

    def _answer_json(self, name: str | None, files: list[Path], base: str) -> None:
        times, sizes = self.server.upload_times, self.server.sizes
        rows = [
            {
                "filename": file.name,
                "url": f"{base}{file.name}",
                "hashes": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()} if self.server.hashes else {},
                **({"upload-time": times[file.name]} if file.name in times else {}),
                **({"size": sizes.get(file.name, file.stat().st_size)} if sizes is not None else {}),
                **({"core-metadata": True} if self.server.metadata and file.suffix == ".whl" else {}),
            }
            for file in files
        ]
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": rows}
        content_type = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
        self._answer(200 if files else 404, json.dumps(page).encode(), content_type)

    def _apart(self, file: Path) -> str:
        if not self.server.metadata or file.suffix != ".whl":
            return ""
        return f' data-core-metadata="sha256={hashlib.sha256(_metadata(file)).hexdigest()}"'

    def _fragment(self, file: Path) -> str:
        return f"#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}" if self.server.hashes else ""

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        if status in (401, 403):
            self.server.refused.append(self.path)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send(content)

    def _send(self, content: bytes) -> None:
        parts = 20 if self.server.slow and self.path.endswith(".whl") else 1
        size = len(content) // parts + 1
        for begin in range(0, len(content), size):
            time.sleep(self.server.slow / parts if parts > 1 else 0)
            self.wfile.write(content[begin : begin + size])
        name = self.path.rpartition("/")[2]
        self.server.sent[name] += len(content)
        with contextlib.suppress(OSError):
            for _ in range((self.server.padded.get(name, 0) - len(content)) // _PIECE):
                self.wfile.write(bytes(_PIECE))
                self.server.sent[name] += _PIECE

    def log_message(self, *args: object) -> None:
        pass


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))


def _project(filename: str) -> str:
    return re.sub(r"[-_.]+", "-", filename.split("-")[0]).lower()


@contextlib.contextmanager
def serve_index(directory: Path, *, tls: ssl.SSLContext | None = None) -> Iterator[IndexServer]:
    """Serve a directory of wheels until the block ends, by HTTPS if there is a certificate for it."""
    with IndexServer(directory) as server:
        if tls is not None:
            server.socket, server.scheme = tls.wrap_socket(server.socket, server_side=True), "https"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            # Else the thread asks the closed socket for ever, with all the time of a core.
            with contextlib.suppress(OSError):
                server.shutdown()
            thread.join()
