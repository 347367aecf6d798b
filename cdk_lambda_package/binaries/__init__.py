"""Binaries: the machine, the libraries and the symbol versions that each needs, and which of them Lambda can't load."""

from cdk_lambda_package.binaries.loading import (
    UNCERTAIN,
    BrokenBinary,
    Fault,
    Loader,
    broken_binaries,
    may_be_imported,
    unit_of,
)
from cdk_lambda_package.binaries.reading import (
    MAGIC_SIZE,
    BinaryFacts,
    examine_file,
    is_binary,
    is_named_as_library,
    read_binary,
)
