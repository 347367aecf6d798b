"""The command that writes a lock, as errors and warnings name it."""

import argparse
import shlex
from pathlib import Path

import pytest

from cdk_lambda_package.commands.lock import add_arguments
from cdk_lambda_package.requirements.lock_file import lock_command
from cdk_lambda_package.target import Target

ENTRY = Path("/srv/my shop/orders")
TARGETS = (Target.parse("python3.12", "arm64"), Target.parse("python3.13", "arm64"))
COMMAND = "cdk-lambda-package lock '/srv/my shop/orders' --runtime python3.12 --runtime python3.13 --architecture arm64"


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, ""),
        ({"output": ENTRY / "pylock.toml"}, ""),
        ({"output": Path("/srv/my shop/pylock.toml")}, " --output '/srv/my shop/pylock.toml'"),
        ({"options": ["--requirements='more of.txt'"]}, " --requirements='more of.txt'"),
    ],
)
def test_a_command_is_whole_and_can_be_given_to_a_shell(options, more):
    command = lock_command(ENTRY, TARGETS, **options)
    assert command == COMMAND + more
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert parser.parse_args(shlex.split(command)[2:])
