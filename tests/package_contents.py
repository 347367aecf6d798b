"""Packages as the checks see them, made of sources."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.modules.facts import ModuleFacts
from cdk_lambda_package.modules.layers import Layer
from cdk_lambda_package.modules.reader import read_module
from cdk_lambda_package.splicing.tree import APP, Entry
from cdk_lambda_package.target import Target


def package_contents(
    files: Mapping[str, str],
    *,
    runtime: str = "python3.13",
    architecture: str = "x86_64",
    index: str = "app.py",
    layers: Sequence[Layer] = (),
    **more: Any,
) -> PackageContents:
    """Return a package of files, given by their paths, and their content if that matters.

    A path like `vendor: json.py` or `demo==1.0: demo.py` says whose the file is; it is the app's otherwise.
    """
    sources, entries = {}, {}
    for text, source in files.items():
        owner, separator, path = text.rpartition(": ")
        sources[path] = source
        digest = hashlib.sha256(source.encode(errors="replace")).hexdigest()
        entries[path] = Entry(path, False, len(source), digest, owner if separator else APP)
    target = Target.parse(runtime, architecture)

    def read(path: str) -> ModuleFacts:
        return read_source(sources[path], target.runtime.version)

    return PackageContents(
        target=target,
        index=index,
        handler="handler",
        entries=dict(sorted(entries.items())),
        module_facts=read,
        layers=tuple(layers),
        **more,
    )


@cache
def read_source(source: str, python: tuple[int, int]) -> ModuleFacts:
    return read_module(source.encode(errors="replace"), python)


def layer(*paths: str, known: bool = True) -> Layer:
    return Layer(name="layer", known=known, files=dict.fromkeys(paths, 0))
