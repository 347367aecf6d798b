"""The options of packaging, through the construct: each one is seen in what is packaged."""

import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from entries import HANDLER, write_files
from index_server import serve_index
from source_projects import build_sdist, write_project
from wheel_factory import build_wheel

from cdk_lambda_package import PythonFunction
from cdk_lambda_package.errors import PackageError

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache", "isolated_pip")]

RUNTIME = lambda_.Runtime.PYTHON_3_13


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    build_wheel(folder, "web", files={"web/__init__.py": "", "web/tests/t.py": ""}, requires_dist=["deep"])
    build_wheel(folder, "deep", "1.0")
    build_wheel(folder, "deep", "2.0")
    return folder


@pytest.fixture
def index(wheels):
    with serve_index(wheels) as server:
        yield server


@pytest.fixture
def entry(tmp_path, wheels):
    files = {
        "app.py": HANDLER,
        "main.py": HANDLER,
        "chalicelib/a.json": "",
        "chalicelib/a.py": "",
        "data/a.txt": "",
        "requirements.txt": f"--no-index\n--find-links {wheels}\nweb\n",
        "deep.txt": f"--no-index\n--find-links {wheels}\ndeep\n",
        "bare.txt": "deep\n",
        "limits.txt": "deep<2\n",
    }
    return write_files(tmp_path / "svc", files)


def packaged(tmp_path: Path, entry: Path, **options: object) -> set[str]:
    """Return the names in the asset, those of metadata shortened to the folder."""
    stack = Stack(App(outdir=str(tmp_path / "cdk.out")), "Stack")
    own = {name: options.pop(name) for name in ("index",) if name in options}
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise", **own, packaging=options)
    (asset,) = Path(stack.node.root.outdir).glob("asset.*.zip")
    with zipfile.ZipFile(asset) as archive:
        names = archive.namelist()
    asset.unlink()
    return {name.split("/")[0] if ".dist-info/" in name else name for name in names}


APP = {"app.py", "chalicelib/a.json", "chalicelib/a.py"}
WEB = {"web/__init__.py", "web/tests/t.py", "web-1.0.dist-info"}
DEEP = {"deep.py", "deep-2.0.dist-info"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, APP | WEB | DEEP, id="none"),
        pytest.param({"index": "main.py"}, APP - {"app.py"} | {"main.py"} | WEB | DEEP, id="index"),
        pytest.param({"include": ["data/**"]}, APP | {"data/a.txt"} | WEB | DEEP, id="include"),
        pytest.param({"exclude": ["*.json"]}, APP - {"chalicelib/a.json"} | WEB | DEEP, id="exclude"),
        pytest.param({"provided": ["deep"]}, APP | WEB, id="provided"),
        pytest.param({"exclude_distributions": ["deep"]}, APP | WEB, id="exclude_distributions"),
        pytest.param(
            {"exclude_from_requirements": ["tests/"]},
            APP | WEB - {"web/tests/t.py"} | DEEP,
            id="exclude_from_requirements",
        ),
        pytest.param({"requirements": "deep.txt"}, APP | DEEP, id="requirements"),
        pytest.param(
            {"pip_args": ["--constraint", "limits.txt"]}, APP | WEB | {"deep.py", "deep-1.0.dist-info"}, id="pip_args"
        ),
        pytest.param(
            {"after_packaging": [["rm", "-r", "web", "chalicelib"]]},
            {"app.py", "web-1.0.dist-info"} | DEEP,
            id="after_packaging",
        ),
    ],
)
def test_an_option_has_its_say_in_what_is_packaged(tmp_path, entry, options, expected):
    assert packaged(tmp_path, entry, **options) == expected


def test_pip_is_given_arguments_and_an_environment_to_find_an_index(tmp_path, entry, index):
    expected = APP | DEEP
    assert packaged(tmp_path, entry, requirements="bare.txt", pip_args=["--index-url", index.url()]) == expected
    environment = {"PIP_INDEX_URL": index.url()}
    assert packaged(tmp_path, entry, requirements="bare.txt", pip_environment=environment) == expected


def test_the_age_of_what_was_resolved_is_the_users_to_limit(tmp_path, entry, index):
    options = {"requirements": "bare.txt", "pip_args": ["--index-url", index.url()]}
    packaged(tmp_path, entry, **options)
    asked = len(index.requests)
    packaged(tmp_path, entry, **options)
    assert len(index.requests) == asked
    packaged(tmp_path, entry, **options, max_lock_age=timedelta(0))
    assert len(index.requests) > asked


def test_an_sdist_is_refused_where_builds_are_not_allowed(tmp_path, entry):
    build_sdist(entry / "sdists", "source")
    write_files(entry, {"requirements.txt": "--no-index\n--find-links sdists\nsource\n"})
    with pytest.raises(PackageError, match="source"):
        packaged(tmp_path, entry, allow_build=False)


@pytest.mark.thorough
def test_a_build_sees_the_environment_that_pip_is_given(tmp_path, entry):
    project = write_project(entry / "local", "local")
    backend = (project / "backend.py").read_text()
    writes = "from os import environ\nfrom pathlib import Path\nPath(f'{environ[\"MADE\"]}.py').write_text('')\n"
    (project / "backend.py").write_text(writes + backend)
    write_files(entry, {"requirements.txt": "--no-index\n./local\n"})
    assert "by_environment.py" in packaged(tmp_path, entry, pip_environment={"MADE": "by_environment"})
