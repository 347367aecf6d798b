"""A throw-away PostgreSQL on the loopback interface, from what Debian's package installs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import free_port, running, wait_for_port

# PostgreSQL refuses to run as root; the package has a user for it.
USERS = ("postgres", "nobody")


def find_programs() -> Path | None:
    """Return the newest installed version's programs; Debian doesn't put them on PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Start an empty server that trusts everybody on this machine; yield libpq's connection string."""
    # Not below pytest's folder, into which another user may not look.
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder, port = Path(name), free_port()
        as_user = become_user(folder)
        data, log = folder / "data", Path(name).with_suffix(".log")
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run([*as_user, *initdb], check=True, capture_output=True, cwd=folder)
        server = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        try:
            with running([*as_user, *map(str, server)], log=log, environment=os.environ, cwd=folder) as process:
                wait_for_port(port, process, log)
                yield f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
        finally:
            log.unlink()


def become_user(folder: Path) -> list[str]:
    """Return the words before a command that make it run as another user if this one is root."""
    if os.name != "posix" or os.geteuid() != 0:
        return []
    import grp
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in USERS if name in known)
    shutil.chown(folder, user)
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    # Not runuser, which stays in between and kills the server two seconds after it is told to stop.
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--"]
