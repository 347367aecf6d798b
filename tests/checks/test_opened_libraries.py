"""Libraries that code opens by their names, with ctypes or cffi, and that aren't there."""

import subprocess
import sys
from pathlib import Path

import pytest
from package_contents import layer, package_contents
from this_host import require

from cdk_lambda_package.checks.opened_libraries import check
from cdk_lambda_package.errors import Severity
from cdk_lambda_package.layers import Layer


def found(source, files=None, **options):
    """The names of the libraries that are reported."""
    contents = package_contents({"app.py": source, **(files or {})}, **options)
    return [finding.subject for finding in check(contents)]


def compiled_library(folder: Path, name: str) -> str:
    """Compile an empty shared library, and return the name of its file."""
    require("Linux", "gcc")
    folder.mkdir()
    argv = [
        "gcc",
        "-shared",
        "-x",
        "c",
        "/dev/null",
        "-o",
        str(folder / f"lib{name}.so.1"),
        f"-Wl,-soname,lib{name}.so.1",
    ]
    subprocess.run(argv, check=True)
    return f"lib{name}.so.1"


CTYPES = "import ctypes, ctypes.util\nfrom ctypes import CDLL, cdll\nfrom ctypes.util import find_library\n"
CFFI = "import cffi\nffi = cffi.FFI()\n"
# As in WeasyPrint.
HELPER = """
def _dlopen(ffi, *names, allow_fail=False):
    for name in names:
        with suppress(OSError):
            return ffi.dlopen(name)
    if allow_fail:
        return
    return ffi.dlopen(names[0])
"""
# As in cairocffi.
LISTS = """
def dlopen(ffi, library_names, filenames):
    exceptions = []
    for library_name in library_names:
        library_filename = find_library(library_name)
        if library_filename:
            filenames = (library_filename,) + filenames
    for filename in filenames:
        try:
            return ffi.dlopen(filename)
        except OSError as exception:
            exceptions.append(exception)
    raise OSError(exceptions)
"""


@pytest.mark.parametrize(
    ("source", "library"),
    [
        ("ctypes.CDLL('libpango-1.0.so.0')", "libpango-1.0.so.0"),
        ("lib = CDLL('libpango-1.0.so.0', mode=1)", "libpango-1.0.so.0"),
        ("lib = cdll.LoadLibrary('libpango-1.0.so.0')", "libpango-1.0.so.0"),
        ("lib = CDLL(find_library('pango-1.0'))", "pango-1.0"),
        ("lib = CDLL(find_library('pango-1.0') or 'libpango-1.0.so.0')", "libpango-1.0.so.0"),
        ("path = find_library('zbar')\nif not path:\n    raise ImportError('no zbar')", "zbar"),
        ("path = find_library('zbar')\nlib = CDLL(path)", "zbar"),
        (f"{CFFI}lib = ffi.dlopen('libpango-1.0.so.0')", "libpango-1.0.so.0"),
        (
            f"{CFFI}{HELPER}lib = _dlopen(ffi, 'pango-1.0', 'libpango-1.0.so.0', 'libpango-1.0.dylib')",
            "libpango-1.0.so.0",
        ),
        (
            f"{CFFI}{LISTS}cairo = dlopen(ffi, ('cairo-2', 'cairo'), ('libcairo.so.2', 'libcairo-2.dll'))",
            "libcairo.so.2",
        ),
        (
            "try:\n    CDLL('libx.so.1')\nexcept OSError as error:\n    raise ImportError('no x') from error",
            "libx.so.1",
        ),
        ("try:\n    CDLL('libx.so.1')\nexcept ImportError:\n    pass", "libx.so.1"),
        ("def handler(event, context):\n    CDLL('libx.so.1')", "libx.so.1"),
        ("import sys\nif sys.platform == 'linux':\n    CDLL('libx.so.1')\nelse:\n    CDLL('y.so')", "libx.so.1"),
    ],
)
def test_a_library_that_nothing_has_is_a_warning(source, library):
    assert found(CTYPES + source) == [library]


