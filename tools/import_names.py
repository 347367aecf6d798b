"""Write cdk_lambda_package/checks/data/import_names.txt: which distribution provides a module of another name.

    python tools/import_names.py

The base is the table that Pants infers requirements with, kept by hand and reviewed there. It is read from the last
wheel of Pants on PyPI; later versions are released elsewhere. What is missing in it, and what is better for Lambda,
stands below.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "cdk_lambda_package" / "checks" / "data" / "import_names.txt"

SOURCE = "pantsbuild.pants==2.17.1"
PLATFORM = ("--python-version", "3.9", "--implementation", "cp", "--abi", "cp39", "--platform", "manylinux2014_x86_64")
MEMBER = "pants/backend/python/dependency_inference/default_module_mapping.py"
NAME = "DEFAULT_MODULE_MAPPING"

HEADER = f"""\
# Modules and the distributions that provide them, the preferred first, where names don't follow from each other.
# Written by tools/import_names.py from {SOURCE},
# {MEMBER},
# Copyright Pants project contributors, Apache License 2.0, with the preferences that stand in that script.
"""

PREFERENCES = {
    # The OpenCV that needs no libGL, which Lambda hasn't.
    "cv2": "opencv-python-headless",
    # With its own libpq, which Lambda hasn't either.
    "psycopg2": "psycopg2-binary",
    "psycopg": "psycopg[binary]",
    # Successors of what nobody maintains any more.
    "Crypto": "pycryptodome",
    "Cryptodome": "pycryptodomex",
    "lark": "lark",
    "phonenumbers": "phonenumbers",
    "statsd": "statsd",
    # Several distributions have this module; this is the one that is meant.
    "dotenv": "python-dotenv",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "slugify": "python-slugify",
    "multipart": "python-multipart",
    "memcache": "python-memcached",
    "serial": "pyserial",
    "usb": "pyusb",
    # Written as their authors write them.
    "yaml": "PyYAML",
    "_yaml": "PyYAML",
    "PIL": "Pillow",
    "git": "GitPython",
    "github": "PyGithub",
    "OpenSSL": "pyOpenSSL",
    # Not in the base.
    "MySQLdb": "mysqlclient",
    "_cffi_backend": "cffi",
    "antlr4": "antlr4-python3-runtime",
    "barcode": "python-barcode",
    "databricks.sql": "databricks-sql-connector",
    "decouple": "python-decouple",
    "discord": "discord.py",
    "dns": "dnspython",
    "google.api": "googleapis-common-protos",
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    # All are called like their modules, without the version of the API.
    "google.cloud.*": "google-cloud-*",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    "google.oauth2": "google-auth",
    "google.rpc": "googleapis-common-protos",
    "googleapiclient": "google-api-python-client",
    "jks": "pyjks",
    "ldap": "python-ldap",
    "markdown_it": "markdown-it-py",
    "mpl_toolkits": "matplotlib",
    "nacl": "PyNaCl",
    "nmap": "python-nmap",
    "osgeo": "GDAL",
    "pylab": "matplotlib",
    "rapidjson": "python-rapidjson",
    "ruamel.yaml": "ruamel.yaml",
    "shapefile": "pyshp",
    "snappy": "python-snappy",
    "speech_recognition": "SpeechRecognition",
    "telegram": "python-telegram-bot",
    "tlz": "toolz",
    "umap": "umap-learn",
    "win32api": "pywin32",
    "win32com": "pywin32",
    "win32con": "pywin32",
    "xdist": "pytest-xdist",
    "zmq": "pyzmq",
}

# A back-port of what every version on Lambda has.
LEFT_OUT = frozenset({"enum"})


def read_base() -> dict[str, list[str]]:
    """Return the distributions of each module, of the table in the wheel of Pants."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *PLATFORM]
        subprocess.run([*words, "--dest", folder, SOURCE], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return parse_table(wheel.read(MEMBER).decode())


def parse_table(source: str) -> dict[str, list[str]]:
    """Return the distributions of each module, in the table's order."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == NAME:
            by_module: dict[str, list[str]] = {}
            for distribution, modules in ast.literal_eval(statement.value).items():
                for module in modules:
                    by_module.setdefault(module, []).append(distribution)
            return by_module
    raise SystemExit(f"{MEMBER} has no {NAME}.")


def write_names(base: dict[str, list[str]]) -> None:
    """Write the data file: a module and its distributions on each line, sorted."""
    table = {module: names for module, names in base.items() if module not in LEFT_OUT}
    for module, preferred in PREFERENCES.items():
        others = [name for name in table.get(module, ()) if name.lower() != preferred.lower()]
        table[module] = [preferred, *others]
    lines = [" ".join([module, *names]) + "\n" for module, names in sorted(table.items())]
    DATA.write_text(HEADER + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    write_names(read_base())
