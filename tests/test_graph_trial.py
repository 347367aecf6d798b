"""The trial of the import graph: its figures, and two distributions that are really imported.

`make graph-trial` tries hundreds.
"""

import pytest
from graph_trial import explain, format_table, summarise, try_row
from graph_trial_figures import (
    Comparison,
    Root,
    Share,
    Trial,
    Truth,
    Verdict,
    Word,
    compare,
    missed_roots,
    pool,
    wrong_roots,
)
from graph_trial_rows import Row, find_module, interpreter_of, read_rows, top_modules

from cdk_lambda_package.splicing import Entry

SIZES = {"a.py": 100, "b.py": 200, "c.py": 700}


def finding(severity, identifier="import-not-found"):
    return {"id": identifier, "severity": severity, "message": "…", "path": "a.py", "line": 1, "subject": "yaml"}


def trial(*, status="imported", error="", loaded=None, findings=(), certain=(), perhaps=(), links=None, seconds=0.0):
    loaded = {"a.py": []} if loaded is None else loaded
    return Trial(
        runtime="python3.13",
        requirement="tool",
        said="ok",
        statement="import a",
        truth=Truth(status=status, error=error, loaded=loaded),
        word=Word(findings=findings, certain=certain, perhaps=perhaps, links=links or {}, seconds=seconds),
        sizes=SIZES,
    )


def entries(*paths, owner="tool==1.0"):
    return {path: Entry(path, False, 1, "00", owner) for path in paths}


def test_recall_is_of_the_real_files_and_precision_of_the_named_ones_by_count_and_by_bytes():
    found = compare({"a.py", "b.py"}, {"a.py", "c.py"}, SIZES)
    assert (found.recall, found.precision) == (Share(1, 2), Share(1, 2))
    assert (found.recall_bytes, found.precision_bytes) == (Share(100, 800), Share(100, 300))
    assert str(found.recall_bytes) == "12.5 %"


def test_a_share_of_nothing_is_shown_as_none():
    assert str(Share(0, 0)) == "-"


def test_pooled_figures_are_of_all_files_together_and_of_the_distributions_that_import():
    one = trial(loaded={"a.py": [], "b.py": [], "c.py": []}, certain=["a.py"], perhaps=["b.py"], seconds=0.5)
    two = trial(loaded={"a.py": []}, certain=["a.py"], perhaps=["c.py"], seconds=0.5)
    failing = trial(status="failed", error="ImportError", certain=["b.py"], seconds=9.0)
    totals = pool([one, two, failing])
    assert totals.imported == 2
    assert totals.certain.recall == Share(2, 4)
    assert totals.reached == Comparison(Share(3, 4), Share(3, 4), Share(400, 1100), Share(400, 1100))
    assert totals.seconds_per_mb == pytest.approx(1.0 / 0.0011)


@pytest.mark.parametrize(
    ("status", "severity", "verdict"),
    [
        ("imported", "warning", Verdict.SOUND),
        ("imported", "error", Verdict.FALSE_ERROR),
        ("failed", "error", Verdict.FOUND),
        ("failed", "warning", Verdict.MISS),
        ("longer than 180 s", "warning", Verdict.MISS),
    ],
)
def test_a_verdict_compares_the_errors_with_the_real_import(status, severity, verdict):
    assert trial(status=status, findings=[finding(severity)]).verdict is verdict


def test_an_error_about_the_size_says_nothing_about_the_import():
    assert trial(findings=[finding("error", "package-too-large")]).verdict is Verdict.SOUND


def test_a_missed_file_is_told_by_the_import_at_which_the_way_is_lost():
    found = trial(loaded={"a.py": [], "b.py": ["a.py", 3], "c.py": ["b.py", 1]}, certain=["a.py"])
    assert found.missed == ["b.py", "c.py"]
    assert missed_roots(found) == [Root("b.py", "a.py", 3, 2)]


def test_a_wrong_file_is_told_by_the_first_import_that_does_not_run():
    links = {"b.py": ["a.py", 3], "c.py": ["b.py", 1]}
    found = trial(certain=["a.py"], perhaps=["b.py", "c.py"], links=links)
    assert wrong_roots(found, found.word.perhaps) == [Root("b.py", "a.py", 3, 2)]
    assert any("a.py:3 → b.py, and 1 more" in line for line in explain(found))


def test_a_module_in_folders_without_init_has_their_names_in_front():
    paths = [
        "google/cloud/storage/__init__.py",
        "google/cloud/storage/blob.py",
        "six.py",
        "_x.cpython-313-x86_64-linux-gnu.so",
    ]
    assert top_modules([*paths, "tool-1.0.dist-info/METADATA", "tool-1.0.data/x.py"]) == {
        "google.cloud.storage": 2,
        "six": 1,
        "_x": 1,
    }


@pytest.mark.parametrize(
    ("requirement", "paths", "module"),
    [
        ("tool", ["other.py", "tool/__init__.py", "tests/__init__.py"], "tool"),
        ("PyPDF2==1.0", ["PyPDF2/__init__.py"], "PyPDF2"),
        ("google-cloud-storage", ["google/cloud/storage/__init__.py"], "google.cloud.storage"),
        ("PyYAML", ["_yaml/__init__.py", "yaml/__init__.py"], "yaml"),
        ("python-tool[x]", ["tests/__init__.py", "tests/a.py", "tool.py"], "tool"),
    ],
)
def test_the_module_of_a_distribution_is_the_one_that_it_is_known_for(requirement, paths, module):
    row = Row("python3.13", requirement, "ok")
    assert find_module(row, entries(*paths, owner=f"{requirement.partition('=')[0].partition('[')[0]}==1.0")) == module


def test_rows_are_read_without_comments(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# runtime, requirement\npython3.13\tjinja2==2.10\tImportError\n")
    (row,) = read_rows(path)
    assert (row.distribution, row.folder, row.said) == ("jinja2", "python3.13-jinja2==2.10", "ImportError")


@pytest.mark.thorough
@pytest.mark.network
def test_a_broken_and_a_sound_distribution_are_told_apart_and_a_second_run_needs_no_import(tmp_path):
    if interpreter_of("python3.13") is None:
        pytest.skip("this host lacks python3.13")
    rows = [
        Row("python3.13", f"sortedcontainers=={version}", said)
        for version, said in [("1.5.4", "ImportError"), ("2.4.0", "ok")]
    ]
    first = [try_row(row, work=tmp_path, reuse=False) for row in rows]
    again = [try_row(row, work=tmp_path, reuse=True) for row in rows]
    broken, sound = (outcome.trial for outcome in first)
    assert [outcome.trial.truth for outcome in again] == [broken.truth, sound.truth]
    assert (broken.verdict, broken.truth.kind) == (Verdict.FOUND, "ImportError")
    assert "collections" in broken.truth.message
    assert (sound.verdict, sound.reached.recall.part, sound.missed) == (Verdict.SOUND, len(sound.real), [])
    text = "\n".join([*summarise(first), *format_table(first)])
    assert "2 distributions were tried. 1 import, and 1 fail." in text
