"""The quickstart of README.md, read from the page: what a reader types, and the file that they save.

It is found by its heading. The commands are those of the fenced blocks of kind `console` below it, each with its here-document and without
the output that the page shows. Lines that set up the reader's machine are left out: what they bring is there already.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PROJECT = "cdk-lambda-package"
HEADING = "quickstart"

# What a reader has before they begin, or must have an AWS account for.
_NOT_RUN = re.compile(r"git clone |npm (install|i) |python3? -m venv |uv venv|source |\. |cdk bootstrap|cd ")
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+)(?P<kind>\w*)\s*$")
_FILE = re.compile(r"`(?P<path>[\w./-]+\.(?:json|py|toml|txt|ya?ml))`[^`]*$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A fenced block: its kind, its code, and the paragraph before it."""

    kind: str
    code: str
    before: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Quickstart:
    """What a reader does from an empty folder to the first synthesis.

    `install` is the command that installs the library; `prepare` are those after it, and `synth` is the first synthesis. `files` are saved
    before, by their paths.
    """

    install: str
    prepare: tuple[str, ...]
    synth: str
    files: tuple[tuple[str, str], ...]


class UnreadableError(Exception):
    """A page without a quickstart that could be run."""


def read_quickstart(page: str) -> Quickstart:
    """Return the quickstart of a page in Markdown. Raises `UnreadableError` if something of it is missing.

    Example:
        `read_quickstart(Path("README.md").read_text()).synth` is `cdk synth --app "python stack.py"`.
    """
    section = [*read_blocks(_section(page))]
    commands = [command for block in section if block.kind == "console" for command in read_commands(block.code)]
    install = next((one for one in commands if _installs(one)), None)
    last = next((number for number, one in enumerate(commands) if re.match(r"cdk (synth|deploy)\b", one)), None)
    if install is None or last is None:
        raise UnreadableError(f"the quickstart has no command that {'installs' if install is None else 'synthesizes'}")
    between = [one for one in commands[:last] if not _installs(one) and not _NOT_RUN.match(one)]
    synth = re.sub(r"^cdk deploy\b.*?(?= --app|$)", "cdk synth", commands[last])
    files = {path: block.code for block in section if (path := _path_of(block)) and block.kind != "console"}
    if not any("PythonFunction(" in text for text in (*files.values(), *between)):
        files[_stack_name(synth)] = _find_stack([*section, *read_blocks(page)])
    return Quickstart(install=install, prepare=tuple(between), synth=synth, files=tuple(files.items()))


def installing(command: str, requirement: str) -> str:
    """Return an install command for another requirement that is the library: a checkout, or its name.

    Example:
        `installing("python -m pip install ./cdk-lambda-package", "cdk-lambda-package")`
    """
    words = command.split(" ")
    (number,) = (number for number, word in enumerate(words) if PROJECT in word)
    extra = re.search(r"\[[\w,-]+\]", words[number])
    return " ".join([*words[:number], f"'{requirement}{extra[0]}'" if extra else requirement, *words[number + 1 :]])


def _installs(command: str) -> bool:
    return re.search(r"\b(uv )?pip3? install\b", command) is not None and PROJECT in command


def _section(page: str) -> str:
    """Return what is below the heading, to the next one of its level or above; headings in fenced blocks are none."""
    lines, level, fenced = list[str](), 0, False
    for line in page.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.match(r"(#+) +(.*)", line)
        if heading is not None and level and len(heading[1]) <= level:
            break
        if heading is not None and HEADING in heading[2].lower().replace(" ", ""):
            level = len(heading[1])
        elif level:
            lines.append(line)
    if not level:
        raise UnreadableError(f"the page has no heading '{HEADING.capitalize()}'")
    return "\n".join(lines)


def read_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a text in Markdown."""
    before, code, opened = "", list[str](), None
    for line in text.splitlines():
        if opened is not None and line.strip() == opened["fence"]:
            yield Block(kind=opened["kind"], code=textwrap.dedent("\n".join(code)) + "\n", before=before)
            before, code, opened = "", [], None
        elif opened is not None:
            code.append(line)
        elif (opened := _FENCE.match(line)) is None and line.strip():
            before = f"{before} {line.strip()}".strip()
        elif opened is None:
            # The paragraph before the block is the last one.
            before = before if before.endswith(":") else ""


def read_commands(code: str) -> Iterator[str]:
    r"""Yield the commands of a console block: `$ ` begins one, a here-document and a `\\` at a line's end continue it."""
    for part in re.split(r"^\$ ", code, flags=re.M)[1:]:
        command = re.match(r".*<<-?\s*'?(\w+)'?[^\n]*\n(?:.*\n)*?\1$|(?:.*\\\n)*.*", part, re.M)
        yield re.sub(r"\s+# .*$", "", command[0].rstrip()) if command else ""


def _path_of(block: Block) -> str:
    found = _FILE.search(block.before)
    return found["path"] if found else ""


def _stack_name(synth: str) -> str:
    found = re.search(r"python3? ([\w./-]+\.py)", synth)
    return found[1] if found else "app.py"


def _find_stack(blocks: Sequence[Block]) -> str:
    for block in blocks:
        if block.kind == "python" and "PythonFunction(" in block.code and ".synth()" in block.code:
            return block.code
    raise UnreadableError("the page has no stack: a block of Python with PythonFunction(…) and app.synth()")
