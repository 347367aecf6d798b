"""The public apps of docs/explanation/public-apps.md: the table is that of the data file, and some rows are tried again.

`make public-apps` tries all of them.
"""

import re

import pytest
from entries import write_files
from public_apps import PAGE, TABLE_ROWS, UNEXPLAINED, App, Bench, describe_findings, read_apps, shorten, write_entry
from this_host import find_python
from wheel_factory import build_wheel

APPS = read_apps()
# Apps without requirements: one that is accepted, and one that lacks a module beside app.py, and has it after the advice.
OFFLINE = ("53ningen/c95-redirector", "BayooG/chalice-S3-example")


def rows() -> list[list[str]]:
    found = TABLE_ROWS.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    lines = [line for line in found[1].splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def rows_of(name: str) -> list[list[str]]:
    """Return the rows of an app: its own, and those that begin with "…" below it."""
    table = rows()
    start = [row[0] for row in table].index(name)
    end = next((n for n, row in enumerate(table) if n > start and not row[0].startswith("…")), len(table))
    return table[start:end]


def test_there_are_forty_apps_in_the_order_of_the_searches():
    assert len(APPS) == 40
    assert [app.search for app in APPS] == ["chalice"] * 26 + ["lambda_function"] * 14
    for search in ("chalice", "lambda_function"):
        names = [app.name for app in APPS if app.search == search]
        assert names == sorted(set(names))


def test_the_table_has_each_app_of_the_data_file():
    assert [row[0] for row in rows() if not row[0].startswith("…")] == [app.name for app in APPS]


def test_an_app_that_is_rejected_has_a_second_row_with_a_cure_or_the_reason_for_none():
    for app in APPS:
        first, *others = rows_of(app.name)
        assert not first[3].startswith("error") or others, app.name


def test_a_row_without_agreement_has_a_reason():
    for row in rows():
        assert row[5] == "yes" or row[5].startswith("no: ") or row[0].startswith("… not changed: "), row
        assert UNEXPLAINED not in row[5], row


@pytest.mark.parametrize("name", OFFLINE)
def test_an_app_gives_what_the_table_says(name, tmp_path, monkeypatch):
    (app,) = (app for app in APPS if app.name == name)
    if find_python(app.runtime) is None:
        pytest.skip(f"this host lacks {app.runtime}")
    # The runtime's own packages come from the index; what these apps do when they are imported needs none of them.
    (tmp_path / "runtime" / app.runtime).mkdir(parents=True)
    write_stand_ins(tmp_path / "runtime" / app.runtime, tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    bench = Bench(tmp_path)
    variants = [variant for variant in (app.as_found, app.cured) if variant is not None]
    found = [bench.try_app(app, variant) for variant in variants]
    assert [[one.tool, one.import_says] for one in found] == [row[3:5] for row in rows_of(name)]


def write_stand_ins(runtime, wheels) -> None:
    write_files(runtime, {"boto3.py": "def resource(name): ...\n"})
    build_wheel(
        wheels,
        "chalice",
        files={
            "chalice/__init__.py": "from chalice.app import Chalice, Response\n",
            "chalice/app.py": """
class Response: ...


class Chalice:
    def __init__(self, app_name): ...

    def route(self, *path, **options):
        return lambda view: view

    def __call__(self, event, context): ...
""",
        },
    )


def test_findings_are_described_by_the_worst_of_them():
    warning = {"id": "import-uncertain", "severity": "warning", "message": "…", "subject": "orjson"}
    error = {"id": "import-not-found", "severity": "error", "message": "…", "subject": "bs4"}
    assert describe_findings([]) == "accepted"
    assert describe_findings([warning]) == "accepted, with warning import-uncertain: orjson"
    assert describe_findings([warning, error, error]) == "error import-not-found: bs4"


def test_places_of_this_machine_are_not_shown():
    assert shorten("\n  /tmp/x1/y/app.py is wrong\nmore") == "app.py is wrong"
    assert shorten("'/tmp/x/a.whl' of file:///tmp/x/y/b.whl") == "'a.whl' of file://b.whl"
    url = "git+ssh://git@git.example.com/own/shared.git"
    assert shorten(f"{url} can't be read") == f"{url} can't be read"


def test_a_wheel_of_an_app_has_the_name_that_it_has_there(tmp_path):
    app = App(name="a/b", search="chalice", files={"app.py": ""}, wheels=["vendor/Pkg-1.0-cp36-cp36m-linux_x86_64.whl"])
    entry = write_entry(app, app.as_found, tmp_path / "entry")
    assert (entry / "vendor" / "Pkg-1.0-cp36-cp36m-linux_x86_64.whl").is_file()
