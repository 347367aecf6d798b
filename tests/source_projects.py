"""Little source distributions with a build back end of their own: nothing is downloaded to build them."""

import io
import json
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

# Writes the wheel that the project's plan asks for, and says in a file that it ran and by what.
BACKEND = """
import base64, hashlib, json, os, sys, sysconfig, zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    plan = json.loads(Path("plan.json").read_text())
    if plan.get("log"):
        with open(plan["log"], "a") as stream:
            stream.write(" ".join([plan["name"], "%d.%d" % sys.version_info[:2], os.environ.get("CC", "-")]) + "\\n")
    if plan.get("fail"):
        # Messages are bounded, so only what may have a credential, and a variable that every host has.
        shown = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HOME", "OWN_", "NETRC"))}
        print(shown if plan["fail"] == "environment" else plan["fail"])
        raise SystemExit(1)
    compiled = plan.get("extension") and os.system(os.environ.get("CC", "cc") + " --version >/dev/null 2>&1") == 0
    if plan.get("extension") == "required" and not compiled:
        print("a compiler is needed")
        raise SystemExit(1)
    platform = sysconfig.get_platform().replace("-", "_")
    tag = "cp%d%d-cp%d%d-" % (sys.version_info[:2] * 2) + platform if compiled else plan.get("tag", "py3-none-any")
    stem = plan["name"].replace("-", "_") + "-" + plan["version"]
    requires = plan.get("requires", []) + plan.get("requires_by_python", {}).get("%d.%d" % sys.version_info[:2], [])
    metadata = ["Metadata-Version: 2.1", "Name: " + plan["name"], "Version: " + plan["version"]]
    # As poetry does for a path dependency: with the place in which it is built.
    beside = Path("..").resolve().as_uri()
    metadata += ["Requires-Dist: " + line.replace("{beside}", beside) for line in requires]
    metadata += ["Provides-Extra: " + name for name in plan.get("extras", [])]
    metadata += ["Requires-Python: " + plan["requires_python"]] if "requires_python" in plan else []
    wheel = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: %s\\n" % tag
    root = Path(plan.get("root", "."))
    found = [p for p in root.rglob("*") if p.is_file() and p.suffix in (".py", ".so")]
    files = {p.relative_to(root).as_posix(): p.read_bytes() for p in found}
    files.pop("backend.py", None)
    if compiled and plan["extension"] == "optional":
        files["_compiled.so"] = b"\\x7fELF, as far as a test needs it"
    with zipfile.ZipFile(os.path.join(folder, stem + "-" + tag + ".whl"), "w") as archive:
        for name, content in files.items():
            # As a build does: with the time at which it runs.
            archive.writestr(name, content)
        files[stem + ".dist-info/METADATA"] = ("\\n".join(metadata) + "\\n\\n").encode()
        archive.writestr(stem + ".dist-info/METADATA", files[stem + ".dist-info/METADATA"])
        archive.writestr(stem + ".dist-info/WHEEL", wheel)
        digests = {name: base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=") for name in files}
        lines = [name + ",sha256=" + digests[name].decode() + ",%d" % len(files[name]) for name in files]
        lines.append(stem + ".dist-info/WHEEL,,")
        archive.writestr(stem + ".dist-info/RECORD", "\\n".join([*lines, stem + ".dist-info/RECORD,,", ""]))
    return stem + "-" + tag + ".whl"
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def write_project(
    folder: Path, name: str, version: str = "1.0", *, files: Mapping[str, str | bytes] | None = None, **plan: object
) -> Path:
    """Write a project's directory; `plan` says what its back end does, see `BACKEND`."""
    folder.mkdir(parents=True, exist_ok=True)
    module = f"{name.replace('-', '_')}.py"
    contents: dict[str, str | bytes] = {module: f"__version__ = {version!r}\n"}
    extra = str(plan.pop("pyproject", ""))
    contents |= {"backend.py": BACKEND, "pyproject.toml": PYPROJECT + extra}
    contents["plan.json"] = json.dumps({"name": name, "version": version, **plan})
    for path, content in (contents | {**(files or {})}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def build_sdist(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    metadata_version: str = "2.1",
    systems: Iterable[str] = (),
    **plan: object,
) -> Path:
    """Write an sdist into a directory, and return its file."""
    stem = f"{name.replace('-', '_')}-{version}"
    project = write_project(folder / f".{stem}", name, version, files=files, **plan)
    sdist = folder / f"{stem}.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        info = tarfile.TarInfo(f"{stem}/PKG-INFO")
        lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
        lines += [f"Classifier: Operating System :: {system}" for system in systems]
        content = "\n".join([*lines, "", ""]).encode()
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        for path in sorted(project.rglob("*")):
            archive.add(path, f"{stem}/{path.relative_to(project).as_posix()}", recursive=False)
    return sdist


def commit(repository: Path) -> str:
    """Commit what is in a directory to its git repository, made if there is none, and return the commit's id."""

    def git(*words: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
        done = subprocess.run(["git", *who, *words], cwd=repository, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--no-gpg-sign", "-m", "change")
    return git("rev-parse", "HEAD")
