"""Compiles modules of a segment, and keeps what that makes in the store: segments of .pyc files, or single files.

The bytecode of a wheel's modules is one segment, an overlay of the wheel's own. It is made once for each interpreter, place on Lambda
and set of modules. The modules of the user's own files are kept one by one, since an edit changes few of them.
"""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.errors import HostError
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE, Compiler
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.processes import Worker
from cdk_lambda_package.splicing import Segment, made_segment
from cdk_lambda_package.store import Store

SCRIPT = Path(__file__).with_name("script.py")
# Raise it whenever the same source would give other bytes.
_FORMAT = "bytecode 2"
_KIND = "bytecode"
# Seconds; the largest packages take a tenth.
_TIME_LIMIT = 300.0


class CompiledModule(NamedTuple):
    """A module to compile: the path of its source in the package, the sha256 (hex) of that, and whether Python checks it when it loads."""

    path: str
    digest: str
    checked: bool


def bytecode_path(source: str, compiler: Compiler) -> str:
    """Return the path of a module's .pyc file (PEP 3147).

    Example:
        `bytecode_path("pkg/a.py", compiler)` is `"pkg/__pycache__/a.cpython-313.pyc"`.
    """
    # As text: a path object for each module took half of the time that an edit costs.
    folder, slash, name = source.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}{compiler.suffix}"


def identity_of(module: CompiledModule, compiler: Compiler) -> str:
    """Return what stands for a .pyc file in the digest of a package's content, as sha256 (hex).

    Its bytes may differ between patch releases of the interpreter; what they mean to Lambda is told by the source and the magic number.
    """
    return hashlib.sha256(f"bytecode {compiler.magic} {module.checked:d} {module.digest}".encode()).hexdigest()


class Compilation(NamedTuple):
    """What compiles: an interpreter and its program, for a folder of the package on Lambda, such as /var/task.

    `read` returns the source at a path.
    """

    compiler: Compiler
    program: str
    place: str
    read: Callable[[str], bytes]
    store: Store

    def of_wheel(self, key: str, modules: Sequence[CompiledModule]) -> Segment:
        """Return the segment with the bytecode of some modules of a wheel, whose segment has this key.

        What can't be compiled isn't in it. Raises `HostError` if the interpreter doesn't do its work.
        """
        return made_segment(self._key(key, modules), lambda: self._named(_compile(modules, self)), self.store)

    def of_own(self, modules: Sequence[CompiledModule]) -> Segment:
        """Return the segment with the bytecode of the user's own modules, of which those that were edited are compiled.

        Otherwise as `of_wheel`.
        """

        def make() -> Iterable[tuple[str, bytes]]:
            keys = {module: self._key(module) for module in modules}
            known = {module: self.store.read(_KIND, key) for module, key in keys.items()}
            for module, content in _compile([one for one in modules if known[one] is None], self):
                known[module] = content
                self.store.write(content, _KIND, keys[module])
            return self._named(known.items())

        return made_segment(self._key(modules), make, self.store)

    def _key(self, *parts: object) -> str:
        return key_of(_FORMAT, self.compiler, self.place, *parts)

    def _named(self, compiled: Iterable[tuple[CompiledModule, bytes | None]]) -> Iterator[tuple[str, bytes]]:
        return ((bytecode_path(module.path, self.compiler), content) for module, content in compiled if content)


def _options(compiler: Compiler) -> tuple[str, ...]:
    """Return the options with which nothing but the sources changes what an interpreter compiles."""
    # Before 3.11, marshal writes a frozenset in the order of its hashes, and -I ignores the variable that fixes them. The rest of what
    # -I does is done by -s, by the environment without Python's other variables, and by the script's first line.
    return ("-s", "-S") if compiler.release < (3, 11) else ("-I", "-S")


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**own, "PYTHONHASHSEED": "0"}


def _compile(modules: Sequence[CompiledModule], compilation: Compilation) -> list[tuple[CompiledModule, bytes]]:
    """Return the modules with the content of their .pyc files, b"" for what can't be compiled."""
    if not modules:
        return []
    compiler, place = compilation.compiler, compilation.place
    jobs = [(f"{place}/{module.path}", module.checked, compilation.read(module.path)) for module in modules]
    # In the oldest format, which every version of Python reads.
    order = marshal.dumps((compiler.build, compiler.magic, jobs), 0)
    # The first answer says that it begins.
    answers: list[bytes] = []
    try:
        with Worker([compilation.program, *_options(compiler), str(SCRIPT)], _environment()) as worker:
            answers.extend(worker.answers(order, number=len(modules) + 1, time_limit=_TIME_LIMIT))
    except OSError as error:
        at = f"{modules[len(answers) - 1].path}, a module of" if answers else "modules for"
        fix = (
            "replace the module, or exclude it from the package"
            if answers
            else "if it was replaced a moment ago, try again"
        )
        raise HostError(
            f"{compilation.program}, an interpreter of Python {compiler.version}, didn't compile {at} the package: {error}. To go on, {fix}; "
            f"else name another interpreter by ${INTERPRETER_VARIABLE}, or leave out the option `bytecode`."
        ) from error
    return list(zip(modules, answers[1:], strict=True))
