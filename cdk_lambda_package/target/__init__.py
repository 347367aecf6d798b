"""Facts about AWS Lambda, each written once: runtimes and their systems, what a target accepts, limits, preinstalled packages.

Nothing in here asks the host or the network.
"""

from cdk_lambda_package.target.bytecode import HEAD_SIZE, BytecodeHead, magic_number, source_hash, unused_caches
from cdk_lambda_package.target.preinstalled import (
    PREINSTALLED,
    RELEASED_TOGETHER,
    RUNTIME_REQUIREMENTS,
    SDK,
    is_preinstalled,
    preinstalled_modules,
    requirements_of,
)
from cdk_lambda_package.target.runtimes import (
    LIBRARY_OF_FAMILY,
    RUNTIMES,
    LibraryPresence,
    Runtime,
    SymbolVersion,
    System,
)
from cdk_lambda_package.target.standard_library import (
    BACKPORTS,
    ModulePresence,
    PythonVersion,
    absence_of,
    absent_names,
    alternative_to,
    arrival_of,
    has_name,
    is_always_loaded,
    is_known_version,
    removal_of,
    standard_presence,
)
from cdk_lambda_package.target.target import (
    LARGEST_PACKAGE,
    LARGEST_UPLOAD,
    LIBRARY_FOLDERS,
    UNKNOWABLE_VARIABLES,
    Architecture,
    Target,
    is_on_library_path,
    manylinux_glibc,
)
