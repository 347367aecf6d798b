"""Lambda's Python runtimes and the operating systems that they run on: one row for each runtime.

A new runtime is one `Runtime` in `RUNTIMES`; if it runs on a new system, that row has a `System` of its own.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

SymbolVersion = tuple[int, ...]
"""A version of a library's symbols, such as `(3, 4, 29)` for GLIBCXX_3.4.29."""

LIBRARY_OF_FAMILY = {
    "GLIBC": "libc.so.6",
    "GLIBCXX": "libstdc++.so.6",
    "CXXABI": "libstdc++.so.6",
    "GCC": "libgcc_s.so.1",
    "ZLIB": "libz.so.1",
}
"""The library that defines each family of symbol versions."""

# The libraries of glibc, gcc and zlib that manylinux wheels may need (the whitelist in auditwheel's policy), without those
# of a desktop and those that aren't in the minimal container image of Amazon Linux.
_GLIBC_AND_GCC = (
    r"lib(c|m)\.so\.6|lib(dl|resolv)\.so\.2|libpthread\.so\.0|lib(anl|gcc_s|mvec|rt|thread_db|util|z)\.so\.1"
    r"|libstdc\+\+\.so\.6|ld-linux-(x86-64\.so\.2|aarch64\.so\.1)"
)

# The libraries that package managers, curl and Python itself add to the container images of Amazon Linux. libexpat shows why
# they aren't certain: it is in the image of python3.12 and not in the managed runtime
# (https://github.com/developmentseed/eoapi-cdk/pull/182); libcurl likewise
# (https://github.com/aws/aws-lambda-base-images/issues/120). GLib isn't among them: functions that need libgobject or libgthread
# fail on Lambda, although the container images have it for their package manager.
_OF_AMAZON_LINUX_IMAGES = (
    r"lib(archive|assuan|blkid|brotli(common|dec|enc)|cap-ng|gcrypt|gpg-error|gpgme|idn|json-c|keyutils|krb5support"
    r"|lber|lber-2\.4|ldap|ldap-2\.4|ldap_r|ldap_r-2\.4|lua-5\.\d|mount|nsl|nspr4|nss3|nssutil3|nss_(dns|files|compat)"
    r"|pcre2-8|plc4|plds4|popt|psl|rpm|rpmio|sasl2|sepol|smartcols|smime3|solv|ssl3|tasn1|unistring|verto)\.so(\.\d+)*"
)

# Libraries whose whole name both systems share: a program that was built for another number can't load them. Debian has other
# numbers for some, such as libbz2.so.1.0 and libpcre.so.3, and older systems for libncurses.so.5 and libtinfo.so.5.
_NUMBERED = (
    r"|lib(acl|atomic|attr|bz2|elf|expat|gomp|itm|lz4|magic|pcre|selinux|ssh2|uuid|zstd)\.so\.1|lib(cap|com_err|xml2|yaml-0)\.so\.2"
    r"|lib(gssapi_krb5)\.so\.2|lib(k5crypto|krb5)\.so\.3|libcurl\.so\.4|liblzma\.so\.5|lib(ncursesw?|panelw?|tinfo)\.so\.6"
    r"|libgmp\.so\.10|libnghttp2\.so\.14|lib(idn2|quadmath|sqlite3)\.so\.0|libdb-5\.3\.so|libgdbm_compat\.so\.4"
)
# Those that differ: OpenSSL 1.0.2 and 1.1.1, libffi 3.0, readline 6 and glibc's libcrypt are those of Amazon Linux 2; OpenSSL 3,
# libffi 3.4, readline 8 and libxcrypt without its compatibility package those of Amazon Linux 2023
# (https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html, and the lists of packages of both releases there).
_NUMBERED_OF_AMAZON_LINUX_2 = rf"{_NUMBERED}|lib(ssl|crypto)\.so\.(10|1\.0\.\w+|1\.1)|lib(ffi|readline)\.so\.6|libcrypt\.so\.1|lib(gdbm|nettle)\.so\.4"
_NUMBERED_OF_AMAZON_LINUX_2023 = (
    rf"{_NUMBERED}|lib(ssl|crypto)\.so\.3|lib(ffi|readline|nettle)\.so\.8|libcrypt\.so\.2|libgdbm\.so\.6"
)


