"""A project with a requirements file and an index of its own, that nothing of the host's pip configuration reaches."""

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from entries import package_request
from wheel_factory import build_wheel

from cdk_lambda_package.pipeline import DeploymentPackage, package
from cdk_lambda_package.requirements.resolution import Resolution, ResolutionRequest
from cdk_lambda_package.requirements.resolution_cache import current_resolution
from cdk_lambda_package.resolving import resolve
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

# The day whose index the tests see. The suite's own pins, such as those of tests/apps, are of that day or before.
FROZEN_INDEX = "2026-11-21T00:00:00Z"


@dataclass
class Project:
    """`entry` is the app's directory, `wheels` what pip finds with --find-links."""

    root: Path
    entry: Path = field(init=False)
    wheels: Path = field(init=False)

    def __post_init__(self) -> None:
        self.entry, self.wheels = self.root / "app", self.root / "wheels"
        self.entry.mkdir()
        self.wheels.mkdir()

    def build(self, name: str, version: str = "1.0", **options: Any) -> Path:
        """Put a wheel where pip finds it."""
        return build_wheel(self.wheels, name, version, **options)

    def write(self, text: str, *, name: str = "requirements.txt", local: bool = True) -> Path:
        """Write a requirements file; `local` ones find the project's wheels and nothing else."""
        path = self.entry / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((f"--no-index --find-links {self.wheels}\n" if local else "") + text + "\n", encoding="utf-8")
        return path

    def request(
        self, text: str | None = None, *, target: str = "python3.13 x86_64", **options: Any
    ) -> ResolutionRequest:
        """Return a request for these requirements, or for the file that is there."""
        if text is not None:
            self.write(text)
        path = self.entry / "requirements.txt"
        return ResolutionRequest(
            entry=self.entry,
            requirements=path if path.exists() else None,
            target=Target.parse(*target.split()),
            **options,
        )

    def package(self, store: Store, **options: Any) -> DeploymentPackage:
        """Package the entry directory as it is."""
        return package(package_request(entry=self.entry, runtime="python3.13", **options), store=store)

    def resolve(self, text: str | None = None, **options: Any) -> Resolution:
        """Resolve these requirements."""
        return resolve(self.request(text, **options))


def build(project: Project, store: Store, text: str | None = None, **options: Any) -> Resolution:
    """Resolve these requirements; what has no wheel is built, and kept in the store."""
    return resolve(project.request(text, **options), store=store)


def resolved(request: ResolutionRequest, store: Store, **options: Any) -> Resolution:
    """Return the resolution that applies, by the user's own pip where the store has none."""
    return current_resolution(
        request, store, **{**options, "resolve": options.get("resolve") or partial(resolve, store=store)}
    )


def versions(resolution: Resolution) -> dict[str, str]:
    """Return what was chosen, by name."""
    return {wheel.name: wheel.version for wheel in resolution.wheels}


def isolate_pip(monkeypatch: Any) -> None:
    """Leave nothing of the host's pip configuration, except for how to reach the index at all."""
    for name in [name for name in os.environ if name.startswith("PIP_") and name != "PIP_CERT"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
