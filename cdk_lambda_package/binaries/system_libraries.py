"""What the system under a Lambda runtime has for binaries: shared libraries, and the versions of their symbols. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from cdk_lambda_package.target import System, Target

Version = tuple[int, ...]

# Amazon Linux' compilers: gcc 7.3 and 11, by https://docs.aws.amazon.com/linux/al2023/ug/glibc-gcc-and-binutils.html.
# What their libstdc++ has: https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html (gcc 7.2 and 11.1). auditwheel's
# policies, manylinux-policy.json, agree: manylinux_2_26 allows no more than the former has, manylinux_2_34 just the
# latter; libgcc's versions are theirs. zlib's are those of 1.2.7 and of 1.2.11, which have these as the newest, by the same
# policies and by what is exported on the systems themselves (https://github.com/mayeut/pep600_compliance/tree/master/cache).
_AMAZON_LINUX_2: Mapping[str, Version] = {
    "GLIBCXX": (3, 4, 24),
    "CXXABI": (1, 3, 11),
    "GCC": (7, 0, 0),
    "ZLIB": (1, 2, 5, 2),
}
_AMAZON_LINUX_2023: Mapping[str, Version] = {
    "GLIBCXX": (3, 4, 29),
    "CXXABI": (1, 3, 13),
    "GCC": (11, 0),
    "ZLIB": (1, 2, 9),
}
# Amazon Linux 2023 got the libraries of gcc 14 in April 2025, and Lambda was behind
# (https://github.com/amazonlinux/container-images/issues/132); nobody says where Lambda is today. What they have is by the
# ABI page above (gcc 14.1) and by what is exported, as above.
_LATER: Mapping[str, Version] = {"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14, 0)}
_VERSIONS = {"Amazon Linux 2": _AMAZON_LINUX_2, "Amazon Linux 2023": _AMAZON_LINUX_2023}

LIBRARY_OF_FAMILY = {
    "GLIBC": "libc.so.6",
    "GLIBCXX": "libstdc++.so.6",
    "CXXABI": "libstdc++.so.6",
    "GCC": "libgcc_s.so.1",
    "ZLIB": "libz.so.1",
}
"""Which library has a family of symbol versions."""

SEARCHED = ("var/task", "var/task/lib", "opt/lib")
"""What of LD_LIBRARY_PATH can be filled by a package or a layer, below the root; the system's own directories come first.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""


_SEARCHED_LIBRARY = re.compile(r"(lib/)?[^/]+\.so(\.\d+)*")


def is_searched_library(path: str) -> bool:
    """Tell whether a file of the package is a shared library, by its name, in a directory that the loader searches."""
    return _SEARCHED_LIBRARY.fullmatch(path) is not None


class Presence(enum.Enum):
    """Whether the system has a library."""

    CERTAIN = enum.auto()
    POSSIBLE = enum.auto()
    """It is in the base image today, or is said to be; AWS adds and removes such libraries without notice."""
    ABSENT = enum.auto()


# Of glibc, gcc and zlib: what manylinux wheels are allowed to need (the whitelist in auditwheel's policy), without the
# desktop's libraries and those that aren't in Amazon Linux' minimal container image.
_CERTAIN = re.compile(
    r"lib(c|m)\.so\.6|lib(dl|resolv)\.so\.2|libpthread\.so\.0|lib(anl|gcc_s|mvec|rt|thread_db|util|z)\.so\.1"
    r"|libstdc\+\+\.so\.6|ld-linux-(x86-64\.so\.2|aarch64\.so\.1)"
)

# What the package managers, curl and Python itself bring into Amazon Linux' container images. libexpat shows why it
# isn't certain: it is in the image of python3.12 and not in the managed runtime
# (https://github.com/developmentseed/eoapi-cdk/pull/182); libcurl likewise
# (https://github.com/aws/aws-lambda-base-images/issues/120).
_POSSIBLE = re.compile(
    r"lib(acl|archive|assuan|atomic|attr|blkid|brotli(common|dec|enc)|bz2|cap|cap-ng|com_err|crypt|crypto|curl|db-5\.\d"
    r"|elf|expat|ffi|gcrypt|gdbm|gdbm_compat|gio-2\.0|glib-2\.0|gmodule-2\.0|gobject-2\.0|gthread-2\.0|gmp|gomp"
    r"|gpg-error|gpgme|gssapi_krb5|idn2?|itm|json-c|k5crypto|keyutils|krb5|krb5support|lber|ldap|ldap_r|lua-5\.\d|lz4|lzma"
    r"|magic|mount|ncurses|ncursesw|nettle|nghttp2|nsl|nspr4|nss3|nssutil3|nss_(dns|files|compat)|panel|panelw|pcre"
    r"|pcre2-8|plc4|plds4|popt|psl|quadmath|readline|rpm|rpmio|sasl2|selinux|sepol|smartcols|smime3|solv|sqlite3|ssh2|ssl"
    r"|ssl3|tasn1|tinfo|unistring|uuid|verto|xml2|yaml-0|zstd)\.so(\.\d+)*"
)

_PYTHON = re.compile(r"libpython(\d)(?:\.(\d+)\w*)?\.so(?:\.1\.0)?")


def symbol_versions(system: System) -> Mapping[str, Version]:
    """Return the newest symbol version that a system has, by family, such as `{"GLIBC": (2, 34), …}`, wherever it runs."""
    return {"GLIBC": system.glibc, **_VERSIONS[system.name]}


def later_symbol_versions(system: System) -> Mapping[str, Version]:
    """Return the newest versions that a system's updates have brought; where Lambda has them isn't known."""
    return {**symbol_versions(system), **(_LATER if system.name == "Amazon Linux 2023" else {})}


def find_presence(library: str, target: Target) -> Presence:
    """Tell whether the target has a shared library of this name (DT_NEEDED), besides what package and layers bring.

    Lambda's Python is in /var/lang/lib with its own shared library, which the loader finds.
    """
    own = "libpython{}.{}.so.1.0".format(*target.runtime.version)
    if library == own or _CERTAIN.fullmatch(library):
        return Presence.CERTAIN
    if library == "libpython3.so" or _POSSIBLE.fullmatch(library):
        return Presence.POSSIBLE
    return Presence.ABSENT


def read_python_version(library: str) -> tuple[int, int] | None:
    """Return which Python a library is, None for any other library."""
    match = _PYTHON.fullmatch(library)
    return (int(match[1]), int(match[2])) if match and match[2] else None


def is_of_musl(library: str) -> bool:
    """Tell whether a library, or the loader of a program, is that of musl, as Alpine Linux has it."""
    name = library.rpartition("/")[2]
    return name.startswith(("libc.musl-", "ld-musl-"))
