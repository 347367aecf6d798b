"""A package index on the loopback interface that is as far away as real ones: `slow_index.py FOLDER PORT_FILE LATENCY RATE`.

It serves the wheels of a folder (PEP 503, with metadata apart as PEP 658 has it) from a process of its own. Each answer begins LATENCY
seconds after its request, as does each connection, and comes with RATE bytes a second.
"""

from __future__ import annotations

import hashlib
import http.server
import re
import sys
import time
import zipfile
from pathlib import Path
from urllib.parse import unquote

_PIECE = 1 << 17


class SlowIndex(http.server.ThreadingHTTPServer):
    """Serves `folder` with a `latency` in seconds and a `rate` in bytes a second for each connection."""

    daemon_threads = True

    def __init__(self, folder: Path, latency: float, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency, self.rate = latency, rate
        self.files = {file.name: file for file in sorted(folder.glob("*.whl"))}
        self.digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in self.files.items()}
        self.metadata = {name: _metadata(file) for name, file in self.files.items()}

    def page(self, project: str) -> bytes:
        """Return the page of a project, with links to its files."""
        return "".join(
            f'<a href="../../files/{name}#sha256={self.digests[name]}" data-core-metadata="true">{name}</a>\n'
            for name in self.files
            if re.sub(r"[-_.]+", "-", name.partition("-")[0]).lower() == project
        ).encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: SlowIndex
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        time.sleep(self.server.latency)

    def do_GET(self) -> None:
        time.sleep(self.server.latency)
        path = unquote(self.path)
        name = path.rpartition("/")[2]
        if match := re.fullmatch(r"/simple/([^/]+)/", path):
            self._answer(self.server.page(match[1]), "text/html")
        elif name.removesuffix(".metadata") in self.server.files:
            known = self.server.metadata.get(name.removesuffix(".metadata")) if name.endswith(".metadata") else None
            self._answer(known or self.server.files[name].read_bytes(), "application/octet-stream")
        else:
            self._answer(b"", "text/plain", status=404)

    def _answer(self, content: bytes, kind: str, *, status: int = 200) -> None:
        status = status if content else 404
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        began = time.monotonic()
        for start in range(0, len(content), _PIECE):
            time.sleep(max(0.0, began + start / self.server.rate - time.monotonic()))
            self.wfile.write(content[start : start + _PIECE])

    def log_message(self, *_: object) -> None:
        pass


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))


if __name__ == "__main__":
    folder, port_file, latency, rate = sys.argv[1:]
    with SlowIndex(Path(folder), float(latency), float(rate)) as index:
        Path(port_file).write_text(str(index.server_port))
        index.serve_forever()
