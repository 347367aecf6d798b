"""What pip's log says of a build: whom it asked, and why it failed. Pure but for reading the file.

With a log pip shows less on its output; what it would have shown is in the log.
"""

from __future__ import annotations

import re
from pathlib import Path

from cdk_lambda_package.urls import host_of

# How pips say it: of a connection, of a file that their cache may have, and of a checkout.
_REQUESTS = re.compile(r'(https?://\S+) "[A-Z]+ /|Looking up "(https?://[^"]+)" in the cache|Cloning (\S+://\S+)')
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\S+ ?", re.MULTILINE)
# Behind the output of a command that failed, pip's own lines about it.
_ABOUT = ("ERROR: ", "[bold ")


def read_hosts(log: Path) -> tuple[str, ...]:
    """Return the hosts that a build asked for what it needs, with ports that aren't usual; sorted."""
    found = (host_of(match[1] or match[2] or match[3]) for match in _REQUESTS.finditer(_read(log)))
    return tuple(
        sorted({f"{host}:{port}" if port not in (None, 80, 443) else host for host, port in filter(None, found)})
    )


def read_failure(log: Path) -> str:
    """Return what the command said that failed, if one did."""
    before, failed, _ = _TIME.sub("", _read(log)).partition(": finished with status 'error'")
    lines = before.rpartition("Running command ")[2].splitlines()[1:-1] if failed else []
    return "\n".join(line for line in lines if not line.strip().startswith(_ABOUT))


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
