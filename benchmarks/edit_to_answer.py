"""From an edit to its answer: `PYTHONPATH=examples python -m benchmarks.edit_to_answer [--rounds N]`.

One function with pandas and pyarrow is deployed in each way, edited, and deployed again: by CloudFormation, and with `cdk deploy --hotswap`.
Measured are the bytes that the deployment uploads, the seconds from the edit to its end, and those to the new answer. For the answer, the
function's code and its layer are read back from what stands in for AWS, unpacked, and invoked once behind Lambda's emulator. Reading back and
unpacking isn't counted: Lambda does that in its own way.

All of it is on this machine. No byte goes through a network, so that what an upload takes is to be computed from the bytes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cdk_runs import (
    INLINE,
    LAYER,
    OURS,
    PIP,
    PREPARED,
    Site,
    app_command,
    ask_version,
    command_environment,
    fresh_aws,
    settle,
    write_heaviest,
)
from benchmarks.environments import CHECKOUT, Tools, find_python, install_ours, install_runtime
from benchmarks.report import describe_machine, format_machine, format_seconds, format_table, replace_generated

from local_aws import (  # isort: skip - of examples/, which `cdk_runs` has made importable
    BOOTSTRAP_BUCKET,
    aws_client,
    cdk,
    emulator_command,
    find_function,
    missing_for_invocation,
    post,
    unpack,
)
from processes import free_port, running, wait_for_port  # isort: skip

WAYS = {
    INLINE: "inline code, without pandas",
    PREPARED: "`Code.from_asset` of a prepared directory",
    PIP: "a directory that pip fills while it is bundled",
    OURS: "`PythonFunction`",
    LAYER: '`PythonFunction`, `dependencies="layer"`',
}
DEPLOY, HOTSWAP = MODES = ("deploy", "hotswap")
_OPTIONS = {DEPLOY: ("--method=direct",), HOTSWAP: ("--hotswap",)}

_MODULE = """\
import pandas
import pyarrow

EDIT = {edit}


def handler(event, context):
    frame = pandas.DataFrame({{"number": event["numbers"]}})
    return {{"edit": EDIT, "sum": int(frame["number"].sum()), "rows": pyarrow.table(frame).num_rows}}
"""
_INLINE_MODULE = "EDIT = {edit}\n\n\ndef handler(event, context):\n    return EDIT\n"
_NUMBERS = [1, 2, 3]
# Seconds that an invocation may take on a busy machine.
_LONGEST = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One edit: bytes uploaded, and the seconds until it was deployed, and until the function answered.

    `answered` is None for inline code, which isn't read back: what stands in for AWS has it in no bucket.
    """

    way: str
    mode: str
    uploaded: int
    deployed: float
    answered: float | None


def main() -> None:
    """Measure, and print the table."""
    arguments = _read_arguments()
    if missing := missing_for_invocation():
        sys.exit(f"This machine lacks {missing}: `make` installs it")
    _say("Installing this package, and the runtime's client")
    tools = install_ours(arguments.directory / "tools", python=arguments.python)
    install_runtime(tools.root, python=arguments.python)
    work = arguments.directory / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    samples = list(_measure(tools, work, arguments.rounds))
    lines = list(_format_report(tools, samples, arguments.rounds))
    print("\n".join(lines))
    if arguments.page:
        replace_generated(arguments.page, lines)
    shutil.rmtree(work)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is edited (default: 3)")
    parser.add_argument("--page", type=Path, help="a page with the markers to write the table between")
    work = CHECKOUT / "build" / "edit-to-answer"
    parser.add_argument("--directory", type=lambda path: Path(path).absolute(), default=work, help="where to work")
    parser.add_argument("--python", default=find_python(), help="the Python to invoke with (default: %(default)s)")
    return parser.parse_args()


def _measure(tools: Tools, work: Path, rounds: int) -> Iterator[Sample]:
    """Deploy each way once for each mode, and then edit it in turns."""
    with fresh_aws(work) as environment:
        runtime = "python" + tools.python_version().rpartition(".")[0]
        site = Site(root=work, python=tools.python("ours"), runtime=runtime, environment=environment, turn=0)
        _say("Installing pandas and pyarrow")
        write_heaviest(site)
        (work / INLINE).mkdir()
        for number in range(rounds + 1):
            for mode in MODES:
                for way in WAYS:
                    sample = _edit(site, tools.python("runtime"), way, mode, number)
                    _say(f"{number}/{rounds:<4} {mode:<8} {way:<10} {sample}")
                    if number:
                        yield sample


