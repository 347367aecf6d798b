"""Try this package and its peers with small apps that show how they differ, and write docs/explanation/comparison.md anew.

    PYTHONPATH=tests python -m benchmarks.behaviours      or `make compare`; about five minutes

Each app asks an index on the loopback interface, which has made-up distributions only. What a tool did is told from its exit
status, its messages and its package, and not written by hand. A cell that isn't tried has its reason in `Behaviour.untried`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from index_server import IndexServer, serve_index
from native import elf
from source_projects import build_sdist, commit, write_project
from wheel_factory import build_wheel, sha256

from benchmarks.cases import HANDLER
from benchmarks.environments import Tools, install_tools, read_arguments
from benchmarks.measure import tool_environment

TOOLS = ("ours", "chalice", "sam", "pip", "uv")
"""The tools that are tried, by the names of `benchmarks.environments`."""

# Where the table begins and ends on the page.
TABLE = re.compile(r"(?<=<!-- behaviours: begin -->\n)(.*)(?=<!-- behaviours: end -->)", re.S)
_HEADS = ("this package", "`chalice package`", "`sam build`", "`pip install --target`", "`uv pip install --target`")
_TIME_LIMIT = 300
_LIMIT = 262_144_000

_CHALICE_APP = (
    "from chalice import Chalice\n\napp = Chalice(app_name='tried')\n\n\n@app.route('/')\ndef index():\n    return {}\n"
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The folders of one behaviour: the app, and the files of the index. `variables` are those of every tool."""

    root: Path
    index: IndexServer
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def app(self) -> Path:
        """The app's directory."""
        return self.root / "app"

    @property
    def wheels(self) -> Path:
        """The files that the index has."""
        return self.root / "wheels"

    def require(self, *lines: str) -> None:
        """Write the requirements file."""
        (self.app / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a tool did: its status, its messages, the package's files, and how much the index sent."""

    status: int
    output: str
    files: Mapping[str, bytes]
    sent: int = 0

    def has(self, name: str) -> bool:
        """Whether the package was made, and has this file."""
        return self.status == 0 and name in self.files


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One row: an app, and how it is told what a tool did with it.

    `install` are the arguments by which a script gives pip and uv the requirements, `options` those of our command line,
    and `untried` the cells of tools that can't be tried, by tool.
    """

    title: str
    write: Callable[[Scene], None]
    judge: Callable[[Outcome], str]
    install: Sequence[str] = ("-r", "requirements.txt")
    options: Sequence[str] = ()
    handler: str = "app.handler"
    architecture: str = "x86_64"
    untried: Mapping[str, str] = field(default_factory=dict)


def _lock(scene: Scene) -> None:
    wheel = build_wheel(scene.wheels, "Mixed_Case", "1.0", files={"mixed_case.py": ""})
    build_wheel(scene.wheels, "Mixed_Case", "1.1", files={"mixed_case.py": ""})
    scene.require("mixed-case>=1")
    (scene.app / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "uv"\n\n[[packages]]\nname = "mixed-case"\nversion = "1.0"\n'
        f'wheels = [{{ url = "http://{scene.index.host}/files/{wheel.name}", hashes = {{ sha256 = "{sha256(wheel)}" }} }}]\n'
    )


def _judge_lock(outcome: Outcome) -> str:
    if outcome.status:
        return "error"
    return "the lock's wheel" if "Mixed_Case-1.0.dist-info/METADATA" in outcome.files else "the lock isn't read"


def _optional_extension(scene: Scene) -> None:
    build_sdist(scene.wheels, "tool", extension="optional", tag="py3-none-linux_x86_64")
    scene.require("tool")


def _judge_optional_extension(outcome: Outcome) -> str:
    if not outcome.has("tool.py"):
        return _describe_absence(outcome, "tool")
    return "the x86_64 binary is packaged" if "_compiled.so" in outcome.files else "built without a compiler, packaged"


def _describe_absence(outcome: Outcome, name: str) -> str:
    if outcome.status:
        return "error"
    return f"left out, {'with a message' if name in outcome.output else 'without a word'}, and exit status 0"


def _deploy_key(scene: Scene) -> None:
    source = write_project(scene.root / "source", "tool")
    commit(source)
    ssh = scene.root / "ssh"
    ssh.write_text(f"#!/bin/sh\necho used >> '{scene.root}/ssh.log'\nfor last; do :; done\nexec sh -c \"$last\"\n")
    ssh.chmod(0o755)
    scene.variables["GIT_SSH_COMMAND"] = f"{ssh} -i deploy.key"
    scene.require(f"tool @ git+ssh://git@host.invalid{source}")


def _keyring(scene: Scene) -> None:
    build_wheel(scene.wheels, "tool")
    program = scene.root / "bin" / "keyring"
    program.parent.mkdir()
    # Its two ways to answer: with a password, or with JSON for `--mode=creds`.
    program.write_text(
        '#!/bin/sh\ncase "$*" in\n*creds*) echo \'{"username": "user", "password": "secret"}\' ;;\n*) echo secret ;;\nesac\n'
    )
    program.chmod(0o755)
    scene.index.password = "secret"  # noqa: S105 - of a server on the loopback interface
    scene.variables["PATH"] = str(program.parent)
    url = scene.index.url().replace("://", "://user@")
    scene.variables.update(PIP_INDEX_URL=url, UV_DEFAULT_INDEX=url)
    scene.require("tool")


def _judge_tool(outcome: Outcome) -> str:
    return "packaged" if outcome.has("tool.py") else _describe_absence(outcome, "tool")


def _project(scene: Scene) -> None:
    files = {"src/shop/__init__.py": "NAME = 'shop'\n"}
    write_project(scene.app, "shop", files=files, root="src")
    pyproject = scene.app / "pyproject.toml"
    pyproject.write_text('[project]\nname = "shop"\nversion = "1.0"\n\n' + pyproject.read_text())
    (scene.app / "shop.py").unlink()
    scene.require(".")


def _judge_project(outcome: Outcome) -> str:
    return "packaged" if outcome.has("shop/__init__.py") else _describe_absence(outcome, "shop")


def _failed_build(scene: Scene) -> None:
    build_sdist(scene.wheels, "tool", fail="AttributeError: cython_sources")
    scene.require("tool")


def _judge_cure(outcome: Outcome) -> str:
    said = outcome.output.replace("cython_sources", "").casefold()
    if not outcome.status:
        return _describe_absence(outcome, "tool")
    return "error that names `cython<3` and how to set it" if "cython<3" in said else "error with the build's output"


def _too_large(scene: Scene) -> None:
    content = zipfile.ZipInfo("big/data.bin")
    content.compress_type = zipfile.ZIP_STORED
    build_wheel(
        scene.wheels, "big", files={"big/__init__.py": ""}, extra_members=[(content, bytes(_LIMIT + 8_000_000))]
    )
    # As on PyPI, METADATA can be read alone.
    scene.index.metadata = True
    scene.require("big")


def _judge_too_large(outcome: Outcome) -> str:
    if outcome.status:
        return (
            f"error {'after' if outcome.sent > _LIMIT else 'before'} the download"
            if "262,144,000" in outcome.output
            else "error"
        )
    return f"packaged, {sum(map(len, outcome.files.values())) // 1_000_000} MB"


def _nothing_required(scene: Scene) -> None:
    scene.require("# nothing")


def _judge_refusal(outcome: Outcome) -> str:
    return "error" if outcome.status else "accepted"


def _handler_in_requirement(scene: Scene) -> None:
    build_wheel(scene.wheels, "wrapper", files={"wrapper/handler.py": HANDLER})
    scene.require("wrapper")


def _chalice_app(scene: Scene) -> None:
    build_wheel(
        scene.wheels, "chalice",
        files={"chalice/__init__.py": "from chalice.app import Chalice\n", "chalice/app.py": "class Chalice: ...\n"},
    )  # fmt: skip
    (scene.app / "chalicelib").mkdir()
    (scene.app / "chalicelib" / "__init__.py").write_text(f"{_CHALICE_APP}\n\ndef handler(event):\n    return event\n")
    (scene.app / "app.py").write_text("from chalicelib import app, handler\n")
    _nothing_required(scene)


def _judge_chalice_handler(outcome: Outcome) -> str:
    found = set(re.findall(r'"(?:handler|Handler)": "([\w.]+)"', outcome.output))
    return " and ".join(f"`{name}`" for name in sorted(found)) or "error"


def _desktop_library(scene: Scene) -> None:
    module = elf(needed=["libGL.so.1", "libc.so.6"], symbols=["PyInit_cv2"])
    files = {"cv/__init__.py": "from cv import cv2\n", "cv/cv2.abi3.so": module}
    build_wheel(scene.wheels, "cv", files=files, tags="cp39-abi3-manylinux_2_17_x86_64")
    # Not in app.py, which Chalice imports on this machine.
    (scene.app / "chalicelib").mkdir()
    (scene.app / "chalicelib" / "pictures.py").write_text(f"import cv\n{HANDLER}")
    scene.require("cv")


def _judge_desktop_library(outcome: Outcome) -> str:
    if outcome.status and "libGL" in outcome.output:
        return "error, with the library and the file"
    return "error" if outcome.status else "packaged, without a word"


def _provided(scene: Scene) -> None:
    for name, needs in {"boto3": ["botocore", "s3transfer"], "s3transfer": ["botocore"], "botocore": []}.items():
        build_wheel(scene.wheels, name, requires_dist=needs, files={f"{name}/__init__.py": ""})
    scene.require("boto3", "s3transfer")


def _judge_provided(outcome: Outcome) -> str:
    if outcome.status:
        return "error"
    names = [name for name in ("boto3", "botocore") if f"{name}/__init__.py" in outcome.files]
    if names == ["botocore"] and "warning: " in outcome.output and "botocore" in outcome.output:
        return "leaves it out, and warns of botocore, which another requirement brings"
    return f"packages {' and '.join(names) or 'neither'}"


_ALWAYS_APP = "the handler is always `app.app`"
_NO_HANDLER = "doesn't know the handler"
_SCRIPT_UNTRIED = {"chalice": _ALWAYS_APP, "pip": _NO_HANDLER, "uv": _NO_HANDLER}

BEHAVIOURS = (
    Behaviour(
        title="pylock.toml beside requirements.txt, of a wheel whose file name has capitals",
        write=_lock,
        judge=_judge_lock,
        install=("-r", "pylock.toml"),
    ),
    Behaviour(
        title="an sdist with an optional extension, for arm64 on an x86_64 machine with a compiler",
        write=_optional_extension,
        judge=_judge_optional_extension,
        architecture="arm64",
    ),
    Behaviour(
        title="a repository by ssh, with `GIT_SSH_COMMAND` of a deploy key", write=_deploy_key, judge=_judge_tool
    ),
    Behaviour(
        title="`keyring` on PATH, an index URL with a user name, and no terminal", write=_keyring, judge=_judge_tool
    ),
    Behaviour(
        title="`.` in requirements.txt: the app directory is a project with `src/shop`",
        write=_project,
        judge=_judge_project,
    ),
    Behaviour(title="an sdist whose build fails with Cython 3", write=_failed_build, judge=_judge_cure),
    Behaviour(title="a wheel above Lambda's size limit", write=_too_large, judge=_judge_too_large),
    Behaviour(
        title="`chalicelib/` binds both `app` and a function `handler`, and app.py imports them",
        write=_chalice_app,
        judge=_judge_chalice_handler,
        untried={"sam": "doesn't look for one", "pip": _NO_HANDLER, "uv": _NO_HANDLER},
    ),
    Behaviour(
        title="the handler is in a requirement (`wrapper.handler.handler`)",
        write=_handler_in_requirement,
        judge=_judge_refusal,
        handler="wrapper.handler.handler",
        options=("--handler", "wrapper.handler.handler"),
        untried=_SCRIPT_UNTRIED,
    ),
    Behaviour(
        title="the handler's module is nowhere (`wraper.handler.handler`)",
        write=_handler_in_requirement,
        judge=_judge_refusal,
        handler="wraper.handler.handler",
        options=("--handler", "wraper.handler.handler"),
        untried=_SCRIPT_UNTRIED,
    ),
    Behaviour(
        title="a manylinux wheel whose only extension module needs `libGL.so.1`",
        write=_desktop_library,
        judge=_judge_desktop_library,
        handler="chalicelib.pictures.handler",
        options=("--handler", "chalicelib.pictures.handler"),
    ),
    Behaviour(
        title="the runtime's boto3 is to be used (`--provided boto3`); another requirement needs botocore",
        write=_provided,
        judge=_judge_provided,
        options=("--provided", "boto3"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Runs the tools. Everything that they write is below `root`."""

    tools: Tools
    root: Path
    runtime: str

    def cells(self, behaviour: Behaviour) -> Iterator[str]:
        """Yield the cells of a row."""
        for number, tool in enumerate(TOOLS):
            if tool in behaviour.untried:
                yield behaviour.untried[tool]
                continue
            folder = self.root / f"{[one.title for one in BEHAVIOURS].index(behaviour.title)}-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "app").mkdir(parents=True)
            (folder / "wheels").mkdir()
            with serve_index(folder / "wheels") as index:
                scene = Scene(root=folder, index=index)
                (scene.app / "app.py").write_text(_CHALICE_APP if tool == "chalice" else HANDLER)
                sent = _count_bytes(index)
                behaviour.write(scene)
                yield behaviour.judge(replace(self.run(tool, behaviour, scene), sent=sum(sent)))
            # Some packages are as large as Lambda allows.
            shutil.rmtree(folder)

    def run(self, tool: str, behaviour: Behaviour, scene: Scene) -> Outcome:
        """Run a tool on a scene."""
        out = scene.root / "out"
        argv, cwd = getattr(self, f"_{tool}")(behaviour, scene, out)
        url = scene.index.url()
        variables = {
            **tool_environment(),
            "PIP_INDEX_URL": url,
            "UV_DEFAULT_INDEX": url,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_CACHE_DIR": str(scene.root / "pip"),
            "UV_CACHE_DIR": str(scene.root / "uv"),
            "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(scene.root / "store"),
            "SAM_CLI_TELEMETRY": "0",
            "AWS_DEFAULT_REGION": "us-east-1",
            **scene.variables,
        }
        path = [scene.variables.get("PATH", ""), str(self.tools.bin(tool)), os.environ["PATH"]]
        variables["PATH"] = os.pathsep.join(filter(None, path))

        def run(argv: Sequence[object]) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                list(map(str, argv)), cwd=cwd, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=_TIME_LIMIT, check=False,
            )  # fmt: skip

        done = run(argv)
        output = done.stdout + done.stderr
        if tool == "ours" and done.returncode == 0:
            report = json.loads(run([argv[0], "check", *argv[2:-2], "--format", "json"]).stdout)
            output += f'"handler": "{report["index"].removesuffix(".py")}.{report["handler"]}"\n'
        output += (out / "sam.json").read_text() if (out / "sam.json").is_file() else ""
        (self.root / f"{scene.root.name}-{tool}.log").write_text(f"{done.returncode}\n{output}")
        return Outcome(status=done.returncode, output=output, files=_read_package(out, tool))

    def _ours(self, behaviour: Behaviour, scene: Scene, out: Path) -> tuple[Sequence[object], Path]:
        program = self.tools.bin("ours") / "cdk-lambda-package"
        argv = [program, "build", scene.app, "--runtime", self.runtime, "--architecture", behaviour.architecture]
        out.mkdir()
        return [*argv, *behaviour.options, "-o", out / "deployment.zip"], scene.app

    def _chalice(self, behaviour: Behaviour, scene: Scene, out: Path) -> tuple[Sequence[object], Path]:
        (scene.app / ".chalice").mkdir()
        stage = {"lambda_architecture": behaviour.architecture}
        settings = {"version": "2.0", "app_name": "tried", "stages": {"dev": stage}}
        (scene.app / ".chalice" / "config.json").write_text(json.dumps(settings))
        return [self.tools.bin("chalice") / "chalice", "package", out], scene.app

    def _sam(self, behaviour: Behaviour, scene: Scene, out: Path) -> tuple[Sequence[object], Path]:
        properties = {
            "CodeUri": str(scene.app),
            "Handler": behaviour.handler,
            "Runtime": self.runtime,
            "Architectures": [behaviour.architecture],
        }
        function = {"Type": "AWS::Serverless::Function", "Properties": properties}
        template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Tried": function}}
        (scene.root / "template.json").write_text(json.dumps(template))
        argv = [self.tools.bin("sam") / "sam", "build", "--template", scene.root / "template.json"]
        return [*argv, "--build-dir", out, "--cache-dir", scene.root / "sam-cache"], scene.root

    def _pip(self, behaviour: Behaviour, scene: Scene, out: Path) -> tuple[Sequence[object], Path]:
        foreign = (
            ("--platform", "manylinux2014_aarch64", "--only-binary=:all:") if behaviour.architecture == "arm64" else ()
        )
        argv = [self.tools.python("pip"), "-m", "pip", "install", "--target", out, *foreign, *behaviour.install]
        return argv, scene.app

    def _uv(self, behaviour: Behaviour, scene: Scene, out: Path) -> tuple[Sequence[object], Path]:
        foreign = ("--python-platform", "aarch64-manylinux_2_28") if behaviour.architecture == "arm64" else ()
        argv = [self.tools.bin("uv") / "uv", "pip", "install", "--python", self.tools.python("uv"), "--target", out]
        return [*argv, *foreign, *behaviour.install], scene.app


