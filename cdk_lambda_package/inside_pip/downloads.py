"""Have each file asked for once, by any number of processes: what pip downloads is shared through the store.

Loaded by `target.py` in pip's process; imports only the standard library, pip, its siblings, `urls.py` and `file_locks.py`. A
file whose sha256 is known is in the store under it. What a URL without one led to is remembered, and believed for as long as
the answer to a request of our own could be as old: a process that waited for another one's download needn't ask again, and a
build that starts later asks. The files of an index don't change under their names, so these are believed for a minute more.

A lock is held for one download. Without locks, or with a store that nothing can be written to, pip downloads as ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mimetypes
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pip._internal.exceptions import InstallationError
from pip._internal.network.download import Downloader
from pip._internal.operations import prepare

from cdk_lambda_package.file_locks import held, lock_name
from cdk_lambda_package.inside_pip.progress import say
from cdk_lambda_package.inside_pip.sizes import Sizes
from cdk_lambda_package.inside_pip.target import replace
from cdk_lambda_package.urls import file_sha256, without_rotating

Json = dict[str, Any]

# Seconds for which the file of an index is the same, if the index has no hash of it.
_SAME_MOMENT = 60.0
# A use is written down once a day, as `store.py` does it.
_USES_COUNT_FOR = 24 * 3600


class Downloads:
    """The store as the place where downloads come from and go to; the job says where it is."""

    def __init__(self, job: Json, sizes: Sizes) -> None:
        self._sizes, shared = sizes, job["downloads"]
        self._bases = [Path(base) for base in shared["bases"]]
        self._locks, self._workspace = Path(shared["locks"]), Path(shared["workspace"])
        self._started: float = shared["started"]
        # A URL may be redirected to a host that another build was allowed to ask.
        self._hosts = json.dumps(job["only_index"])
        self._is_limited = job["only_index"] is not None
        self._wanted: str | None = None
        self._mark: str = job["progress"]

    def attach(self) -> None:
        """Stand between pip and every file that it downloads."""
        replace(prepare, "get_http_url", self._get)
        replace(Downloader, "__call__", self._download)
        replace(prepare, "get_file_url", _get_local)

    def _get(self, original: Callable[..., Any], link: Any, *args: Any, **options: Any) -> Any:
        """Note the hash that the user's requirements demand of the file."""
        allowed = getattr(options.get("hashes"), "_allowed", {}).get("sha256", ())
        self._wanted = allowed[0] if len(allowed) == 1 else None
        try:
            return original(link, *args, **options)
        finally:
            self._wanted = None

    def _download(self, original: Callable[..., Any], downloader: Any, link: Any, location: str) -> tuple[str, str]:
        """Return the path of the file in a directory, and its content type."""
        sha256 = self._wanted or next(iter(link.as_hashes()._allowed.get("sha256", ())), None)
        url = without_rotating(link.url_without_fragment)
        key = hashlib.sha256(f"{url}\0{self._hosts}".encode(errors="surrogateescape")).hexdigest()

        def find() -> tuple[str, str] | None:
            # Where hosts are limited, the file has to be what this URL led to under the same limits.
            if sha256 and not self._is_limited:
                return self._take(sha256, link, location)
            return self._take_url(key, link, location, sha256)

        if (found := find()) is not None:
            self._sizes.add(link, found[0])
            return found
        self._sizes.check(link)
        with held(
            self._locks / lock_name("downloads", sha256 or key), doing=f"downloads {link.filename}", notice=self._notice
        ):
            if (found := find()) is not None:
                self._sizes.add(link, found[0])
                return found
            path, content_type = original(downloader, link, location)
            self._sizes.add(link, path)
            # A full disk, or a store that is cleared at this moment.
            with contextlib.suppress(OSError):
                actual = file_sha256(Path(path))
                if actual == (sha256 or actual):
                    self._keep(Path(path), _kind(link), actual, link)
                if sha256 is None or self._is_limited:
                    self._remember(key, {"sha256": actual, "content_type": content_type, "ended": time.time()})
        return path, content_type

    def _notice(self, text: str) -> None:
        say(self._mark, note=text)

    def _take(self, sha256: str, link: Any, location: str, content_type: str = "") -> tuple[str, str] | None:
        """Copy a file of the store into a directory, if the store has it whole."""
        for base in self._bases:
            folder = base / _kind(link) / sha256
            with contextlib.suppress(OSError):
                # A lock may have had another spelling of a wheel's name; pip goes by that of the link.
                for path in sorted(folder.iterdir()):
                    if _is_whole(path, sha256):
                        name = link.filename if link.is_wheel else path.name
                        target = os.path.join(location, name)
                        shutil.copyfile(path, target)
                        return target, content_type or mimetypes.guess_type(name)[0] or ""
        return None

    def _take_url(self, key: str, link: Any, location: str, sha256: str | None) -> tuple[str, str] | None:
        """Copy what a URL led to: a moment ago, or whenever it was the file with that hash."""
        is_of_index = link.comes_from is not None or link.filename.endswith(".metadata")
        since = self._started - (_SAME_MOMENT if is_of_index else 0.0)
        for base in self._bases:
            with contextlib.suppress(OSError, ValueError):
                path = base / "urls" / key
                if not stat.S_ISREG(path.lstat().st_mode):
                    continue
                digest, _, content = path.read_bytes().partition(b"\n")
                if digest != hashlib.sha256(content).hexdigest().encode():
                    continue
                row = json.loads(content)
                if row["sha256"] == sha256 or (sha256 is None and row["ended"] >= since):
                    return self._take(row["sha256"], link, location, row["content_type"])
        return None

    def _keep(self, path: Path, kind: str, sha256: str, link: Any) -> None:
        target = self._bases[0] / kind / sha256 / (link.filename if link.is_wheel else path.name)
        temporary = self._workspace / f"download-{os.urandom(8).hex()}"
        try:
            # pip only reads it, and removes its own name of it.
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)
        self._place(temporary, target)

    def _remember(self, key: str, row: Json) -> None:
        content = json.dumps(row).encode()
        temporary = self._workspace / f"download-{os.urandom(8).hex()}"
        temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        self._place(temporary, self._bases[0] / "urls" / key)

    def _place(self, temporary: Path, target: Path) -> None:
        """Move a finished file into the store."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)


def _get_local(original: Callable[..., Any], link: Any, *args: Any, **options: Any) -> Any:
    """Refuse a device or a pipe, which pip would read for ever."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(Path(link.file_path).stat().st_mode):
            raise InstallationError(f"{link.file_path} is not a regular file")
    return original(link, *args, **options)


def _kind(link: Any) -> str:
    return "wheels" if link.is_wheel else "downloads"


def _is_whole(path: Path, sha256: str) -> bool:
    """Tell whether a path is a file with that digest; what was altered makes room."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return False
    if file_sha256(path) != sha256:
        path.unlink()
        return False
    now = time.time()
    if found.st_mtime < now - _USES_COUNT_FOR:
        with contextlib.suppress(OSError):
            os.utime(path, (now, now))
    return True
