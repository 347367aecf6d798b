"""What checks worked out of files that are the same again, kept in the store."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cdk_lambda_package.modules.facts_reader import FORMAT
from cdk_lambda_package.store import Store

_KIND = "notes"


class StoredNotes:
    """The `Notes` of a store; `version` is that of the checks, which is part of every key, as that of modules' facts is."""

    def __init__(self, store: Store, version: str) -> None:
        self._store, self._version = store, version

    def get(self, key: str) -> Any | None:
        """Return what was kept under a key."""
        content = self._store.read(_KIND, self._extend(key))
        return None if content is None else json.loads(content)

    def keep(self, key: str, value: Any) -> None:
        """Keep a value for later checks."""
        self._store.write(json.dumps(value, separators=(",", ":")).encode(), _KIND, self._extend(key))

    def _extend(self, key: str) -> str:
        return hashlib.sha256(json.dumps([FORMAT, self._version, key]).encode()).hexdigest()
