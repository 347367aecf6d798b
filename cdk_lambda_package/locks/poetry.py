"""poetry.lock, read by poetry's export plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from cdk_lambda_package.errors import LockError, ToolError
from cdk_lambda_package.locks.lookup import PinnedFormat
from cdk_lambda_package.locks.own_project import is_package
from cdk_lambda_package.toml_files import PyProject
from cdk_lambda_package.variables import OutsideName, ReadBy

_CREDENTIALS = OutsideName(
    "POETRY_HTTP_BASIC_",
    read_by=ReadBy.TOOLS,
    meaning="With a `poetry.lock`, the credentials of a source: `POETRY_HTTP_BASIC_NAME_USERNAME` and `POETRY_HTTP_BASIC_NAME_PASSWORD`.",
    default="none",
)


class Format(PinnedFormat):
    """A lock with versions and hashes."""

    command = "poetry lock"
    no_project = "set `package-mode = false` in [tool.poetry] of its pyproject.toml"

    def installs_project(self) -> bool:
        """Tell whether poetry would install the project: its lock and its export have only what that requires."""
        return self.lock.folder == self.request.entry and is_package(self.request.entry)

    def export(self, copy: Path) -> str:
        """Return the requirements that `poetry export` writes."""
        lock, request, output = self.lock, self.request, copy / "exported.txt"
        argv = [self.find_tool("poetry", "pipx install poetry && pipx inject poetry poetry-plugin-export"), "export"]
        argv += ["--no-interaction", "--no-ansi", "--format=requirements.txt", f"--output={output}"]
        argv += [f"--with={name}" for name in request.groups] + [f"--extras={name}" for name in request.extras]
        finished = self.run(argv, copy, POETRY_VIRTUALENVS_CREATE="false")
        if finished.status and "command export does not exist" in finished.output:
            raise ToolError(
                f"{lock.path} is read by poetry's export plugin, which isn't installed: run `poetry self add "
                "poetry-plugin-export`, or `pipx inject poetry poetry-plugin-export`."
            )
        if finished.status and "changed significantly" in finished.output:
            raise LockError(f"{lock.path} is out of date against pyproject.toml; run `poetry lock`.")
        self.checked(finished, argv)
        return output.read_text(encoding="utf-8") if output.exists() else ""

    def index_urls(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield the sources that have credentials (https://python-poetry.org/docs/repositories/#configuring-credentials)."""
        for source in self.settings(PyProject).get("tool", {}).get("poetry", {}).get("source", ()):
            prefix = f"{_CREDENTIALS}{re.sub(r'[-.]', '_', str(source.get('name'))).upper()}"
            user, password = (environ.get(f"{prefix}_{what}", "") for what in ("USERNAME", "PASSWORD"))
            if (user or password) and isinstance(source.get("url"), str):
                yield source["url"].replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@", 1)
