"""RECORD, the list of a distribution's files that `importlib.metadata.files()` reads."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable

from cdk_lambda_package.splicing.segment import Member


def write_record(members: Iterable[Member], record: str) -> bytes:
    """Return the RECORD of an installed distribution: path, sha256 and size of each file, itself without the two.

    https://packaging.python.org/specifications/recording-installed-packages/#the-record-file
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for member in sorted(members):
        digest = base64.urlsafe_b64encode(bytes.fromhex(member.digest)).rstrip(b"=").decode()
        rows.writerow((member.path, f"sha256={digest}", member.size))
    rows.writerow((record, "", ""))
    return text.getvalue().encode()
