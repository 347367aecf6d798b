"""The corpus of broken and sound apps: each broken one gives its findings and no others, each sound one gives none.

What the checks say is held against Lambda's own runtime client behind its emulator, in an interpreter that has nothing
but the package and what the runtime brings.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from app_corpus import Case, call, cases
from entries import HANDLER, package_request, write_files
from local_aws import unpack
from this_host import require_lambda, require_python

from cdk_lambda_package import package
from cdk_lambda_package.catalogue import rules
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE
from cdk_lambda_package.progress import QUIET
from cdk_lambda_package.reports import make_report
from cdk_lambda_package.store import Store


def parameters(kind: str) -> list:
    return [pytest.param(case, id=case.name) for case in cases(kind)]


BROKEN, SOUND = parameters("broken"), parameters("sound")

# What is in Lambda's runtime besides the standard library.
RUNTIME_PACKAGES = "awslambdaric\nboto3\n"


@pytest.fixture(scope="session")
def wheels(shared_cache):
    folder = shared_cache / "corpus-wheels"
    folder.mkdir(exist_ok=True)
    return folder


def name_handler(case: Case, index: Path) -> str:
    if "handler" in case.options:
        return case.options["handler"]
    bound = re.findall(
        rb"^(?:async def |def |from .* import )?(handler|lambda_handler|app)\b", index.read_bytes(), re.M
    )
    return bound[-1].decode() if bound else "handler"


def test_the_corpus_is_large_enough():
    for kind, least, inside_requirements in (("broken", 90, 30), ("sound", 70, 30)):
        every = cases(kind)
        assert len(every) >= least
        assert sum(case.name.startswith("requires_") for case in every) >= inside_requirements


def describe(finding, expected: list[str]) -> str:
    """Return a finding as `findings` has it, as far as an expected one says it."""
    place = str(finding.path) if finding.line is None else f"{finding.path}:{finding.line}"
    forms = [f"{finding.id}{said}" for said in (f" {place}", f" {place} **", f" {finding.path}", "", " *", " **")]
    return next((form for form in forms if form in expected), forms[0])


def described(findings, expected: list[str]) -> list[str]:
    """Return the findings as `findings` has them, sorted; those that may be several are one."""
    every = [describe(finding, expected) for finding in findings]
    return sorted(form for index, form in enumerate(every) if not (form.endswith(" **") and form in every[:index]))


def check(case, entry, store) -> list:
    """Return what is found about an app, but that its requirements aren't locked."""
    request = package_request(entry=entry, layers=case.layers(entry), **case.options)
    found = make_report(request, store, QUIET).findings
    known = (*(request.packaging.acknowledge or ()), "requirements-not-locked")
    return [finding for finding in found if not finding.is_among(known)]


# An app takes seconds.
THOROUGH = ([], [pytest.mark.thorough])


@pytest.mark.network
@pytest.mark.parametrize(
    "case", [one._replace(marks=[*one.marks, *THOROUGH[index % 2]]) for index, one in enumerate(BROKEN)]
)
def test_a_broken_app_gives_its_findings_and_no_others(case, tmp_path, wheels, shared_store):
    found = check(case, case.prepare(tmp_path / "entry", wheels), shared_store)
    expected = sorted(case.says["findings"])
    assert described(found, expected) == expected, [str(finding) for finding in found]


@pytest.mark.network
@pytest.mark.parametrize(
    "case", [one._replace(marks=[*one.marks, *THOROUGH[index % 2]]) for index, one in enumerate(SOUND)]
)
def test_a_sound_app_gives_no_finding(case, tmp_path, wheels, shared_store):
    assert not [str(finding) for finding in check(case, case.prepare(tmp_path / "entry", wheels), shared_store)]


@pytest.fixture(scope="session")
def runtime_packages(shared_cache, tmp_path_factory):
    """Give the folder with what Lambda's runtime brings, for a runtime."""

    def make(runtime: str) -> Path:
        folder = shared_cache / "runtime-packages" / runtime
        entry = write_files(
            tmp_path_factory.mktemp("runtime"), {"app.py": HANDLER, "requirements.txt": RUNTIME_PACKAGES}
        )
        request = package_request(entry=entry, runtime=runtime, acknowledge=("requirements-not-locked",))
        package(request, lambda _: folder, store=Store(shared_cache), unpacked=True)
        return folder

    return cache(make)


@dataclass(frozen=True)
class Lambda:
    """Runs the apps of the corpus as Lambda does."""

    wheels: Path
    store: Store
    runtime_packages: Callable[[str], Path]

    def run(self, case: Case, folder: Path, **further: object) -> object:
        """Package an app whatever the findings, with further options, and invoke it. Raises RuntimeError if it fails."""
        if "not_run" in case.says:
            pytest.skip(case.says["not_run"])
        python = require_python(case.runtime)
        entry = case.prepare(folder / "entry", self.wheels)
        options = {
            **case.options,
            **further,
            "acknowledge": [
                *(rule.id for rule in rules() if rule.acknowledgeable),
                *case.options.get("acknowledge", ()),
            ],
        }
        options.pop("smoke", None)
        request = package_request(entry=entry, layers=case.layers(entry), **options)
        made = package(request, lambda _: folder / "package.zip", store=self.store)
        root = unpack(folder / "package.zip", folder / "task")
        handler = f"{made.index.removesuffix('.py').replace('/', '.')}.{name_handler(case, entry / made.index)}"
        search = [*(Path(layer) / "python" for layer in case.layers(entry)), self.runtime_packages(case.runtime)]
        return call(python, root, handler, case.says.get("event", "{}"), search, folder / "log")


@pytest.fixture
def emulated(wheels, shared_store, runtime_packages) -> Lambda:
    require_lambda()
    return Lambda(wheels, shared_store, runtime_packages)


@pytest.mark.thorough
@pytest.mark.network
@pytest.mark.parametrize("case", BROKEN)
def test_lambda_fails_on_a_broken_app_for_the_reason_given(case, tmp_path, emulated):
    with pytest.raises(RuntimeError) as caught:
        emulated.run(case, tmp_path)
    assert case.says["lambda"] in str(caught.value)


@pytest.mark.thorough
@pytest.mark.network
@pytest.mark.parametrize("case", SOUND)
def test_a_sound_app_answers_on_lambda(case, tmp_path, emulated):
    assert emulated.run(case, tmp_path) == json.loads(case.says["answer"])


@pytest.mark.thorough
@pytest.mark.network
@pytest.mark.parametrize("slim", [False, True], ids=["whole", "slim"])
@pytest.mark.parametrize("case", SOUND)
def test_a_sound_app_answers_with_bytecode(case, slim, tmp_path, emulated, monkeypatch):
    # Of each runtime whose interpreter this host has.
    monkeypatch.setenv(INTERPRETER_VARIABLE, require_python(case.runtime))
    assert emulated.run(case, tmp_path, bytecode="require", slim=slim) == json.loads(case.says["answer"])