@pytest.mark.parametrize(
    "source",
    [
        "ctypes.CDLL(None)",
        "CDLL('libc.so.6')",
        "CDLL(find_library('c'))",
        "CDLL(find_library('m'))",
        "CDLL(find_library('ssl'))",
        "CDLL('libcrypto.so.3')",
        "CDLL(name)",
        "CDLL(f'lib{name}.so')",
        "CDLL('msvcrt')",
        "CDLL('foo.dll')",
        "CDLL('libfoo.dylib')",
        "CDLL(find_library('CoreFoundation.framework'))",
        "try:\n    CDLL('libx.so.1')\nexcept OSError:\n    lib = None",
        "try:\n    CDLL('libx.so.1')\nexcept Exception:\n    lib = None",
        "try:\n    CDLL('libx.so.1')\nexcept:\n    lib = None",
        "import contextlib\nwith contextlib.suppress(OSError):\n    CDLL('libx.so.1')",
        "path = find_library('zbar')",
        "path = find_library('zbar')\nif path:\n    lib = CDLL(path)",
        "path = find_library('zbar')\nif path is not None:\n    lib = CDLL(path)",
        "path = find_library('zbar')\nif not path:\n    path = '/opt/zbar'",
        "path = find_library('zbar') or find_elsewhere()",
        "find_library('zbar')",
        "import sys\nif sys.platform == 'darwin':\n    CDLL('libx.so.1')",
        "import os\nif os.name == 'nt':\n    CDLL('libx.so.1')",
        "if unknown():\n    CDLL('libx.so.1')",
        "def handler(event, context):\n    if event:\n        CDLL('libx.so.1')",
        "def handler(event, context):\n    try:\n        CDLL('libx.so.1')\n    except OSError:\n        pass",
        f"{CFFI}{HELPER}lib = _dlopen(ffi, 'pango-1.0', 'libpango-1.0.so.0', allow_fail=True)",
        f"{CFFI}{HELPER}lib = _dlopen(ffi, 'c', 'libpango-1.0.so.0')",
        f"{CFFI}{HELPER}lib = _dlopen(ffi, *NAMES)",
        "def load(name):\n    try:\n        return CDLL(name)\n    except OSError:\n        return None\nload('libx.so.1')",
    ],
)
def test_what_is_there_or_may_be_missing_is_fine(source):
    assert found(CTYPES + source) == []


PANGO = f"{CTYPES}CDLL('libpango-1.0.so.0')\nCDLL(find_library('pango-1.0') or 'libpango-1.0.so.0')"


def test_a_library_of_the_package_or_of_a_layer_is_there():
    assert found(PANGO, {"vendor: lib/libpango-1.0.so.0": ""}) == []
    assert found(PANGO, {"pango==1.0: pango.libs/libpango-1.0.so.0": ""}) == []
    assert found(PANGO, layers=(layer("lib/libpango-1.0.so.0"),)) == []
    assert found(PANGO, layers=(layer("lib/libother.so"),)) == ["libpango-1.0.so.0"]
    assert found(PANGO, layers=(Layer(name="arn", known=False),)) == []


@pytest.mark.parametrize(
    "source",
    [
        f"{CTYPES}CDLL(find_library('pango-1.0'))",
        f"{CTYPES}path = find_library('pango-1.0')\nif not path:\n    raise ImportError('no pango')",
        f"{CFFI}lib = ffi.dlopen('pango-1.0')",
    ],
)
@pytest.mark.parametrize(
    "there", [{"files": {"vendor: lib/libpango-1.0.so.0": ""}}, {"layers": (layer("lib/libpango-1.0.so.0"),)}]
)
def test_a_library_of_the_package_or_of_a_layer_isnt_found_by_find_library(source, there):
    files = {"app.py": source, **there.get("files", {})}
    (finding,) = check(package_contents(files, **{name: value for name, value in there.items() if name != "files"}))
    assert finding.subject == "pango-1.0"
    assert "Open it by the name of its file, for example ctypes.CDLL('libpango-1.0.so.0')" in finding.message


