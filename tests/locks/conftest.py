"""What tests of committed locks share."""

import pytest
import tomli_w
from entries import package_request
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.pipeline import package
from cdk_lambda_package.store import Store


class Repository:
    """A repository with an app in svc/, and wheels that locks can name."""

    def __init__(self, root):
        self.root, self.entry, self.wheels = root / "repo", root / "repo" / "svc", root / "wheels"
        self.entry.mkdir(parents=True)
        (self.root / ".git").mkdir()
        (self.entry / "app.py").write_text("def handler(event, context): ...\n")
        self.store = Store(root / "store")

    def wheel(self, name, version="1.0", **options):
        return build_wheel(self.wheels, name, version, **options)

    def lock(self, *packages, path="svc/pylock.toml", **fields):
        content = {"lock-version": "1.0", "created-by": "test", "packages": list(packages), **fields}
        (self.root / path).write_text(tomli_w.dumps(content))

    def package(self, name, version="1.0", *, wheels=(), **fields):
        files = [*wheels] or [self.wheel(name, version)]
        rows = [{"url": file.as_uri(), "hashes": {"sha256": sha256(file)}} for file in files]
        return {"name": name, "version": version, "wheels": rows, **fields}

    def build(self, **options):
        request = package_request(**{"entry": self.entry, "runtime": "python3.13", **options})
        made = package(request, store=self.store)
        return {row["name"]: row["version"] for row in made.manifest["distributions"]}

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def repository(tmp_path, isolated_pip):
    return Repository(tmp_path)
