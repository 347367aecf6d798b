"""CONTRIBUTING's six changes, made to a copy of the package: each touches the files that the table names, and no other."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from offline import PACKAGE, ROOT
from wheel_factory import build_wheel, sha256


class Copy:
    """A copy of the package, and of what belongs to it, that a test changes and then runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / PACKAGE.name
        # An installed library has the pages of findings in itself; the copy has them where a checkout has them.
        shutil.copytree(PACKAGE, self.package, ignore=shutil.ignore_patterns("__pycache__", "pages"))
        shutil.copytree(ROOT / "docs" / "reference" / "checks", root / "docs" / "reference" / "checks")
        (root / "tools").mkdir()
        for path in (ROOT / "tools").glob("reference*.py"):
            shutil.copy(path, root / "tools")
        write_files(root / "svc", {"app.py": HANDLER})

    def insert(self, name: str, before: str, line: str) -> None:
        """Insert a line into a module, before the only line that begins with a text."""
        path = self.package / name
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (index,) = (number for number, text in enumerate(lines) if text.startswith(before))
        path.write_text("".join([*lines[:index], f"{line}\n", *lines[index:]]), encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        assert not path.exists()
        path.write_text(text, encoding="utf-8")

    def start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        variables |= {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = os.environ | variables
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)

    def run(self, *arguments: str, **variables: str) -> str:
        done = self.start(*arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, *arguments: str) -> str:
        done = self.start("-m", PACKAGE.name, *arguments)
        assert done.returncode != 0, done.stdout + done.stderr
        return done.stderr

    def command(self, *arguments: str, **variables: str) -> str:
        return self.run("-m", PACKAGE.name, *arguments, **variables)


@pytest.fixture
def copy(tmp_path) -> Copy:
    return Copy(tmp_path)


def test_an_option_is_one_field(copy):
    field = '    colour: str | None = option(TEXT, Group.FILES, \'"red"\', default="none", key=Key.PACKAGE)'
    copy.insert("options/packaging.py", "        include: ", "        colour: The colour of the package.")
    copy.insert("options/packaging.py", "    include: ", field)
    assert "--colour TEXT" in copy.command("check", "--help")
    assert "### `colour`" in copy.run(
        "-c", "import sys; sys.path.insert(0, 'tools'); import reference; print(reference.options_page())"
    )
    shown = copy.run(
        "-c",
        "from cdk_lambda_package import PackageRequest, Packaging\n"
        "options = {'entry': 'svc', 'runtime': 'python3.13'}\n"
        "print(PackageRequest(**options, packaging=Packaging(colour='red')).packaging.colour)",
    )
    assert shown == "red\n"


def test_a_check_is_one_module_and_its_page(copy):
    copy.write(
        "cdk_lambda_package/checks/colours.py",
        "from cdk_lambda_package.errors import Finding, Severity\n\n\n"
        "def check(contents):\n"
        "    yield Finding(id='dull-colour', severity=Severity.WARNING, message='The package is dull.')\n",
    )
    copy.write(
        "docs/reference/checks/dull-colour.md", "# dull-colour\n\n**Warning**: The package is dull.\n\nPaint it.\n"
    )
    assert "warning[dull-colour]" in copy.command("check", "svc", "--runtime", "python3.13")
    assert "dull-colour" in copy.command("findings")
    assert "[dull-colour](dull-colour.md): The package is dull." in copy.run(
        "-c", "import sys; sys.path.insert(0, 'tools'); import reference; print(reference.findings_block())"
    )


def test_a_runtime_on_a_new_system_is_one_row(copy):
    row = (
        '    Runtime(version=(3, 15), full_version="3.15.0", system=System(name="Amazon Linux 2027", glibc=(2, 41), '
        'symbols={"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14, 0), "ZLIB": (1, 2, 12)})),'
    )
    copy.insert("target/runtimes.py", "    Runtime(version=(3, 14), ", row)
    shown = copy.run(
        "-c",
        "from cdk_lambda_package import Target\n"
        "target = Target.parse('python3.15', 'arm64')\n"
        "print('\\n'.join(str(tag) for tag in target.tags))",
    )
    assert "cp315-cp315-manylinux_2_41_aarch64" in shown
    assert "manylinux_2_42" not in shown
    copy.command("build", "svc", "--runtime", "python3.15", "--output", "svc.zip")


TOY = """
from packaging.pylock import Pylock

from cdk_lambda_package.locks.lock_format import LockFormat


class Format(LockFormat):
    command = "toy lock"

    def read(self, store):
        name, version, path, sha256 = self.lock.path.read_text().split()
        wheel = {"name": path.rpartition("/")[2], "path": path, "hashes": {"sha256": sha256}}
        rows = [{"name": name, "version": version, "wheels": [wheel]}]
        return self.parse({"lock-version": "1.0", "created-by": "toy", "packages": rows}), ()
"""


def test_a_lock_format_is_one_module_and_one_line(copy):
    wheel = build_wheel(copy.root / "wheels", "tool")
    copy.write("cdk_lambda_package/locks/toy.py", TOY)
    copy.insert("requirements/lock_file.py", '    "uv.lock": ', '    "toy.lock": "toy",')
    copy.write("svc/toy.lock", f"tool 1.0 ../wheels/{wheel.name} {sha256(wheel)}")
    copy.command("build", "svc", "--runtime", "python3.13", "--output", "svc.zip", "--cache-dir", "store")
    assert "tool.py" in zipfile.ZipFile(copy.root / "svc.zip").namelist()
    # The requirements beside it are compared, and the format's own command is named.
    copy.write("svc/requirements.txt", "tool>=2\n")
    told = copy.fail("build", "svc", "--runtime", "python3.13", "--output", "svc.zip", "--cache-dir", "store")
    assert "asks for tool>=2, but it has 1.0. Renew it by `toy lock`" in told


def test_a_command_is_one_module_and_one_line(copy):
    copy.write(
        "cdk_lambda_package/commands/paint.py",
        "EXAMPLES = ('paint red',)\n\n\ndef add_arguments(parser):\n    parser.add_argument('colour')\n\n\n"
        "def run(arguments):\n    print('painted', arguments.colour)\n    return 0\n",
    )
    copy.insert("cli.py", '        "build": ', '        "paint": "paint a package",')
    assert copy.command("paint", "red") == "painted red\n"
    assert "paint a package" in copy.command("--help")
    assert "`COLOUR`" in copy.run(
        "-c", "import sys; sys.path.insert(0, 'tools'); import reference_commands as r; print(r.command_block('paint'))"
    )


def test_a_remembered_value_is_one_dataclass(copy):
    shown = copy.run(
        "-c",
        "from dataclasses import dataclass\n"
        "from pathlib import Path\n"
        "from cdk_lambda_package.store import Store, remembered\n\n"
        "@remembered('colours', version=1)\n"
        "@dataclass(frozen=True)\n"
        "class Colour:\n    name: str\n    parts: tuple[int, ...]\n\n"
        "Store(Path('store')).remember(Colour('red', (255, 0, 0)), 'a' * 64)\n"
        "print(Store(Path('store')).recall(Colour, 'a' * 64))",
    )
    assert shown == "Colour(name='red', parts=(255, 0, 0))\n"