def test_pythons_find_library_finds_nothing_of_a_folder_that_only_the_loader_searches(tmp_path):
    """As on Lambda: LD_LIBRARY_PATH has the folder, and there is neither a compiler nor a linker."""
    soname = compiled_library(tmp_path / "lib", "sample")
    code = f"import ctypes, ctypes.util\nctypes.CDLL({soname!r})\nprint(ctypes.util.find_library('sample'))"
    environment = {"LD_LIBRARY_PATH": str(tmp_path / "lib"), "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_only_code_that_is_reached_counts():
    library = {"w==1: w/__init__.py": f"{CTYPES}CDLL('libx.so.1')\ndef f():\n    CDLL('liby.so.1')"}
    assert found("import w", library) == ["libx.so.1"]
    assert found("def handler(event, context):\n    import w", library) == ["libx.so.1"]
    assert found("import json", library) == []
    assert found("try:\n    import w\nexcept Exception:\n    w = None", library) == []
    lazy = {"v==1: v.py": "def f():\n    import w", **library}
    assert found("import v", lazy) == []


def test_a_finding_says_who_opens_what_and_that_smoke_proves_nothing():
    source = f"{CTYPES}CDLL('libx.so.1')\nCDLL('liby.so.1')"
    contents = package_contents({"app.py": "import json\nimport w", "w==1: w.py": source})
    (finding,) = check(contents)
    assert (finding.id, finding.severity, finding.path, finding.line) == (
        "library-opened-not-found", Severity.WARNING, "w.py", 4,
    )  # fmt: skip
    assert finding.message.startswith(
        "w.py of w==1 opens 2 libraries (libx.so.1, liby.so.1), which neither the package nor Amazon Linux 2023 has. "
        "The chain of imports is app.py:2 → w.py. "
    )
    assert "proves nothing about this on a machine that has the library" in finding.message


OPENER = "import ctypes\ndef load(name, *others):\n    return ctypes.CDLL(name)\ndef note(name):\n    return name\n"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from demo.tools import load\nlib = load('libgone.so.1')", ["libgone.so.1"]),
        ("from demo import load as open_it\nlib = open_it('libgone.so.1')", ["libgone.so.1"]),
        ("import demo.tools as tools\nlib = tools.load('gone', 'libgone.so.1')", ["libgone.so.1"]),
        ("from demo.tools import load\ndef handler(event, context):\n    load('libgone.so.1')", ["libgone.so.1"]),
        ("from demo.tools import load\ntry:\n    lib = load('libgone.so.1')\nexcept OSError:\n    lib = None", []),
        ("from demo.tools import load\nlib = load('libc.so.6')", []),
        ("from demo.tools import load\nlib = load('gone')", []),
        ("from demo.tools import load\nlib = load('libgone.so.1' + suffix)", []),
        ("from demo.tools import note\nlib = note('libgone.so.1')", []),
        ("from elsewhere import load\nlib = load('libgone.so.1')", []),
        ("def load(name): pass\nlib = load('libgone.so.1')", []),
    ],
)
def test_a_library_that_a_function_of_another_module_opens_is_looked_for(source, names):
    files = {"demo==1: demo/__init__.py": "from .tools import load", "demo==1: demo/tools.py": OPENER}
    assert found(source, files) == names


def test_a_requirement_that_opens_a_library_by_a_function_of_its_own_is_named():
    files = {
        "demo==1: demo/__init__.py": "from demo import api",
        "demo==1: demo/api.py": "from demo.tools import load\nlib = load('libgone.so.1')",
        "demo==1: demo/tools.py": OPENER,
    }
    (finding,) = check(package_contents({"app.py": "import demo", **files}))
    assert (finding.path, finding.line) == ("demo/api.py", 2)
