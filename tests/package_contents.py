"""Packages as the checks see them, made of sources."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from cdk_lambda_package.checks import PackageContents, analyse_imports
from cdk_lambda_package.layers import Layer
from cdk_lambda_package.splicing import APP, Entry
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target


def package_contents(
    files: Mapping[str, str],
    *,
    runtime: str = "python3.13",
    architecture: str = "x86_64",
    index: str = "app.py",
    layers: Sequence[Layer] = (),
    provided: Sequence[str] = (),
    store: Store | None = None,
    surroundings: str | None = None,
    **more: Any,
) -> PackageContents:
    """Return a package of files, given by their paths, and their content if that matters.

    `surroundings` is a key of all but the sources that are in no segment; by default, it is that of all files.

    A path like `vendor: json.py` or `demo==1.0: demo.py` says whose the file is; it is the app's otherwise.
    """
    sources, entries = {}, {}
    for text, source in files.items():
        owner, separator, path = text.rpartition(": ")
        content = sources[path] = source.encode(errors="replace")
        digest = hashlib.sha256(content).hexdigest()
        entries[path] = Entry(path, False, len(source), digest, owner if separator else APP)
    target = Target.parse(runtime, architecture)
    entries = dict(sorted(entries.items()))
    return PackageContents(
        target=target,
        index=index,
        handler="handler",
        entries=entries,
        imports=analyse_imports(
            entries,
            sources.__getitem__,
            target=target,
            index=index,
            binaries=more.get("binaries"),
            layers=layers,
            provided=provided,
            surroundings=surroundings,
            store=store,
        ),
        layers=tuple(layers),
        provided=tuple(provided),
        **more,
    )


def layer(*paths: str, known: bool = True) -> Layer:
    return Layer(name="layer", known=known, files=dict.fromkeys(paths, 0))
