"""Real libraries, unpacked into vendor/ where every module of theirs is read: none of them may be accused."""

import json
import subprocess
import sys
import zipfile

import pytest
from app_corpus import download
from entries import package_request, write_files
from package_contents import package_contents
from this_host import HOST

from cdk_lambda_package import package
from cdk_lambda_package.checks.imports import check as check_imports
from cdk_lambda_package.errors import Severity

# Conditional imports, optional ones, vendored trees, aliases in sys.modules, lazy names, changes of sys.path.
WHEELS = (
    "requests==2.32.5",
    "urllib3==2.5.0",
    "idna==3.11",
    "certifi==2025.10.5",
    "charset-normalizer==3.4.4",
    "six==1.17.0",
    "attrs==25.4.0",
    "setuptools==80.9.0",
    "docutils==0.22.3",
    "boltons==25.0.0",
    "python-dateutil==2.9.0.post0",
)
APP = """
import attr, attrs, boltons.iterutils, certifi, dateutil.parser, docutils.core, requests, setuptools, six
from requests.packages.urllib3.util import Retry
from six.moves.urllib.parse import urlparse

def handler(event, context):
    return requests.get(event["url"])
"""
# Of these only what the app imports is tried, not each module.
TOO_MANY = frozenset({"_distutils_hack", "docutils", "pkg_resources", "setuptools"})

# Imports each module in a process of its own, and says of each whether that was possible.
IMPORT_EACH = """
import importlib, json, os, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
def try_import(name):
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 2)
        try:
            importlib.import_module(name)
        except ImportError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps({name: try_import(name) for name in sys.stdin.read().split()}))
"""

pytestmark = [pytest.mark.network, pytest.mark.thorough]


@pytest.fixture(scope="module")
def vendor(shared_cache, tmp_path_factory):
    wheels = shared_cache / "corpus-wheels"
    wheels.mkdir(exist_ok=True)
    folder = tmp_path_factory.mktemp("real") / "vendor"
    for wheel in WHEELS:
        with zipfile.ZipFile(download(wheel, wheels)) as archive:
            archive.extractall(folder)
    return folder


def test_vendored_libraries_give_no_finding(vendor, store):
    entry = write_files(vendor.parent, {"app.py": APP})
    assert package(package_request(entry=entry, runtime=HOST), store=store).findings == ()


@pytest.mark.needs("fork")
def test_what_is_said_of_each_module_is_what_python_says(vendor):
    sources = {path.relative_to(vendor).as_posix(): path.read_bytes() for path in sorted(vendor.rglob("*.py"))}
    vendored = {f"vendor: {path}": source.decode(errors="replace") for path, source in sources.items()}
    names = [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in sources]
    names = [name for name in names if name.partition(".")[0] not in TOO_MANY and "__main__" not in name]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_EACH, str(vendor)],
        input=" ".join(names), capture_output=True, text=True, check=True,
    )  # fmt: skip
    real = json.loads(done.stdout)
    accused, failing = {}, {name for name in names if real[name] == 1}
    for name in names:
        found = list(check_imports(package_contents({**vendored, "app.py": f"import {name}"}, runtime=HOST)))
        if name in failing and found:
            failing.remove(name)
        accused[name] = [str(finding) for finding in found if finding.severity is Severity.ERROR]
    assert {name: accused[name] for name in names if real[name] == 0 and accused[name]} == {}
    # What is left fails because of a name that a module lacks, or that there is no Windows.
    assert failing <= {"dateutil.tz.win", "dateutil.tzwin"}
    assert len(names) > 130
