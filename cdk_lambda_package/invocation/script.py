"""Stand-alone script: start Lambda's emulator, send it an event, and write the answer to a file.

It is a process of its own, so that the emulator and the function end with it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Thread
from typing import Any

# https://docs.aws.amazon.com/lambda/latest/dg/images-test.html
_PATH = "/2015-03-31/functions/function/invocations"
_PAUSE, _END_LIMIT = 0.02, 1.0


def main(path: str) -> int:
    """Do the job in a file; return 0 if there is an answer, else 1."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    port, api = _free_ports()
    argv = [
        job["emulator"],
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{api}"),
        # START, END and REPORT stay, as in Lambda's log.
        *("--log-level", "error"),
        *job["command"],
    ]
    with subprocess.Popen(
        argv,
        env=job["environment"],
        cwd=job["folder"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        answered = Event()
        log = Thread(target=_forward, args=(process, answered), daemon=True)
        log.start()
        try:
            if not _wait_for(port, process, job["start_limit"]):
                return _fail("Lambda's emulator doesn't listen.")
            return _send(port, job)
        finally:
            # What was written before the answer arrives.
            log.join(_PAUSE)
            answered.set()
            process.kill()
            log.join(_END_LIMIT)


def _forward(process: subprocess.Popen[bytes], answered: Event) -> None:
    """Write the log up to the answer: then the runtime client says that the emulator is gone."""
    assert process.stdout is not None
    # The stream is closed at the end, while a process that the function left may still hold it.
    with suppress(OSError, ValueError):
        for line in process.stdout:
            if answered.is_set():
                return
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def _free_ports() -> tuple[int, int]:
    with closing(socket.socket()) as one, closing(socket.socket()) as other:
        for found in (one, other):
            found.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(_PAUSE)
    return False


def _send(port: int, job: dict[str, Any]) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=job["time_limit"])) as connection:
        try:
            connection.request("POST", _PATH, job["event"].encode())
            answer = connection.getresponse().read()
        except (OSError, HTTPException) as error:
            return _fail(f"Lambda's emulator gives no answer: {error!r}")
    Path(job["answer"]).write_bytes(answer)
    return 0 if answer else 1


def _fail(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
