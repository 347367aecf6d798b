"""`verify`: is a .zip file archive the package that an entry directory gives?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_entry, print_findings, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import count
from cdk_lambda_package.store import Store
from cdk_lambda_package.verification import Verification, read_compiler, verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser)
    parser.add_argument(
        "--zip", type=Path, required=True, help="the .zip file archive to compare, such as a deployed one"
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        help="the manifest of that archive; it names the interpreter that compiled its bytecode, which then compiles again",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print what differs; the status says whether anything does. Raises the kinds of `PackageError`."""
    request = request_of(arguments)
    named = read_compiler(arguments.manifest) if arguments.manifest is not None else None
    with terminal_line() as progress:
        made, found = verify(request, arguments.zip, named, Store.open(arguments.cache_dir), progress)
    print_findings(made.findings, request.entry_path)
    if arguments.format == "json":
        report = {
            "zip": str(arguments.zip),
            "same": not found.differences,
            "content_digest": found.content_digest,
            "files": found.files,
            "differences": [one._asdict() for one in found.differences],
            "compared_by_source": {"files": list(found.by_source), "reason": found.why_by_source},
        }
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(_format(found, arguments)))
    return FAILED if found.differences else 0


def _format(found: Verification, arguments: argparse.Namespace) -> list[str]:
    files = count(found.files, "file")
    if found.differences:
        verdict = f"{arguments.zip} isn't the package of {arguments.entry}, of {files}: {count(len(found.differences), 'difference')}"
    else:
        verdict = f"{arguments.zip} is the package of {arguments.entry}: {files}"
    # The names are those of an archive that anybody may have made.
    rows = (
        f"  {one.kind:<8} {one.path if one.path.isprintable() else repr(one.path)}{one.reason and f': {one.reason}'}"
        for one in found.differences
    )
    weaker = [
        f"{count(len(found.by_source), '.pyc file')} compared by magic number and source hash alone: {found.why_by_source}."
    ]
    return [verdict, *rows, *(weaker if found.by_source else [])]
