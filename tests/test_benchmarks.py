"""What the benchmarks compute and write, without a measurement."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from entries import sha256
from wheel_factory import build_wheel

from benchmarks import (
    bytecode_edit,
    coldstart,
    edit_to_answer,
    kept_store,
    scale_cold,
    scale_functions,
    scale_vendor,
    unit_tests,
)
from benchmarks.coldstart import ALL, REACHED, WITHOUT, Package, Start
from benchmarks.coldstart_apps import APPS
from cdk_lambda_package.inspection import inspect
from cdk_lambda_package.options import PackageRequest

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


def runs_of_functions(functions: int, milliseconds: dict[str, tuple[float, float]], memory: int = 110_000_000):
    """Return samples of three turns, of which the second is twice as slow; inline code takes 2 ms each and 100 MB."""
    for way, each in {scale_functions.INLINE: (2.0, 2.0), **milliseconds}.items():
        for state, added in zip(scale_functions.STATES, each, strict=True):
            for turn, slow in enumerate((1, 2, 1)):
                yield scale_functions.Sample(
                    functions=functions,
                    state=state,
                    way=way,
                    turn=turn,
                    seconds=slow * added * functions / 1000,
                    memory=100_000_000 if way == scale_functions.INLINE else memory,
                    node=500_000_000,
                )


def ways_of_functions(new: float, kept: float):
    earlier, archives = {scale_functions.EARLIER: (12.0, 12.0)}, {scale_functions.ARCHIVES: (3.0, 3.0)}
    return earlier | archives | {scale_functions.OURS: (new, kept)}


@pytest.mark.parametrize(
    ("each", "memory", "met"),
    [
        ((4.0, 3.5), 110_000_000, [True] * 7),
        ((5.0, 4.5), 110_000_000, [False, True, False, False, True, False, True]),
        ((4.0, 9.0), 130_000_000, [True, True, True, False, False, False, False]),
    ],
)
def test_many_functions_are_judged_beyond_inline_code_and_beside_fewer_and_the_earlier_revision(each, memory, met):
    fewer = runs_of_functions(300, ways_of_functions(4.0, 3.5))
    samples = [*fewer, *runs_of_functions(1000, ways_of_functions(*each), memory)]
    added = scale_functions.compare(samples)
    assert added[1000, scale_functions.NEW, scale_functions.OURS].milliseconds == pytest.approx(each[0] - 2)
    assert [verdict.met for verdict in scale_functions.judge(added)] == met
    lines = [*scale_functions.format_results(samples, "abc1234")]
    row = next(line for line in lines if line.startswith("| 1,000 | new |"))
    assert row == f"| 1,000 | new | 2.00 | 1.00 | 10.00 | {each[0] - 2:.2f} |"


def test_the_index_of_first_synths_has_pages_files_and_their_metadata(tmp_path):
    wheel = build_wheel(tmp_path / "wheels", "demo-one")
    with scale_cold.serve(tmp_path / "wheels", tmp_path) as environment:
        base = environment["PIP_INDEX_URL"]
        page = urlopen(f"{base}/demo-one/").read().decode()
        assert f"#sha256={sha256(wheel)}" in page
        files = base.replace("/simple", "/files")
        assert urlopen(f"{files}/{wheel.name}").read() == wheel.read_bytes()
        assert b"Name: demo-one" in urlopen(f"{files}/{wheel.name}.metadata").read()
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{base}/other/")
    assert environment["PIP_NO_CACHE_DIR"] == "1"


def test_first_synths_have_twenty_sets_that_differ():
    sets = {frozenset(scale_cold.requirements_of(number)) for number in range(scale_cold.SETS)}
    assert len(sets) == scale_cold.SETS
    assert {len(one) for one in sets} == {4}


def test_first_synths_are_judged_beside_the_earlier_version():
    seconds = {
        ("locked", "before"): 100.0,
        ("locked", "now"): 55.0,
        ("not locked", "before"): 100.0,
        ("not locked", "now"): 70.0,
    }
    lines = [*scale_cold.describe(seconds, 100, 3)]
    assert "| locked | 100.00 | 55.00 | 0.55 |" in lines
    assert "| locked: at most 0.6 times the seconds before | 0.55 | yes |" in lines
    assert "| not locked: at most 0.65 times the seconds before | 0.70 | **no** |" in lines


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


def test_the_app_with_a_large_vendor_folder_is_sound_and_the_same_each_time(tmp_path, store):
    targets = scale_vendor.write_app(tmp_path / "svc", 500)
    scale_vendor.write_app(tmp_path / "again", 500)
    files = [path.relative_to(tmp_path / "svc") for path in (tmp_path / "svc" / "vendor").rglob("*") if path.is_file()]
    assert len(files) == 500
    assert all((tmp_path / "svc" / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in files)
    inspected = inspect(PackageRequest(entry=str(tmp_path / "svc"), runtime="python3.13"), store)
    assert inspected.examined.findings == ()
    reached = {f"vendor/{path}" for path in inspected.contents.reach.certain} | {"app.py"}
    edited = {state: path.relative_to(tmp_path / "svc").as_posix() for state, path in targets.items()}
    assert {state: path in reached or path.removeprefix("vendor/") in reached for state, path in edited.items()} == {
        scale_vendor.APP_EDITED: True,
        scale_vendor.IMPORTED_EDITED: True,
        scale_vendor.NAME_ADDED: True,
        scale_vendor.OTHER_EDITED: False,
    }


@pytest.mark.parametrize("state", [scale_vendor.IMPORTED_EDITED, scale_vendor.NAME_ADDED])
def test_each_edit_of_the_large_vendor_folder_is_another_one(tmp_path, state):
    path = scale_vendor.write_app(tmp_path / "svc", 100)[state]
    seen = [path.read_text()]
    for number in range(3):
        scale_vendor.edit(path, number, adds_name=state == scale_vendor.NAME_ADDED)
        seen.append(path.read_text())
    assert len(set(seen)) == 4
    assert ("EDIT_2" in seen[-1]) == (state == scale_vendor.NAME_ADDED)


def test_the_large_vendor_folder_is_judged_beside_inline_code_and_what_it_took_before():
    cost = scale_vendor.Cost
    seconds = {scale_vendor.INLINE: 2.0, scale_vendor.PREPARED: 7.0, scale_vendor.OLD: 12.0, scale_vendor.OURS: 3.0}
    costs = {
        (state, way): [cost(one, 1e6), cost(one + 1, 1e6)]
        for state in scale_vendor.STATES
        for way, one in seconds.items()
    }
    verdicts = {
        verdict.aim: (verdict.measured, verdict.met) for verdict in scale_vendor.judge(scale_vendor.find_added(costs))
    }
    assert verdicts["other module edited: at most 1.5 s"] == ("1.00 s", True)
    assert verdicts["unchanged: at most 0.5 s"] == ("1.00 s", False)
    assert verdicts["other module edited: at most 0.15 of the earlier version's seconds"] == ("0.100", True)
    assert verdicts["unchanged: at most 0.05 of the earlier version's seconds for an edit"] == ("0.100", False)
    lines = list(scale_vendor.format_costs(costs))
    assert "| ours | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |" in lines


def test_the_second_job_has_another_checkout_and_the_store_of_the_first(tmp_path, monkeypatch):
    seen = []

    def run(command, entry, *options, store):
        seen.append((entry, (entry / "app.py").read_text(), sorted(path.name for path in store.glob("*"))))
        store.mkdir(exist_ok=True)
        (store / f"of-{entry.parent.name}").write_text("wheel")

    monkeypatch.setattr(kept_store, "_run", run)
    sample = kept_store.run_jobs(tmp_path / "0", ["boto3"], "lock-version")
    (first, one, empty), (second, other, kept) = seen
    assert (first != second, one != other) == (True, True)
    assert (empty, kept) == ([], ["of-first"])
    assert sample.size > 0


def test_the_table_of_kept_stores_has_medians():
    def sample(seconds):
        return kept_store.Sample(empty=4 * seconds, kept=seconds, saved=0.25, restored=0.5, size=20_000_000)

    *_, head, rule, row = kept_store.format_report({"boto3": [sample(1.0), sample(3.0), sample(2.0)]}, 3)
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row == "| boto3 | 8.00 | 2.00 | 20.0 | 0.250 | 0.500 |"


def test_the_project_of_unit_tests_has_functions_that_differ_with_four_sets_of_requirements(tmp_path):
    project = unit_tests.write_project(tmp_path / "shop", 6)
    entries = sorted(project.glob("svc*"))
    assert len({(entry / "app.py").read_text() for entry in entries}) == len(entries) == 6
    assert len({(entry / "requirements.txt").read_text() for entry in entries}) == 4


def test_the_table_of_unit_tests_has_medians_and_one_template_of_an_empty_store():
    samples = {way: [unit_tests.Sample(4.0, seconds) for seconds in (0.25, 0.75, 0.5)] for way in unit_tests.WAYS}
    *_, head, rule, inline, unbundled, full, empty = unit_tests.format_report(samples, 20, 3)
    assert {line.count("|") for line in (head, rule, inline, unbundled, full, empty)} == {5}
    assert inline == "| inline code | 0.500 | 25.0 | 4.00 |"
    assert empty == "| with packages, empty store | 0.500 | 25.0 |  |"
