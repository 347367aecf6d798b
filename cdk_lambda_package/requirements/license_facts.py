"""What a distribution's METADATA says of its licence, as it says it. Pure."""

from __future__ import annotations

from email.message import Message
from typing import Any

_CLASSIFIER = "License :: "
# Longer than any name or expression: some put the licence itself into the field.
_LONGEST = 200


def read_license(metadata: Message) -> dict[str, Any]:
    """Return `expression`, `text` and `classifiers`, as far as they are there.

    https://packaging.python.org/specifications/core-metadata/: License-Expression is SPDX's, License free text, which
    is kept if it is one line, and Classifier one of a list.
    """
    text = str(metadata["License"] or "").strip()
    is_name = len(text) <= _LONGEST and "\n" not in text and text.upper() != "UNKNOWN"
    classifiers = [str(line) for line in metadata.get_all("Classifier", []) if str(line).startswith(_CLASSIFIER)]
    found = {
        "expression": str(metadata["License-Expression"] or "").strip(),
        "text": text if is_name else "",
        "classifiers": sorted(classifiers),
    }
    return {name: value for name, value in found.items() if value}
