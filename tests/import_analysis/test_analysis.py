"""Facts of modules, read once for each source and remembered."""

import hashlib

import pytest

from cdk_lambda_package.import_analysis import Environment, ImportAnalysis, SourceFile
from cdk_lambda_package.import_analysis.reader import read_module

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

    def analysis(self, python=(3, 13), **changed):
        sources = self.sources | {f"{name}.py": text.encode() for name, text in changed.items()}
        files = {path: SourceFile(hashlib.sha256(source).hexdigest(), "app") for path, source in sources.items()}

        def read(path):
            self.read.append(path)
            return sources[path]

        return ImportAnalysis(files, read, Environment(python=python), store=self.store)


@pytest.fixture
def sources(store):
    return Sources(store, app=RICH, other="x = 1\n")


def test_facts_come_out_of_the_store_as_they_went_in(sources):
    first = sources.analysis()
    assert first.facts("app.py") == read_module(RICH.encode(), (3, 13))
    first.save()
    again = sources.analysis()
    assert again.facts("app.py") == first.facts("app.py")
    assert sources.read == ["app.py"]


def test_a_changed_module_is_read_again_and_no_other(sources):
    first = sources.analysis()
    first.facts("app.py"), first.facts("other.py")
    first.save()
    changed = sources.analysis(app="import z\n")
    assert [one.module for one in changed.facts("app.py").imports] == ["z"]
    changed.facts("other.py")
    changed.save()
    assert sources.read == ["app.py", "other.py", "app.py"]
    back = sources.analysis()
    assert back.facts("app.py") == first.facts("app.py")
    assert len(sources.read) == 3


def test_what_a_source_says_depends_on_the_version(sources):
    first = sources.analysis(app="import sys\nif sys.version_info >= (3, 12):\n    import new\n")
    assert len(first.facts("app.py").imports) == 2
    first.save()
    other = sources.analysis((3, 11), app="import sys\nif sys.version_info >= (3, 12):\n    import new\n")
    assert len(other.facts("app.py").imports) == 1


def test_what_was_not_saved_is_read_again(sources):
    sources.analysis().facts("app.py")
    sources.analysis().facts("app.py")
    assert sources.read == ["app.py", "app.py"]


def test_an_altered_record_is_no_record(sources):
    first = sources.analysis()
    first.facts("app.py")
    first.save()
    [record] = sources.store.folders("modules")[0].iterdir()
    record.write_bytes(record.read_bytes().replace(b"Chalice", b"Qhalice"))
    sources.analysis().facts("app.py")
    assert sources.read == ["app.py", "app.py"]
