"""The files that messages are about, named from the working directory, as editors and terminals open them.

Findings and errors name a file by its path in the entry directory or in the package, which is the same on each machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cdk_lambda_package.app_directory import VENDOR_FOLDER

# Where a project has its modules if they aren't beside pyproject.toml. The package has them at its top level.
_SOURCE_FOLDER = "src"
# How a message, or one of a list, begins if it is about a line of a file.
_PLACE = re.compile(r"^(  - |)([^:\n]+):(\d+): ", re.MULTILINE)


def find_own_file(entry: Path, path: str) -> Path | None:
    """Return the user's own file that a path of the entry directory or of the package stands for, None for another file.

    Example:
        `find_own_file(Path("orders"), "six.py")` is `Path("orders/vendor/six.py")` if that exists.
    """
    places = (entry / folder / path for folder in ("", VENDOR_FOLDER, _SOURCE_FOLDER))
    return next((place for place in places if os.path.lexists(place)), None)


def show_path(path: Path) -> str:
    """Return a path from the working directory, or the absolute one if that is shorter.

    Example:
        `show_path(Path("/repo/db/app.py"))` is `"db/app.py"` in `/repo`, and `"../db/app.py"` in `/repo/infrastructure`.
    """
    absolute = os.path.abspath(path)  # noqa: PTH100 - a link in it is the user's name for the place
    try:
        return min(os.path.relpath(path), absolute, key=len)
    except ValueError:
        # On Windows, there is no way from one drive to another.
        return absolute


def name_places(text: str, entry: Path) -> str:
    """Return a message in which each line that begins with a place in the entry directory names the file from here.

    Example:
        `name_places("app.py:6: 'x' is missing", Path("db"))` is `"db/app.py:6: 'x' is missing"` if db/app.py exists.
    """

    def name(match: re.Match[str]) -> str:
        own = find_own_file(entry, match[2])
        return match[0] if own is None else f"{match[1]}{show_path(own)}:{match[3]}: "

    return _PLACE.sub(name, text)
