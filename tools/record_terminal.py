"""Record what a terminal shows, and write it as SVG files: first builds as they go on, and what other commands print.

python tools/record_terminal.py             write all files of docs/recordings
python tools/record_terminal.py explain     write one of them

The first builds are of pandas. Each has an empty store and no cache of pip's, so it resolves and downloads, at three megabytes a second.
Their files are animated, and a viewer that doesn't animate shows the frame with the longest text. Runs on POSIX systems, and needs the CDK CLI
that `make` installs.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT / "docs" / "recordings"

Row = tuple[tuple[str, str], ...]
"""A line of a terminal: runs of text, each with its colour, as pyte names it or in six hexadecimal digits."""

_COLOURS = {"default": "#d8dee9", "cyan": "#4fc3d9", "green": "#7fc97f", "brown": "#e0c060", "red": "#ef6a6a"}
_COLOURS |= {"magenta": "#d287d2", "blue": "#7ba6e8", "white": "#f4f4f4", "black": "#606672", "brightblack": "#7a808c"}
_BACKGROUND = "#1d2129"
# Of a character, in pixels.
_WIDTH, _HEIGHT = 8.4, 19
_COLUMNS = 150
# Seconds between two frames, and for which the last one stays.
_EVERY, _LAST = 0.5, 4.0
# Of the network, in bytes a second.
_RATE = 3_000_000


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a terminal showed from a second on."""

    second: float
    rows: tuple[Row, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line, without spaces at its end."""
        return tuple("".join(text for text, _ in row).rstrip() for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a command did: its exit status, all bytes that the terminal got, what it showed, and stdout if that was apart."""

    status: int
    raw: bytes
    frames: tuple[Frame, ...]
    stdout: bytes

    @property
    def last(self) -> str:
        """What was shown at the end."""
        return "\n".join(self.frames[-1].lines).rstrip() if self.frames else ""

    def shown(self, text: str) -> bool:
        """Tell whether a line had the text at some time."""
        return any(text in line for frame in self.frames for line in frame.lines)


def run_in_terminal(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    columns: int = 110,
    lines: int = 24,
    separate: bool = False,
    prompt: str = "",
    limit: float = 300,
) -> Session:
    """Run a command whose streams are a terminal, first showing the `prompt`; with `separate`, its stdout is a pipe.

    After `limit` seconds it is killed.
    """
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    stream.feed(prompt.encode())
    leader, follower = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": str(lines)}
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env={"TERM": "xterm-256color", **environment, **size},
        stdin=follower,
        stdout=subprocess.PIPE if separate else follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    raw, start = b"", time.monotonic()
    frames = [Frame(second=0.0, rows=_rows(screen))] if prompt else []
    for chunk in _read(leader, process, limit):
        raw += chunk
        stream.feed(chunk)
        frame = Frame(second=time.monotonic() - start, rows=_rows(screen))
        if not frames or frames[-1].rows != frame.rows:
            frames.append(frame)
    stdout = process.stdout.read() if process.stdout else b""
    if process.stdout:
        process.stdout.close()
    os.close(leader)
    return Session(status=process.wait(), raw=raw, frames=tuple(frames), stdout=stdout)


def _read(leader: int, process: subprocess.Popen[bytes], limit: float) -> Iterator[bytes]:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if not select.select([leader], [], [], 0.2)[0]:
            if process.poll() is not None:
                return
            continue
        try:
            chunk = os.read(leader, 1 << 16)
        except OSError:
            # How Linux says that the other end is closed.
            return
        if not chunk:
            return
        yield chunk
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _rows(screen: pyte.Screen) -> tuple[Row, ...]:
    found = []
    for number in range(screen.lines):
        line = screen.buffer[number]
        cells = [(line[column].data, line[column].fg) for column in range(screen.columns)]
        runs = groupby(cells, key=lambda cell: cell[1])
        found.append(tuple(("".join(text for text, _ in run), colour) for colour, run in runs))
    return tuple(found)


def draw(session: Session, *, title: str, columns: int, still: bool = False) -> str:
    """Return an animated SVG of a session, as large as what it showed; a `still` one has the end alone."""
    frames = list(_thin(session.frames[-1:] if still else session.frames))
    used = max(number + 1 for frame in frames for number, line in enumerate(frame.lines) if line)
    duration = frames[-1].second + _LAST
    width, height = columns * _WIDTH + 24, used * _HEIGHT + 24
    longest = max(frames, key=lambda frame: sum(map(len, frame.lines)))
    ends = [*(frame.second for frame in frames[1:]), duration]
    drawn = "\n".join(
        _draw_frame(frame, begin=frame.second / duration, end=end / duration, seconds=duration, shown=frame is longest)
        for frame, end in zip(frames, ends, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{_BACKGROUND}"/>\n'
        '<g font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14" '
        f'fill="{_COLOURS["default"]}" xml:space="preserve">\n{drawn}\n</g>\n</svg>\n'
    )


def _thin(frames: Sequence[Frame]) -> Iterator[Frame]:
    """Yield the last frame of each half second: a spinner turns more often."""
    for _, group in groupby(frames, key=lambda frame: frame.second // _EVERY):
        *_, last = group
        yield last


def _draw_frame(frame: Frame, *, begin: float, end: float, seconds: float, shown: bool) -> str:
    values, times = ("none;inline;none", f"0;{begin:.4f};{end:.4f}") if begin else ("inline;none", f"0;{end:.4f}")
    rows = []
    for number, row in enumerate(frame.rows):
        column = 0
        for text, colour in row:
            if text.strip():
                fill = "" if colour == "default" else f' fill="{_COLOURS.get(colour, f"#{colour}")}"'
                place = f'x="{12 + column * _WIDTH:.1f}" y="{12 + (number + 0.75) * _HEIGHT:.1f}"'
                length = f'textLength="{len(text.rstrip()) * _WIDTH:.1f}"'
                rows.append(f"<text {place} {length}{fill}>{escape(text.rstrip())}</text>")
            column += len(text)
    animation = (
        f'<animate attributeName="display" values="{values}" keyTimes="{times}" dur="{seconds:.1f}s" '
        'calcMode="discrete" repeatCount="indefinite"/>'
    )
    return f'<g display="{"inline" if shown else "none"}">{animation}{"".join(rows)}</g>'


class _Tunnel(socketserver.StreamRequestHandler):
    """One connection through the slow proxy: CONNECT, then bytes both ways."""

    def handle(self) -> None:
        """Connect to what the client names, and pass on what comes."""
        host, _, port = self.rfile.readline().split()[1].decode().rpartition(":")
        while self.rfile.readline().strip():
            pass
        with socket.create_connection((host, int(port)), timeout=60) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=self._send, args=(upstream,), daemon=True).start()
            with contextlib.suppress(OSError):
                while chunk := upstream.recv(1 << 16):
                    time.sleep(len(chunk) / _RATE)
                    self.wfile.write(chunk)

    def _send(self, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := self.connection.recv(1 << 16):
                upstream.sendall(chunk)


@contextlib.contextmanager
def slow_proxy() -> Iterator[str]:
    """Lend the URL of an HTTP proxy that passes on three megabytes a second, as a slow network does."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), _Tunnel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


STACK = """from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App()
stack = Stack(app, "Shop")
for name in ("orders", "reports"):
    PythonFunction(stack, name, entry=name, runtime=lambda_.Runtime.PYTHON_3_13)
app.synth()
"""
# Of the app's size and its missing lock, which aren't what is shown.
ACKNOWLEDGED = ["requirements-not-locked", "archive-over-50-mb"]
HANDLER = "import pandas\n\n\ndef handler(event, context):\n    return {'pandas': pandas.__version__}\n"


def write_app(folder: Path) -> None:
    """Write a CDK app with two functions that need pandas."""
    for name, more in {"orders": "", "reports": "pyarrow==21.0.0\n"}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "app.py").write_text(HANDLER)
        (folder / name / "requirements.txt").write_text(f"pandas==2.3.3\n{more}")
    (folder / "stack.py").write_text(STACK)
    (folder / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} stack.py", "notices": False}))


ORDERS = {
    "app.py": "import requests\n\nfrom chalicelib.prices import Prices\n\n\ndef handler(event, context):\n    return {}\n",
    "chalicelib/prices.py": "from sortedcontainers import SortedDict\n\nPrices = SortedDict\n",
    # Names no index in what is shown.
    "requirements.txt": "--no-index\n--find-links ../wheels\nrequests==2.32.5\nsortedcontainers=={version}\n",
}
WORKING, FAILING = "2.4.0", "1.5.4"
# Its dependencies, as they are shown: a new release changes no picture.
WHEELS = ("requests==2.32.5", "urllib3==2.5.0", "idna==3.10", "certifi==2025.8.3", "charset-normalizer==3.4.3")


def write_orders(folder: Path, version: str) -> None:
    """Write an app with a folder of wheels, which requires this version of sortedcontainers; FAILING can't be imported."""
    for name, text in ORDERS.items():
        path = folder / "orders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(version=version) if name == "requirements.txt" else text)
    target = ["--only-binary=:all:", "--no-deps", "--python-version=3.13", "--platform=manylinux2014_x86_64"]
    wanted = [*WHEELS, f"sortedcontainers=={WORKING}"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder / "wheels")]
    subprocess.run([*pip, *target, *wanted], check=True)
    if version == FAILING:
        # It has no wheel.
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder / "wheels")]
        subprocess.run([*wheel, f"sortedcontainers=={version}"], check=True)
    lock = [sys.executable, "-m", "cdk_lambda_package", "lock", "orders", "--runtime", "python3.13"]
    subprocess.run(lock, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def record(name: str, command: str, write: Callable[[Path], None], *, still: bool = False, status: int = 0) -> None:
    """Record a command in a new app, with an empty store, and write its SVG; it has to end with the status."""
    with tempfile.TemporaryDirectory() as folder, slow_proxy() as proxy:
        app = Path(folder, "app")
        app.mkdir()
        write(app)
        settings = {
            "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(Path(folder, "store")),
            "CDK_LAMBDA_PACKAGE_ACKNOWLEDGE": ",".join(ACKNOWLEDGED),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_PROXY": proxy,
            "LANG": "C.UTF-8",
        }
        kept = {key: value for key, value in os.environ.items() if key not in ("CI", "NO_COLOR", "FORCE_COLOR")}
        program, *arguments = command.split()
        session = run_in_terminal(
            [str(shutil.which(program, path=settings["PATH"])), *arguments],
            environment=kept | settings,
            cwd=app,
            columns=_COLUMNS,
            lines=40,
            prompt=f"$ {command}\r\n",
        )
    if session.status != status:
        sys.exit(f"{command}: status {session.status}\n{session.last}")
    drawn = draw(session, title=f"The terminal: {command}", columns=_COLUMNS, still=still)
    RECORDINGS.mkdir(exist_ok=True)
    RECORDINGS.joinpath(f"{name}.svg").write_text(drawn, encoding="utf-8")
    print(f"{name}.svg: {len(drawn):,} bytes, {session.frames[-1].second:.1f} s\n\n{session.last}\n")


SHOWN: dict[str, Callable[[str], None]] = {
    "build": lambda name: record(name, "cdk-lambda-package build orders --runtime python3.13 -o orders.zip", write_app),
    "synth": lambda name: record(name, "cdk synth --quiet", write_app),
    "check": lambda name: record(
        name,
        "cdk-lambda-package check orders --runtime python3.13",
        lambda folder: write_orders(folder, FAILING),
        still=True,
        status=1,
    ),
    "imports": lambda name: record(
        name,
        "cdk-lambda-package imports orders --runtime python3.13 --depth 1",
        lambda folder: write_orders(folder, WORKING),
        still=True,
    ),
    "explain": lambda name: record(
        name,
        "cdk-lambda-package explain orders certifi --runtime python3.13",
        lambda folder: write_orders(folder, WORKING),
        still=True,
    ),
}
"""What is recorded, by the names of the files."""


def main() -> None:
    """Record what the arguments name, or all of it."""
    for name in sys.argv[1:] or SHOWN:
        if name not in SHOWN:
            sys.exit(f"{name!r} isn't recorded; there are {', '.join(SHOWN)}.")
        SHOWN[name](name)


if __name__ == "__main__":
    main()
