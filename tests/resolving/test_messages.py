"""What pip's process says while it works."""

import json

import pytest

from cdk_lambda_package.progress import Step
from cdk_lambda_package.resolving.messages import MARK, hear, without_messages

WHEEL = "pandas-2.3.3-cp313-cp313-manylinux_2_24_x86_64.whl"


def told(*messages: object) -> str:
    step = Step("downloading", started=0.0, total=2, unit="wheels")
    for message in messages:
        hear(MARK + json.dumps(message), step)
    return step.describe(now=0.0)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            [{"name": "pandas"}, {"note": "waiting for process 12, which downloads it"}],
            "downloading 0 of 2 wheels: waiting for process 12, which downloads it (0 s)",
        ),
        ([{"name": "pandas"}], "downloading 0 of 2 wheels: pandas (0 s)"),
        (
            [{"file": WHEEL, "done": 1_500_000, "size": 12_000_000}],
            "downloading 0 of 2 wheels: pandas 2.3.3, 1.5 of 12.0 MB (0 s)",
        ),
        (
            [{"file": WHEEL, "done": 12_000_000, "size": 12_000_000}],
            "downloading 1 of 2 wheels: pandas 2.3.3, 12.0 of 12.0 MB (0 s)",
        ),
        (
            [{"file": "demo-1.0.tar.gz", "done": 5_000, "size": None}],
            "downloading 0 of 2 wheels: demo-1.0.tar.gz, 5.0 kB (0 s)",
        ),
    ],
)
def test_a_step_is_told_what_pip_works_on(messages, text):
    assert told(*messages) == text


@pytest.mark.parametrize("line", ["Collecting pandas", "", MARK, f'{MARK}{{"name": "pan', f"x{MARK}{{}}"])
def test_other_lines_and_unfinished_ones_say_nothing(line):
    step = Step("downloading", started=0.0)
    hear(line, step)
    assert step.describe(now=0.0) == "downloading (0 s)"


def test_messages_are_no_part_of_what_people_read():
    output = f'Collecting pandas\n{MARK}{{"name": "pandas"}}\nERROR: no\n'
    assert without_messages(output) == "Collecting pandas\nERROR: no\n"
