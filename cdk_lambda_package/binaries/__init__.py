"""Binaries: the machine, the libraries and the symbol versions that each needs."""

from cdk_lambda_package.binaries.facts import BinaryFacts, BinaryKind, Defect, Format, is_of_musl, python_of_library
from cdk_lambda_package.binaries.reading import (
    MAGIC_SIZE,
    examine_file,
    is_binary,
    is_named_as_library,
    read_binary,
)

__all__ = [
    "MAGIC_SIZE",
    "BinaryFacts",
    "BinaryKind",
    "Defect",
    "Format",
    "examine_file",
    "is_binary",
    "is_named_as_library",
    "is_of_musl",
    "python_of_library",
    "read_binary",
]
