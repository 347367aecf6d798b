"""Moving over from aws-lambda-python-alpha."""

import inspect
import re
from pathlib import Path

import pytest

# One worker starts node, not all of them.
pytestmark = pytest.mark.xdist_group("cdk")


def test_the_guide_has_every_option_of_a_container_run():
    cdk = pytest.importorskip("aws_cdk", exc_type=ImportError)
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "move-from-aws-lambda-python-alpha.md"
    rows = [line.split("|")[1] for line in guide.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(inspect.signature(cdk.DockerRunOptions).parameters) <= told