def _count_bytes(index: IndexServer) -> list[int]:
    """Return a list that gets the size of each answer that the index sends whole."""
    sent: list[int] = []
    answering: Any = index.RequestHandlerClass

    class Counting(answering):  # type: ignore[misc]
        def _send(self, content: bytes) -> None:
            # A client that has read enough closes the connection.
            with suppress(OSError):
                super()._send(content)
                sent.append(len(content))

    index.RequestHandlerClass = Counting
    return sent


def _read_package(out: Path, tool: str) -> dict[str, bytes]:
    """Return the files of a package, by their paths in it."""
    archive = out / "deployment.zip"
    if archive.is_file():
        with zipfile.ZipFile(archive) as opened:
            return {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}
    folder = out / "Tried" if tool == "sam" else out
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    """Run the comparison."""
    arguments = read_arguments(__doc__, page="comparison.md", directory="behaviours")
    tools = install_tools(arguments.directory / "tools", python=arguments.python)
    runtime = "python" + tools.python_version().rpartition(".")[0]
    bench = Bench(tools=tools, root=arguments.directory / "work", runtime=runtime)
    rows = [f"| | {' | '.join(_HEADS)} |", f"|---|{'---|' * len(_HEADS)}"]
    for behaviour in BEHAVIOURS:
        rows.append(f"| {behaviour.title} | {' | '.join(bench.cells(behaviour))} |")
        print(rows[-1], flush=True)
    names = {"chalice": "chalice", "sam": "aws-sam-cli", "pip": "pip", "uv": "uv"}
    versions = ", ".join(f"{name} {tools.version(tool, name)}" for tool, name in names.items())
    table = f"\nWith {versions}, on `{runtime}`:\n\n" + "\n".join(rows) + "\n\n"
    text = arguments.page.read_text(encoding="utf-8")
    arguments.page.write_text(TABLE.sub(lambda _: table, text), encoding="utf-8")


if __name__ == "__main__":
    main()
