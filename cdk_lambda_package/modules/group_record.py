"""What is known of many files by the digest of each, in one record for a group of files.

A record for each file would be the simpler thing, but reading two thousand of them takes longer than all that is done with
what they say. For the same reason a value is decoded when it is asked for, and not with the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cdk_lambda_package.splicing.tree import Entry
from cdk_lambda_package.store import Store

# Beyond so many values in proportion to the group's files, what isn't of these is forgotten.
_SPARE, _FACTOR = 64, 4
# Part of the key: raised whenever records are laid out otherwise.
_FORMAT = "g2"
_NOTHING = b"null"


class GroupRecord:
    """Values, anything that JSON has, by the sha256 (hex) of files of a group: those of the same kind and paths.

    An edit changes one of the digests and not the group. Apps whose files have the same paths share a record, and each adds
    what it has.
    """

    def __init__(self, store: Store, kind: str, group: Sequence[Entry], context: str) -> None:
        """Read the record; `context` is what else the values depend on."""
        text = json.dumps([_FORMAT, context, sorted(entry.path for entry in group)])
        self._key = hashlib.sha256(text.encode()).hexdigest()
        self._store, self._kind, self._group = store, kind, group
        self._known = _split(store.read(kind, self._key) or b"")
        self._changed = False

    def __contains__(self, digest: str) -> bool:
        """Tell whether a file is known."""
        return digest.encode() in self._known

    def __getitem__(self, digest: str) -> Any:
        """Return the value of a file that is known."""
        text = self._known[digest.encode()]
        return None if text == _NOTHING else json.loads(text)

    def __setitem__(self, digest: str, value: Any) -> None:
        """Note the value of a file, to be kept by `save`."""
        self._known[digest.encode()] = json.dumps(value, separators=(",", ":")).encode()
        self._changed = True

    def save(self) -> None:
        """Keep what was noted, if anything was."""
        if not self._changed:
            return
        if len(self._known) > _FACTOR * len(self._group) + _SPARE:
            current = {entry.digest.encode() for entry in self._group}
            self._known = {digest: text for digest, text in self._known.items() if digest in current}
        lines = (digest + b" " + text for digest, text in self._known.items())
        self._store.write(b"\n".join(lines), self._kind, self._key)
        self._changed = False


def _split(content: bytes) -> dict[bytes, bytes]:
    """Return the text of each value; JSON without indentation has no line break."""
    rows = (line.partition(b" ") for line in content.split(b"\n")) if content else ()
    return {digest: text for digest, _, text in rows}
