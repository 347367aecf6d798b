"""Facts of modules, taken once for each source and kept."""

import hashlib

import pytest

from cdk_lambda_package.modules.facts_reader import FactsReader
from cdk_lambda_package.modules.reader import read_module
from cdk_lambda_package.splicing.tree import Entry

# One of everything that facts have.
RICH = """
import a.b
from .c import d as e, f
from g import *
try:
    import h
except ImportError:
    import i
else:
    import j
sys.path.append("x")
app = Chalice("x")
async def handler(event, context): ...
__all__ = ["app"]
"""


class Sources:
    """Modules by their paths, and which of them were read."""

    def __init__(self, store, **sources):
        self.store, self.read = store, []
        self.sources = {f"{name}.py": text.encode() for name, text in sources.items()}

    def reader(self, python=(3, 13), **changed):
        sources = self.sources | {f"{name}.py": text.encode() for name, text in changed.items()}
        entries = {
            path: Entry(path, False, len(source), hashlib.sha256(source).hexdigest(), "app")
            for path, source in sources.items()
        }

        def read(path):
            self.read.append(path)
            return sources[path]

        return FactsReader(entries, read, python, self.store)


@pytest.fixture
def sources(store):
    return Sources(store, app=RICH, other="x = 1\n")


def test_facts_come_out_of_the_store_as_they_went_in(sources):
    first = sources.reader()
    assert first.read("app.py") == read_module(RICH.encode(), (3, 13))
    first.save()
    again = sources.reader()
    assert again.read("app.py") == first.read("app.py")
    assert sources.read == ["app.py"]


def test_a_changed_module_is_read_again_and_no_other(sources):
    first = sources.reader()
    first.read("app.py"), first.read("other.py")
    first.save()
    changed = sources.reader(app="import z\n")
    assert [one.module for one in changed.read("app.py").imports] == ["z"]
    changed.read("other.py")
    changed.save()
    assert sources.read == ["app.py", "other.py", "app.py"]
    back = sources.reader()
    assert back.read("app.py") == first.read("app.py")
    assert len(sources.read) == 3


def test_what_a_source_says_depends_on_the_version(sources):
    first = sources.reader(app="import sys\nif sys.version_info >= (3, 12):\n    import new\n")
    assert len(first.read("app.py").imports) == 2
    first.save()
    other = sources.reader((3, 11), app="import sys\nif sys.version_info >= (3, 12):\n    import new\n")
    assert len(other.read("app.py").imports) == 1


def test_what_was_not_saved_is_read_again(sources):
    sources.reader().read("app.py")
    sources.reader().read("app.py")
    assert sources.read == ["app.py", "app.py"]


def test_an_altered_record_is_no_record(sources):
    first = sources.reader()
    first.read("app.py")
    first.save()
    [record] = sources.store.folders("modules")[0].iterdir()
    record.write_bytes(record.read_bytes().replace(b"Chalice", b"Qhalice"))
    sources.reader().read("app.py")
    assert sources.read == ["app.py", "app.py"]
