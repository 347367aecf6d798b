"""What the app's own modules share."""

import platform


def answer(**parts: str) -> dict[str, str]:
    """Return the parts with the Python that runs the function."""
    return {**parts, "python": platform.python_version()}
