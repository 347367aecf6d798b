"""The other ways from an app to a .zip that can be uploaded, each doing no more than that takes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import ARCHITECTURE, Workspace
from benchmarks.environments import Tools, find_zip
from benchmarks.measure import Command, Way

CHALICE = "chalice package"
SAM = "sam build + zip"
PIP = "pip --target + zip"
UV = "uv --target + zip"

_CHALICE_APP = """\
from chalice import Chalice

app = Chalice(app_name="measured")


@app.lambda_function()
def handler(event, context):
    return "ok"
"""


def peer_ways(tools: Tools) -> tuple[Way, ...]:
    """Return the peers' ways. Their download caches are the user's own, as is pip's when we start it."""
    zip_command = find_zip(tools.python("pip"))

    def zip_folder(folder: Path, work: Workspace) -> Command:
        return Command(argv=(*zip_command, work.output, "."), cwd=folder)

    def install_with_pip(work: Workspace) -> Sequence[Command]:
        argv = (tools.python("pip"), "-m", "pip", "install", "--quiet", "--no-compile", "--target", work.build)
        return [Command(argv=(*argv, "-r", work.requirements), cwd=work.app), zip_folder(work.build, work)]

    def install_with_uv(work: Workspace) -> Sequence[Command]:
        argv = (tools.bin("uv") / "uv", "pip", "install", "--quiet", "--python", tools.python("uv"))
        command = Command(argv=(*argv, "--target", work.build, "-r", work.requirements), cwd=work.app)
        return [command, zip_folder(work.build, work)]

    def build_with_chalice(work: Workspace) -> Sequence[Command]:
        project = work.build / "project"
        argv = (tools.bin("chalice") / "chalice", "package", work.build / "out")
        return [Command(argv=argv, cwd=project, tools=tools.bin("chalice"))]

    def build_with_sam(work: Workspace) -> Sequence[Command]:
        argv = (tools.bin("sam") / "sam", "build", "--template", work.build / "template.json")
        sam = Command(argv=(*argv, "--build-dir", work.build / "out"), cwd=work.build, tools=tools.bin("sam"))
        return [sam, zip_folder(work.build / "out" / "Measured", work)]

    return (
        Way(
            name=CHALICE,
            prepare=_write_chalice_project,
            commands=build_with_chalice,
            output=lambda work: work.build / "out" / "deployment.zip",
        ),
        Way(name=SAM, prepare=_write_sam_template, commands=build_with_sam),
        Way(name=PIP, prepare=_copy_app, commands=install_with_pip),
        Way(name=UV, prepare=_copy_app, commands=install_with_uv),
    )


def _copy_app(work: Workspace) -> None:
    work.output.unlink(missing_ok=True)
    shutil.copy(work.app / "app.py", work.build)


def _write_chalice_project(work: Workspace) -> None:
    configuration = work.build / "project" / ".chalice" / "config.json"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(json.dumps({"version": "2.0", "app_name": "measured", "stages": {"dev": {}}}))
    (work.build / "project" / "app.py").write_text(_CHALICE_APP)
    shutil.copy(work.requirements, work.build / "project")


def _write_sam_template(work: Workspace) -> None:
    work.output.unlink(missing_ok=True)
    properties = {
        "CodeUri": str(work.app),
        "Handler": "app.handler",
        "Runtime": work.runtime,
        "Architectures": [ARCHITECTURE],
    }
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Measured": {"Type": "AWS::Serverless::Function", "Properties": properties}},
    }
    (work.build / "template.json").write_text(json.dumps(template))
