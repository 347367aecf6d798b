"""Compiles modules of a segment, and keeps what that makes in the store: segments of .pyc files, or single files.

The bytecode of a wheel's modules is one segment, an overlay of the wheel's own. It is made once for each interpreter, place on Lambda
and set of modules. The modules of the user's own files are kept one by one, since an edit changes few of them.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from cdk_lambda_package.decoding import decode
from cdk_lambda_package.errors import ToolError
from cdk_lambda_package.interpreters import Compiler
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.processes import Worker
from cdk_lambda_package.splicing import Segment, made_segment
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import PythonVersion

SCRIPT = Path(__file__).with_name("script.py")
# Raise it whenever the same source would give other bytes.
_FORMAT = "bytecode 1"
_KIND = "bytecode"
# Seconds; the largest packages take a tenth.
_TIME_LIMIT = 300.0


class CompiledModule(NamedTuple):
    """A module to compile: the path of its source in the package, the sha256 (hex) of that, and whether Python checks it when it loads."""

    path: str
    digest: str
    checked: bool


def bytecode_path(source: str, version: PythonVersion) -> str:
    """Return the path of a module's .pyc file (PEP 3147).

    Example:
        `bytecode_path("pkg/a.py", (3, 13))` is `"pkg/__pycache__/a.cpython-313.pyc"`.
    """
    path = PurePosixPath(source)
    return str(path.parent / "__pycache__" / "{}.cpython-{}{}.pyc".format(path.stem, *version))


def identity_of(module: CompiledModule, compiler: Compiler) -> str:
    """Return what stands for a .pyc file in the digest of a package's content, as sha256 (hex).

    Its bytes may differ between patch releases of the interpreter; what they mean to Lambda is told by the source and the magic number.
    """
    return hashlib.sha256(f"bytecode {compiler.magic} {module.checked:d} {module.digest}".encode()).hexdigest()


class Compilation(NamedTuple):
    """What is needed to compile: the interpreter and its program, and the folder of the package on Lambda, such as /var/task."""

    compiler: Compiler
    program: str
    place: str

    def key(self, *parts: object) -> str:
        """Return the key of what is compiled by it, from these parts."""
        return key_of(_FORMAT, self.compiler, self.place, *parts)


def compile_wheel(
    segment: Segment,
    modules: Sequence[CompiledModule],
    read: Callable[[str], bytes],
    version: PythonVersion,
    compilation: Compilation,
    store: Store,
) -> Segment:
    """Return the segment with the bytecode of some modules of a wheel; `read` returns the source at a path.

    What can't be compiled isn't in it. Raises `ToolError` if the interpreter doesn't do its work.
    """

    def make() -> Iterable[tuple[str, bytes]]:
        compiled = _compile({module: read(module.path) for module in modules}, compilation)
        return ((bytecode_path(path, version), content) for (path, *_), content in compiled if content is not None)

    return made_segment(compilation.key(segment.key, modules), make, store)


def compile_own(
    modules: Sequence[CompiledModule],
    read: Callable[[str], bytes],
    version: PythonVersion,
    compilation: Compilation,
    store: Store,
) -> Segment:
    """Return the segment with the bytecode of the user's own modules, of which those that were edited are compiled."""

    def make() -> Iterable[tuple[str, bytes]]:
        keys = {module: compilation.key(module) for module in modules}
        known = {module: store.read(_KIND, key) for module, key in keys.items()}
        missing = {module: read(module.path) for module, content in known.items() if content is None}
        for module, content in _compile(missing, compilation):
            known[module] = content or b""
            store.write(content or b"", _KIND, keys[module])
        return ((bytecode_path(module.path, version), content) for module, content in known.items() if content)

    return made_segment(compilation.key(modules), make, store)


def _compile(
    sources: dict[CompiledModule, bytes], compilation: Compilation
) -> Iterable[tuple[CompiledModule, bytes | None]]:
    if not sources:
        return []
    jobs = [
        {
            "place": f"{compilation.place}/{module.path}",
            "checked": module.checked,
            "source": base64.b64encode(source).decode(),
        }
        for module, source in sources.items()
    ]
    compiler = compilation.compiler
    order = {"build": compiler.build, "magic": compiler.magic, "modules": jobs}
    try:
        with Worker([compilation.program, "-I", "-S", str(SCRIPT)], os.environ) as worker:
            answer = decode(worker.ask(msgspec.json.encode(order), time_limit=_TIME_LIMIT), list[bytes | None])
        return list(zip(sources, answer, strict=True))
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ToolError(
            f"{compilation.program}, an interpreter of Python {compilation.compiler.version}, didn't compile the modules of the package: "
            f'{error}. Try it by hand (`{compilation.program} -I -S -c ""`), name another one by $CDK_LAMBDA_PACKAGE_PYTHON, or leave '
            "out the option `bytecode`."
        ) from error
