"""Realistic requirements files, each with what an independent resolver found for three targets."""

import json
import os
from pathlib import Path

import pytest

from cdk_lambda_package.errors import (
    BuildError,
    ConflictingRequirementsError,
    RequirementSyntaxError,
    UnknownPackageError,
)
from cdk_lambda_package.requirements.resolution import ResolutionRequest
from cdk_lambda_package.resolving import resolve
from cdk_lambda_package.target import Target

CORPUS = Path(
    os.environ.get("CDK_LAMBDA_PACKAGE_CORPUS") or Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
)
ERRORS = {
    "no-wheel-native-sdist": BuildError,
    "conflict": ConflictingRequirementsError,
    "not-found": UnknownPackageError,
    "syntax": RequirementSyntaxError,
}
CASES = sorted(CORPUS.glob("*.json"))

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not CASES, reason="no corpus of requirements files at $CDK_LAMBDA_PACKAGE_CORPUS"),
]


# Releases that an index served only after the corpus was made, with upload times before its day.
LATER = "certifi!=2026.10.19.post1\npyyaml!=6.0.4\n"


def read_case(case, monkeypatch, tmp_path):
    name, python, architecture = case.stem.rsplit(".py", 1)[0], *case.stem.rsplit(".py", 1)[1].rsplit(".", 1)
    monkeypatch.setenv("CORPUS_DIR", str(CORPUS))
    (tmp_path / "later.txt").write_text(LATER)
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "later.txt"))
    request = ResolutionRequest(
        entry=CORPUS, requirements=CORPUS / f"{name}.txt", target=Target.parse(f"python{python}", architecture)
    )
    return request, name, json.loads(case.read_text(encoding="utf-8"))


def parameters() -> list:
    """The cases. All targets of builds of sources are thorough, and so are those of the others but for every second one."""
    is_thorough = {case: "sdist" in case.stem or number % 2 for number, case in enumerate(CASES)}
    marks = {case: [pytest.mark.thorough] if thorough else [] for case, thorough in is_thorough.items()}
    return [pytest.param(case, marks=marks[case], id=case.stem) for case in CASES] or [None]


@pytest.mark.parametrize("case", parameters())
def test_the_corpus_resolves_as_an_independent_resolver_says(case, shared_store, monkeypatch, tmp_path):
    request, _, expected = read_case(case, monkeypatch, tmp_path)
    if isinstance(expected, dict):
        with pytest.raises(ERRORS[expected["error"]]):
            resolve(request, store=shared_store)
    else:
        assert (
            sorted(f"{wheel.name}=={wheel.version}" for wheel in resolve(request, store=shared_store).wheels)
            == expected
        )
