"""Pipfile.lock, read by pipenv."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.locks.lock_format import read_toml
from cdk_lambda_package.locks.lookup import PinnedFormat

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class Format(PinnedFormat):
    """A lock with versions and hashes in categories, of which `packages` is the default."""

    command = "pipenv lock"
    project = "Pipfile"

    def export(self, copy: Path) -> str:
        """Return the requirements that `pipenv requirements` prints."""
        lock, groups, extras = self.lock, self.request.groups, self.request.extras
        if extras:
            raise LockError(
                f"{lock.path} knows no extras, so extras {', '.join(extras)} aren't available; name its package "
                "categories with packaging=Packaging(groups=[…])."
            )
        known = read_toml(lock.folder / self.project)
        if missing := [name for name in groups if name not in known]:
            names = sorted(name for name, value in known.items() if isinstance(value, dict) and name != "requires")
            raise LockError(f"groups {', '.join(missing)}: {lock.folder / self.project} has only {', '.join(names)}.")
        pipenv = self.find_tool("pipenv", "pipx install pipenv")
        variables = {"PIPENV_DONT_LOAD_ENV": "1", "PIPENV_VERBOSITY": "-1"}
        if self.run([pipenv, "verify"], copy, **variables).status:
            raise LockError(f"{lock.path} is out of date against Pipfile; run `pipenv lock`.")
        # pipenv takes several categories only together with the default one.
        argv = [pipenv, "requirements", "--hash", "--categories", " ".join(["packages", *groups])]
        return self.checked(self.run(argv, copy, **variables), argv).output

    def own_names(self) -> frozenset[str]:
        """Return the normalised names in the categories that are packaged."""
        tables = [self.settings.get(key, {}) for key in ("packages", *self.request.groups)]
        return frozenset(canonicalize_name(name) for table in tables for name in table)

    def index_urls(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield the sources with credentials, whose variables pipenv expands (https://pipenv.pypa.io/en/latest/credentials.html)."""
        for source in self.settings.get("source", ()):
            url = _VARIABLE.sub(lambda match: environ.get(match[1] or match[2], match[0]), str(source.get("url")))
            yield from [url] if "@" in url else []
