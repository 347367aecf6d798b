"""The examples of Chalice's "App Packaging" document, with the real pip and index."""

import subprocess
import sys

import pytest
from entries import DOCUMENT, HANDLER, names_in, package_request, run_clean, snapshot, unpack, write_files
from readers import assert_reads_alike
from this_host import HOST, require

from cdk_lambda_package import package

pytestmark = pytest.mark.network

SORTEDCONTAINERS = "sortedcontainers-1.5.4.dist-info"
ABOUT = [f"{SORTEDCONTAINERS}/{file}" for file in ("DESCRIPTION.rst", "METADATA", "RECORD", "WHEEL", "metadata.json", "top_level.txt")]  # fmt: skip


@pytest.fixture(scope="session")
def own_python(request):
    """Interpreters in the tests are the host's, so these packages are for its minor version."""
    require("a Python that Lambda has")
    return HOST


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_the_documents_tree_comes_out_exactly(tmp_path, shared_store, architecture):
    entry = write_files(tmp_path / "svc", {**DOCUMENT, "requirements.txt": "sortedcontainers==1.5.4\n"})
    before = snapshot(entry)
    archive = tmp_path / "package.zip"
    made = package(
        package_request(entry=entry, runtime="python3.13", architecture=architecture),
        lambda _: archive,
        store=shared_store,
    )
    assert snapshot(entry) == before
    names = names_in(archive)
    assert [name for name in names if ".dist-info/" not in name and not name.startswith("sortedcontainers/")] == [
        "app.py",
        "chalicelib/__init__.py",
        "chalicelib/utils.py",
        "internalpackage/__init__.py",
    ]
    assert [name for name in names if name.startswith("sortedcontainers/")] == [
        f"sortedcontainers/{name}.py" for name in ("__init__", "sorteddict", "sortedlist", "sortedset")
    ]
    assert [name for name in names if ".dist-info/" in name] == ABOUT
    assert_reads_alike(archive)
    told = run_clean(
        unpack(archive, tmp_path / "x"), "from importlib.metadata import version as v\nprint(v('sortedcontainers'))"
    )
    assert told == "1.5.4"
    assert [finding.id for finding in made.findings] == ["requirements-not-locked"]


def test_psycopg2_in_vendor_imports_from_the_package(tmp_path, shared_store, shared_cache, own_python):
    wheels = shared_cache.parent / "psycopg2-wheel"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*download, f"--dest={wheels}", "psycopg2-binary"], check=True)
    (wheel,) = wheels.glob("psycopg2_binary-*.whl")
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    taken = unpack(wheel, tmp_path / "unpacked")
    (entry / "vendor").mkdir()
    for folder in ("psycopg2", "psycopg2_binary.libs"):
        (taken / folder).rename(entry / "vendor" / folder)
    archive = tmp_path / "package.zip"
    package(package_request(entry=entry, runtime=own_python), lambda _: archive, store=shared_store)
    assert_reads_alike(archive)
    names = names_in(archive)
    assert {name.split("/")[0] for name in names} == {"app.py", "psycopg2", "psycopg2_binary.libs"}
    told = run_clean(
        unpack(archive, tmp_path / "package"),
        "import app, psycopg2\nprint(psycopg2.__version__.split()[0], psycopg2.__libpq_version__)",
    )
    version, libpq = told.split()
    assert version == wheel.name.split("-")[1]
    assert int(libpq) >= 100000


def test_psycopg2_in_vendor_replaces_the_required_one_whole(tmp_path, shared_store):
    files = {"app.py": HANDLER, "vendor/psycopg2/__init__.py": "", "requirements.txt": "psycopg2-binary\n"}
    archive = tmp_path / "package.zip"
    made = package(
        package_request(entry=write_files(tmp_path / "svc", files), runtime="python3.13"),
        lambda _: archive,
        store=shared_store,
    )
    assert names_in(archive) == ["app.py", "psycopg2/__init__.py"]
    (decision,) = made.manifest["decisions"]
    assert decision["decision"] == "distribution-replaced-by-vendor"
    assert decision["subject"].startswith("psycopg2-binary==")


def test_a_wheel_in_vendor_is_installed_with_what_it_requires(tmp_path, shared_store):
    from raw_zip import member, raw_wheel

    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    raw_wheel(entry / "vendor", [member("demo.py", "import six\n")], requires_dist=["six==1.16.0"])
    archive = tmp_path / "package.zip"
    package(package_request(entry=entry, runtime="python3.13"), lambda _: archive, store=shared_store)
    names = names_in(archive)
    assert {"app.py", "demo.py", "six.py", "demo-1.0.dist-info/METADATA"} <= set(names)
    assert not any(name.endswith(".whl") for name in names)