def _edit(site: Site, python: Path, way: str, mode: str, number: int) -> Sample:
    """Edit the app to what it never was, and deploy it, first as a new stack."""
    stack, edit = f"{way}-{mode}", f"{way} {mode} {number}"
    entry = {INLINE: site.root / INLINE, PREPARED: site.prepared}.get(way, site.heaviest.app)
    before = _objects(site)
    settle()
    began = time.perf_counter()
    (entry / "app.py").write_text((_INLINE_MODULE if way == INLINE else _MODULE).format(edit=repr(edit)))
    _deploy(site, way, entry, stack, _OPTIONS[mode] if number else _OPTIONS[DEPLOY])
    deployed = time.perf_counter() - began
    answered = None
    if way != INLINE:
        handler = _read_back(site, stack, mode)
        began = time.perf_counter()
        answer = _invoke(site, handler, python)
        if answer != {"edit": edit, "sum": sum(_NUMBERS), "rows": len(_NUMBERS)}:
            raise RuntimeError(f"{stack} gave another answer than that of the edit: {answer!r}")
        answered = deployed + time.perf_counter() - began
    uploaded = {key: size for key, size in _objects(site).items() if key not in before}
    return Sample(way=way, mode=mode, uploaded=sum(uploaded.values()), deployed=deployed, answered=answered)


def _deploy(site: Site, way: str, entry: Path, stack: str, options: Sequence[str]) -> None:
    app = shlex.join(map(str, app_command(site, way, [entry], stack=stack)))
    arguments = ("--app", app, "--require-approval", "never", *options)
    environment = command_environment(site, site.heaviest.store)
    output = site.root / "cdk.out" / stack
    cdk("deploy", stack, *arguments, environment=environment, output=output, cwd=site.root)


def _objects(site: Site) -> dict[str, int]:
    """Return the sizes of all that was uploaded, by key."""
    pages = aws_client("s3", site.environment).get_paginator("list_objects_v2").paginate(Bucket=BOOTSTRAP_BUCKET)
    return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", ())}


def _read_back(site: Site, stack: str, mode: str) -> str:
    """Unpack a deployed function, and its layer, as Lambda does; return its handler."""
    function = find_function(site.environment, stack, "Function0")
    template = aws_client("cloudformation", site.environment).get_template(StackName=stack)["TemplateBody"]
    resources = [(one["Type"], one["Properties"]) for one in template["Resources"].values()]
    layers = [properties["Content"]["S3Key"] for kind, properties in resources if kind == "AWS::Lambda::LayerVersion"]
    # CloudFormation's template has what it deployed: moto doesn't update a function that has layers. A hotswap tells Lambda alone.
    (code,) = (properties["Code"]["S3Key"] for kind, properties in resources if kind == "AWS::Lambda::Function")
    own = function.key if mode == HOTSWAP else code
    shutil.rmtree(site.root / "lambda", ignore_errors=True)
    (site.root / "lambda").mkdir()
    for key, place in ((own, "task"), *((key, "opt") for key in layers)):
        archive = site.root / "lambda" / key
        aws_client("s3", site.environment).download_file(BOOTSTRAP_BUCKET, key, str(archive))
        unpack(archive, site.root / "lambda" / place)
    return function.handler


def _invoke(site: Site, handler: str, python: Path) -> object:
    """Invoke what was unpacked in a new runtime; return its answer."""
    port, folder = free_port(), site.root / "lambda"
    log, task = folder / "log", folder / "task"
    shared = folder / "opt" / "python" / "lib" / site.runtime / "site-packages"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {
        "LAMBDA_TASK_ROOT": str(task),
        "PYTHONPATH": f"{task}{os.pathsep}{shared}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = emulator_command(handler, str(python), port=port)
    with running(command, log=log, environment=environment, cwd=task) as process:
        wait_for_port(port, process, log)
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        return post(url, {"numbers": _NUMBERS}, log=log, seconds=_LONGEST)


def _format_report(tools: Tools, samples: Sequence[Sample], rounds: int) -> Iterator[str]:
    """Yield the lines of the generated part."""
    machine = describe_machine(tools)
    yield from format_machine(machine, rounds, "python" + str(machine["python"]).rpartition(".")[0])
    yield f"aws-cdk-lib {tools.version('ours', 'aws-cdk-lib')}, CDK CLI {ask_version('cdk')}, node {ask_version('node')}."
    yield ""
    yield from format_rows(samples)


def format_rows(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield a table with a row for each way, and the medians of its samples: with CloudFormation, and hotswapped."""
    head = [
        "",
        *(f"{name}{mode}" for mode in ("", ", hotswap") for name in ("uploaded, bytes", "deployed, s", "answers, s")),
    ]
    groups: dict[str, dict[str, list[Sample]]] = {}
    for sample in samples:
        groups.setdefault(sample.way, {}).setdefault(sample.mode, []).append(sample)
    rows = ((WAYS[way], *(cell for mode in MODES for cell in _cells(modes[mode]))) for way, modes in groups.items())
    return format_table(head, rows)


def _cells(samples: Sequence[Sample]) -> tuple[str, str, str]:
    answers = [one.answered for one in samples if one.answered is not None]
    return (
        f"{round(median(one.uploaded for one in samples)):,}",
        format_seconds(median(one.deployed for one in samples)),
        format_seconds(median(answers)) if answers else "",
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
