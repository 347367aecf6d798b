"""What poetry and pipenv export, read line by line: no tool runs here."""

import pytest
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.locks.lookup import read_pinned_lines
from cdk_lambda_package.requirements import LockFile
from cdk_lambda_package.target import Target


@pytest.fixture
def read(tmp_path):
    lock = LockFile(path=tmp_path / "svc" / "Pipfile.lock", format="Pipfile.lock")
    return lambda text: read_pinned_lines(text, lock, Target.parse("python3.13"), renewal="pipenv lock")


@pytest.mark.parametrize("name", ["Name_D2.lib", "UPPER", "plain"])
@pytest.mark.parametrize("line", ["{path}", "-e {path}", "{path} ; python_version > '3.2'", "{uri}"])
def test_a_wheel_by_its_path_is_pinned_by_its_content_and_not_built(tmp_path, read, name, line):
    """pipenv writes no hash of it. Its file name has the spelling of its author."""
    wheel = build_wheel(tmp_path / "wheels", name)
    found = read(line.format(path=f"../wheels/{wheel.name}", uri=wheel.as_uri()))
    normal = name.lower().replace("_", "-").replace(".", "-")
    assert found.sources == ()
    assert found.requirements == (f"{normal} @ {wheel.as_uri()} --hash=sha256:{sha256(wheel)}",)


def test_a_wheel_by_its_path_that_another_target_needs_is_left_out(read):
    found = read("./nowhere-1.0-py3-none-any.whl ; python_version < '3'")
    assert (found.requirements, found.sources) == ((), ())


def test_a_wheel_that_isnt_there_is_an_error_that_names_it(read):
    with pytest.raises(LockError, match=r"nowhere-1\.0-py3-none-any\.whl, which can't be read: No such file"):
        read("./nowhere-1.0-py3-none-any.whl")
    with pytest.raises(LockError, match="isn't named as wheels are"):
        read("https://files.invalid/wheel.whl")


def test_a_wheel_by_its_url_is_taken_with_a_hash_and_refused_without(read):
    url = "https://files.invalid/Demo_Lib-1.0-py3-none-any.whl"
    digest = "0" * 64
    assert read(f"{url} --hash=sha256:{digest}").requirements == (f"demo-lib @ {url} --hash=sha256:{digest}",)
    with pytest.raises(LockError, match=r"doesn't pin demo-lib @ https.* pipenv writes none for a URL.* vendor/"):
        read(url)
