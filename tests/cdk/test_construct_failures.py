"""Faults at synthesis: errors that CDK shows with the function's path, and no traceback."""

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package import PythonFunction
from cdk_lambda_package.store import CACHE_DIR_VARIABLE

pytestmark = pytest.mark.xdist_group("cdk")


def test_a_host_without_any_place_for_files_is_an_error_of_each_function(app, stack, entry, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(tmp_path / "file" / "store"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    for name in ("One", "Two"):
        PythonFunction(stack, name, entry=entry, runtime=lambda_.Runtime.PYTHON_3_13)
    with pytest.raises(RuntimeError) as caught:
        app.synth()
    told = str(caught.value)
    assert told.count("Opening the store failed: No such file or directory: ") == 2
    for part in ("[Stack/One/Resource]", "[Stack/Two/Resource]", str(tmp_path / "missing")):
        assert part in told
    assert "Traceback" not in told
