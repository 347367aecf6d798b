"""The completion scripts: they are those of the command line as it is, and the shells accept them."""

import shutil
import subprocess
import sys

import pytest
from offline import ROOT

from cdk_lambda_package.cli import COMMANDS, main
from cdk_lambda_package.commands.completion import SHELLS, script_of


def test_the_scripts_are_those_of_the_parsers():
    done = subprocess.run([sys.executable, "tools/completions.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell, capsys):
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert out == script_of(shell).read_text(encoding="utf-8")
    for word in (*COMMANDS, "--runtime", "bytecode"):
        assert word in out


def test_an_unknown_shell_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["completion", "tcsh"])
    assert caught.value.code == 2
    assert "'bash'" in capsys.readouterr().err


def test_bash_completes_commands_options_and_values(tmp_path):
    script = f"""
source {script_of("bash")}
complete_line() {{
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _shtab_cdk_lambda_package
    echo "${{COMPREPLY[@]}}"
}}
complete_line cdk-lambda-package ex
complete_line cdk-lambda-package build --run
complete_line cdk-lambda-package build --architecture ''
"""
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.split() for line in done.stdout.splitlines()] == [["explain"], ["--runtime"], []]


@pytest.mark.parametrize(("shell", "option"), [("zsh", "-n"), ("fish", "--no-execute")])
def test_another_shell_accepts_its_script(shell, option):
    if shutil.which(shell) is None:
        pytest.skip(f"this host lacks {shell}")
    subprocess.run([shell, option, str(script_of(shell))], check=True)


def test_fish_completes_commands_options_and_values(tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("this host lacks fish")
    lines = ("cdk-lambda-package ex", "cdk-lambda-package build --run", "cdk-lambda-package build --architecture ")
    asked = "\n".join(f'complete --do-complete "{line}"; echo ---' for line in lines)
    script = f"source {script_of('fish')}\n{asked}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [[row.split("\t")[0] for row in part.splitlines() if row] for part in done.stdout.split("---\n")]
    assert found[:2] == [["explain"], ["--runtime"]]
