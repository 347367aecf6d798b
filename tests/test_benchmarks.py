"""What the benchmarks of bytecode compute and write, without a measurement."""

from pathlib import Path

import pytest

from benchmarks import bytecode_edit, coldstart, edit_to_answer
from benchmarks.coldstart import ALL, REACHED, WITHOUT, Package, Start
from benchmarks.coldstart_apps import APPS

PANDAS = next(app for app in APPS if app.name == "pandas")
SIZES = {WITHOUT: 28_100_000, REACHED: 32_280_000, ALL: 44_130_000}
PACKAGES = [
    Package(app=PANDAS, way=way, folder=Path(way), archived=size, unzipped=2 * size) for way, size in SIZES.items()
]


def starts(without: float, reached: float, every: float):
    seconds = {WITHOUT: without, REACHED: reached, ALL: every}
    return {"pandas": {way: Start(cpu=one, wall=2 * one) for way, one in seconds.items()}}


def test_the_table_of_cold_starts_has_the_ratios_and_the_sizes_of_archives():
    head, rule, row = coldstart._format_summary(PACKAGES, starts(2.0, 0.5, 0.4))
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row == "| pandas | 2.00 | 0.50 | 0.25 | 0.20 | 28.10 | 32.28 | 44.13 |"
    assert coldstart._format_row(PACKAGES[1], starts(2.0, 0.5, 0.4)["pandas"]) == (
        REACHED,
        "0.500",
        "0.25",
        "1.000",
        "32.28",
        "64.56",
    )


@pytest.mark.parametrize(
    ("seconds", "met"),
    [
        ((2.0, 0.5, 0.5), [True, True, True]),
        ((2.0, 0.7, 0.7), [False, True, True]),
        ((2.0, 0.5, 0.4), [True, False, True]),
    ],
)
def test_cold_starts_are_judged_beside_no_bytecode_and_beside_all(seconds, met):
    verdicts = [*coldstart._judge(PACKAGES, starts(*seconds))]
    assert [verdict.met for verdict in verdicts] == met
    assert verdicts[2].measured == "0.26"


def test_what_an_interpreter_compiles_at_a_start_is_read_from_its_log():
    log = (
        "# code object from '/var/task/a/b.py'\n# /var/task/a/__pycache__/c.cpython-313.pyc matches /var/task/a/c.py\n"
    )
    assert coldstart._COMPILED.findall(log) == ["/var/task/a/b.py"]


def test_edits_are_measured_in_every_way_beside_none(tmp_path, monkeypatch):
    seconds = {(): 1.0, ("--bytecode", "require"): 1.25, ("--slim",): 0.5, ("--bytecode", "require", "--slim"): 0.75}
    seconds |= {("--dependencies", "layer"): 1.5}
    seen = []

    def build(entry, folder, options):
        seen.append((entry / "app.py").read_text())
        return bytecode_edit.Cost(seconds[options], 2 * seconds[options])

    monkeypatch.setattr(bytecode_edit, "build", build)
    costs = bytecode_edit.measure("boto3", "import boto3\n", tmp_path, rounds=3)
    ratios = bytecode_edit.ratios({way: cost.cpu for way, cost in costs.items()})
    assert ratios == {"without": 1.0, "bytecode": 1.25, "slim": 0.5, "both": 0.75, "layer": 1.5}
    # No way finds what another one built.
    assert len({*seen}) == len(seen) == 20


def test_the_table_of_edits_has_a_row_for_each_way_with_medians():
    def sample(way, mode, uploaded, deployed, answered):
        return edit_to_answer.Sample(way=way, mode=mode, uploaded=uploaded, deployed=deployed, answered=answered)

    samples = [
        *(sample(edit_to_answer.INLINE, mode, 5000, 2.0, None) for mode in edit_to_answer.MODES),
        *(sample(edit_to_answer.LAYER, "deploy", 7000 + seconds, seconds, 2.0 * seconds) for seconds in (1, 4, 2)),
        sample(edit_to_answer.LAYER, "hotswap", 7000, 0.5, 0.75),
    ]
    head, rule, inline, layer = edit_to_answer.format_rows(samples)
    assert head.count("|") == rule.count("|") == layer.count("|") == 8
    assert inline == "| inline code, without pandas | 5,000 | 2.00 |  | 5,000 | 2.00 |  |"
    assert layer.endswith("| 7,002 | 2.00 | 4.00 | 7,000 | 0.500 | 0.750 |")
