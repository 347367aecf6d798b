"""What is known of many files by the digest of each, in one record for a group of files.

A record for each file would be the simpler thing, but reading two thousand of them takes longer than all that is done with
what they say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cdk_lambda_package.store import Store
from cdk_lambda_package.tree import Entry

# Beyond so many values in proportion to the group's files, what isn't of these is forgotten.
_SPARE, _FACTOR = 64, 4


class GroupRecord:
    """Values, anything that JSON has, by the sha256 (hex) of files of a group: those of the same kind and paths.

    An edit changes one of the digests and not the group. Apps whose files have the same paths share a record, and each adds
    what it has.
    """

    def __init__(self, store: Store, kind: str, group: Sequence[Entry], context: str) -> None:
        """Read the record; `context` is what else the values depend on."""
        text = json.dumps([context, sorted(entry.path for entry in group)])
        self._key = hashlib.sha256(text.encode()).hexdigest()
        self._store, self._kind, self._group = store, kind, group
        self._known: dict[str, Any] = json.loads(store.read(kind, self._key) or b"{}")
        self._changed = False

    def __contains__(self, digest: str) -> bool:
        """Tell whether a file is known."""
        return digest in self._known

    def __getitem__(self, digest: str) -> Any:
        """Return the value of a file that is known."""
        return self._known[digest]

    def __setitem__(self, digest: str, value: Any) -> None:
        """Note the value of a file, to be kept by `save`."""
        self._known[digest] = value
        self._changed = True

    def save(self) -> None:
        """Keep what was noted, if anything was."""
        if not self._changed:
            return
        if len(self._known) > _FACTOR * len(self._group) + _SPARE:
            current = {entry.digest for entry in self._group}
            self._known = {digest: value for digest, value in self._known.items() if digest in current}
        self._store.write(json.dumps(self._known, separators=(",", ":")).encode(), self._kind, self._key)
        self._changed = False
