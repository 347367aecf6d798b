"""Independent readers agree on what we write, and what they read can be imported."""

import zipfile
from pathlib import Path

import pytest
import readers
from entries import HANDLER, package_request, run_clean, unpack, write_files
from raw_zip import STORED, build_zip, member
from this_host import HOST

from cdk_lambda_package import package


@pytest.mark.needs("unzip", "bsdtar")
def test_the_other_readers_are_used():
    assert [Path(reader).name for reader in (readers.UNZIP, readers.BSDTAR)] == ["unzip", "bsdtar"]


@pytest.mark.parametrize(
    "lie",
    [
        {"local_name": b"other!"},
        {"stream": b"other!"},
        {"crc": 1},
    ],
    ids="-".join,
)
def test_the_comparison_sees_an_archive_that_lies(tmp_path, lie):
    path = tmp_path / "x.zip"
    path.write_bytes(build_zip([member("app.py", "x = 12", method=STORED, **lie)]))
    with pytest.raises((AssertionError, zipfile.BadZipFile)):
        readers.assert_reads_alike(path)


@pytest.mark.thorough
@pytest.mark.needs("a Python that Lambda has")
@pytest.mark.network
def test_a_package_of_what_people_deploy_reads_alike_and_imports(tmp_path, shared_store):
    files = {"app.py": HANDLER, "requirements.txt": "pandas\npyarrow\nboto3\nfastapi\n"}
    archive = tmp_path / "package.zip"
    # More than Lambda takes, unless something is left out.
    entry = write_files(tmp_path / "svc", files)
    request = package_request(entry=entry, runtime=HOST, acknowledge=("package-too-large",))
    made = package(request, lambda _: archive, store=shared_store)
    readers.assert_reads_alike(archive)
    told = run_clean(
        unpack(archive, tmp_path / "package"),
        """
        import app, boto3, fastapi, pandas, pyarrow
        from importlib.metadata import version
        for module in (boto3, fastapi, pandas, pyarrow):
            assert module.__file__.startswith(sys.path[0]), module
            assert module.__version__ == version(module.__name__)
        print(pandas.DataFrame({"x": [1, 2]}).to_parquet()[:4], len(boto3.client("s3", region_name="x").meta.config.__dict__) > 0)
        """,
    )
    assert told == "b'PAR1' True"
    with zipfile.ZipFile(archive) as opened:
        assert made.files == len(opened.infolist())
        assert made.size == sum(info.file_size for info in opened.infolist())
