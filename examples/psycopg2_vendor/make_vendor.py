"""Make app/vendor/ from the psycopg2-binary wheel for a Lambda runtime: `python3 make_vendor.py`.

By default for this machine's Python and architecture, as the stack is.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from cdk_lambda_package.target import Target

WHEEL = "psycopg2-binary==2.9.11"
APP = Path(__file__).parent / "app"


def main() -> None:
    """Download the wheel, and put its content in the place of vendor/."""
    machine = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    parser = argparse.ArgumentParser(description="Make app/vendor/ from the psycopg2-binary wheel.")
    parser.add_argument("--runtime", default=f"python3.{sys.version_info.minor}", help="default: %(default)s")
    parser.add_argument("--architecture", default=machine, choices=("x86_64", "arm64"), help="default: %(default)s")
    parser.add_argument("--app", type=Path, default=APP, help="the directory that gets vendor/; default: app")
    arguments = parser.parse_args()
    target = Target.parse(arguments.runtime, arguments.architecture)
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(target, Path(folder))
        vendor = arguments.app / "vendor"
        shutil.rmtree(vendor, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(vendor)
    print(f"{vendor}: {wheel.name}, for {target}")


def download(target: Target, folder: Path) -> Path:
    """Return the wheel that the target can load; where there is none, pip says so and the script ends."""
    # psycopg2-binary needs nothing else, so it doesn't matter that pip would look at markers for this machine.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    version = target.runtime.name.removeprefix("python")
    command += ["--dest", str(folder), "--implementation=cp", f"--python-version={version}"]
    # pip takes each platform literally: manylinux_2_26 alone wouldn't let manylinux_2_17 in.
    platforms = dict.fromkeys(tag.platform for tag in target.tags if tag.platform != "any")
    command += [f"--platform={name}" for name in platforms]
    if subprocess.run([*command, WHEEL], check=False).returncode:
        sys.exit(f"pip found no wheel of {WHEEL} for {target}.")
    (wheel,) = folder.iterdir()
    return wheel


if __name__ == "__main__":
    main()