class LibraryPresence(enum.Enum):
    """Whether a system has a shared library."""

    CERTAIN = enum.auto()
    POSSIBLE = enum.auto()
    """The base image has it today, or is said to; AWS adds and removes such libraries without notice."""
    ABSENT = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """An operating system that Lambda runtimes run on.

    `symbols` are the newest symbol versions of the compiler's libraries and zlib wherever Lambda runs the system;
    `updated_symbols` those that updates of the system have brought, which Lambda may or may not have.
    `certain_libraries` and `possible_libraries` are regular expressions for file names of shared libraries.

    Example:
        `System(name="Amazon Linux 2023", glibc=(2, 34), symbols={"GLIBCXX": (3, 4, 29), …})`
    """

    name: str
    glibc: tuple[int, int]
    symbols: Mapping[str, SymbolVersion] = field(hash=False)
    updated_symbols: Mapping[str, SymbolVersion] = field(default_factory=dict, hash=False)
    certain_libraries: str = _GLIBC_AND_GCC
    possible_libraries: str = _OF_AMAZON_LINUX_IMAGES + _NUMBERED_OF_AMAZON_LINUX_2023

    @property
    def symbol_versions(self) -> Mapping[str, SymbolVersion]:
        """The newest version of each family that the system has wherever it runs, such as `{"GLIBC": (2, 34), …}`."""
        return {"GLIBC": self.glibc, **self.symbols}

    @property
    def updated_symbol_versions(self) -> Mapping[str, SymbolVersion]:
        """The newest version of each family in the system's updates; Lambda may not have them yet."""
        return {**self.symbol_versions, **self.updated_symbols}

    def library_presence(self, library: str) -> LibraryPresence:
        """Tell whether the system has a shared library of this file name (DT_NEEDED)."""
        return _library_presence(library, self.certain_libraries, self.possible_libraries)


@cache
def _library_presence(library: str, certain: str, possible: str) -> LibraryPresence:
    # Remembered, since each of hundreds of binaries needs the same few libraries.
    if re.fullmatch(certain, library):
        return LibraryPresence.CERTAIN
    return LibraryPresence.POSSIBLE if re.fullmatch(possible, library) else LibraryPresence.ABSENT


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """A Python runtime of Lambda.

    `full_version` is the patch release in the runtime's base image. AWS raises it without notice. Markers on
    `python_full_version` get the oldest release that was seen, so that a backport needed there is never left out.

    Example:
        `Runtime(version=(3, 13), full_version="3.13.0", system=System(…)).name` is `"python3.13"`.
    """

    version: tuple[int, int]
    full_version: str
    system: System

    @property
    def name(self) -> str:
        """Lambda's identifier, such as `python3.13`."""
        return f"python{self.version[0]}.{self.version[1]}"

    def library_presence(self, library: str) -> LibraryPresence:
        """Tell whether the runtime has a shared library of this file name, besides those of packages and layers.

        Lambda's Python is in /var/lang/lib with its own shared library, which the loader finds.
        """
        if library == "libpython{}.{}.so.1.0".format(*self.version):
            return LibraryPresence.CERTAIN
        return LibraryPresence.POSSIBLE if library == "libpython3.so" else self.system.library_presence(library)


# Compilers: gcc 7.3 and 11, by https://docs.aws.amazon.com/linux/al2023/ug/glibc-gcc-and-binutils.html. The symbols of
# their libstdc++: https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html (gcc 7.2 and 11.1). auditwheel's policies
# (manylinux-policy.json) agree: manylinux_2_26 allows no more than the former has, manylinux_2_34 exactly the latter; the
# versions of libgcc are from there. zlib: the newest symbols of 1.2.7 and 1.2.11, by the same policies and by the exports
# of the systems themselves (https://github.com/mayeut/pep600_compliance/tree/master/cache).
_AMAZON_LINUX_2 = System(
    name="Amazon Linux 2",
    glibc=(2, 26),
    symbols={"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0), "ZLIB": (1, 2, 5, 2)},
    possible_libraries=_OF_AMAZON_LINUX_IMAGES + _NUMBERED_OF_AMAZON_LINUX_2,
)
_AMAZON_LINUX_2023 = System(
    name="Amazon Linux 2023",
    glibc=(2, 34),
    symbols={"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (11, 0), "ZLIB": (1, 2, 9)},
    # Amazon Linux 2023 got the libraries of gcc 14 in April 2025, Lambda later
    # (https://github.com/amazonlinux/container-images/issues/132), and AWS doesn't say which Lambda has today. Symbols: by
    # the ABI page above (gcc 14.1), and by the exports, as above.
    updated_symbols={"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14, 0)},
)

# Sources: the system of each runtime is in the table of https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html;
# glibc is `ldd --version` and the patch release `python3 -VV` in the image public.ecr.aws/lambda/python:<version>.
RUNTIMES: tuple[Runtime, ...] = (
    Runtime(version=(3, 9), full_version="3.9.19", system=_AMAZON_LINUX_2),
    Runtime(version=(3, 10), full_version="3.10.14", system=_AMAZON_LINUX_2),
    Runtime(version=(3, 11), full_version="3.11.9", system=_AMAZON_LINUX_2),
    Runtime(version=(3, 12), full_version="3.12.3", system=_AMAZON_LINUX_2023),
    Runtime(version=(3, 13), full_version="3.13.0", system=_AMAZON_LINUX_2023),
    Runtime(version=(3, 14), full_version="3.14.0", system=_AMAZON_LINUX_2023),
)
"""The runtimes that packages can be made for, from the oldest to the newest."""
