"""What `import` finds on Lambda: precedence, suffixes, namespaces, layers, and what is there without the package."""

import importlib.machinery
import subprocess
import sys

import pytest
from entries import write_files
from this_host import HOST

from cdk_lambda_package.checks import analyse_imports
from cdk_lambda_package.import_analysis.finder import ModuleOrigin
from cdk_lambda_package.layers import Layer
from cdk_lambda_package.splicing import APP, Entry
from cdk_lambda_package.target import Target

NATIVE = "cpython-313-x86_64-linux-gnu.so"


def index(*paths, runtime="python3.13", architecture="x86_64", layers=(), provided=()):
    known = [Layer(name="layer", known=True, files=dict.fromkeys(files, 0)) for files in layers]
    target = Target.parse(runtime, architecture)
    entries = {path: Entry(path, False, 0, "", APP) for path in paths}
    return analyse_imports(entries, lambda _: b"", target=target, layers=known, provided=provided).finder


def path_of(module, *paths, **options):
    found = index(*paths, **options).find(module)
    return found and found.path


def origin_of(module, *paths, **options):
    found = index(*paths, **options).find(module)
    return found and found.origin


def test_a_module_is_found_by_its_dotted_name_down_to_the_last_part():
    files = ("app.py", "chalicelib/__init__.py", "chalicelib/db/__init__.py", "chalicelib/db/models.py")
    assert path_of("app", *files) == "app.py"
    assert path_of("chalicelib", *files) == "chalicelib/__init__.py"
    assert path_of("chalicelib.db.models", *files) == "chalicelib/db/models.py"
    assert path_of("chalicelib.db.model", *files) is None
    assert path_of("chalicelib.db.models.User", *files) is None
    assert path_of("chalicelib_.db", *files) is None


def test_a_package_comes_before_a_module_and_that_before_a_namespace():
    assert path_of("x", "x.py", "x/__init__.py", "x/y.py") == "x/__init__.py"
    assert path_of("x", "x.py", "x/y.py") == "x.py"
    assert path_of("x.y", "x.py", "x/y.py") is None
    assert path_of("x.y", "x/y.py") == "x/y.py"


def test_an_extension_module_comes_before_source_and_that_before_bytecode():
    assert path_of("x", "x.py", "x.so", f"x.{NATIVE}", "x.abi3.so", "x.pyc") == f"x.{NATIVE}"
    assert path_of("x", "x.py", "x.so", "x.abi3.so", "x.pyc") == "x.abi3.so"
    assert path_of("x", "x.py", "x.so", "x.pyc") == "x.so"
    assert path_of("x", "x.py", "x.pyc") == "x.py"
    assert path_of("x", "x.pyc") == "x.pyc"


def test_a_package_may_be_compiled_too():
    assert path_of("x.y", f"x/__init__.{NATIVE}", "x/y.py") == "x/y.py"
    assert path_of("x", "x/__init__.pyc") == "x/__init__.pyc"


@pytest.mark.parametrize(
    "name",
    [
        "x.cpython-311-x86_64-linux-gnu.so",
        "x.cpython-313-aarch64-linux-gnu.so",
        "x.cpython-313-x86_64-linux-musl.so",
        "x.cpython-313-darwin.so",
        "x.cp313-win_amd64.pyd",
        "x.pyd",
    ],
)
def test_extension_modules_of_other_pythons_and_systems_are_not_found(name):
    assert path_of("x", name) is None
    assert index(name).find_unusable("x") == name


def test_the_architecture_of_extension_modules_is_that_of_the_target():
    name = "x.cpython-312-aarch64-linux-gnu.so"
    assert path_of("x", name, runtime="python3.12", architecture="arm64") == name
    assert path_of("x", name, runtime="python3.12") is None


@pytest.mark.needs("the platform of a target")
def test_the_suffixes_are_those_of_an_interpreter_of_this_version():
    target = Target.parse(HOST)
    machinery = importlib.machinery
    expected = [*machinery.EXTENSION_SUFFIXES, *machinery.SOURCE_SUFFIXES, *machinery.BYTECODE_SUFFIXES]
    assert list(target.module_suffixes) == expected


def test_a_namespace_has_portions_of_all_places():
    at = index("google/cloud/storage/__init__.py", "google/api.py", layers=[["python/google/auth/__init__.py"]])
    assert at.find("google").is_namespace
    assert at.find("google").folders == ("google/", "/opt/python/google/")
    assert at.find("google.cloud").is_namespace
    assert at.find("google.cloud.storage").path == "google/cloud/storage/__init__.py"
    assert at.find("google.auth").origin is ModuleOrigin.OUTSIDE
    assert at.find("google.missing") is None


def test_a_regular_package_hides_a_namespace_of_its_name_elsewhere():
    at = index("google/__init__.py", layers=[["python/google/auth/__init__.py"]])
    assert not at.find("google").is_namespace
    assert at.find("google.auth") is None


def test_layers_are_searched_after_the_package_in_both_folders_that_lambda_has():
    files = [
        "python/x.py",
        "python/lib/python3.13/site-packages/y.py",
        "python/lib/python3.12/site-packages/z.py",
        "w.py",
    ]
    at = index("app.py", layers=[files])
    assert [bool(at.find(name)) for name in "wxyz"] == [False, True, True, False]
    assert path_of("x", "x.py", layers=[files]) == "x.py"
    assert path_of("x", layers=[["python/x.py", "python/lib/python3.13/site-packages/x.py"]]) == (
        "/opt/python/lib/python3.13/site-packages/x.py"
    )


def test_the_package_comes_before_the_standard_library_but_not_before_what_is_loaded():
    assert origin_of("email", "email/__init__.py") is ModuleOrigin.FILES
    assert origin_of("email.mime.text", "email/__init__.py") is None
    assert origin_of("time", "time.py") is ModuleOrigin.STANDARD_LIBRARY
    assert origin_of("json.decoder", "json/__init__.py") is ModuleOrigin.STANDARD_LIBRARY


def test_a_folder_without_init_hides_nothing_of_the_standard_library():
    assert origin_of("email.mime.text", "email/templates/hello.html") is ModuleOrigin.STANDARD_LIBRARY


def test_what_the_runtime_brings_is_found_with_all_that_is_in_it():
    for module in (
        "boto3.dynamodb.conditions",
        "botocore.exceptions",
        "dateutil.tz",
        "six.moves.urllib",
        "urllib3.util",
    ):
        assert origin_of(module) is ModuleOrigin.PREINSTALLED
    assert index().find("boto3").certain
    assert not index().find("simplejson").certain
    assert index().find("requests") is None


def test_setuptools_came_with_python_until_3_12():
    assert not index(runtime="python3.11").find("pkg_resources").certain
    assert index(runtime="python3.12").find("pkg_resources") is None


def test_what_may_be_in_the_standard_library_is_uncertain():
    assert not index().find("tkinter.ttk").certain
    assert index().find("json").certain
    assert index().find("json.nothing") is None
    assert index().find("winreg") is None
    assert index().find("telnetlib") is None


def test_provided_distributions_bring_their_modules():
    assert origin_of("yaml", provided=["pyyaml"]) is ModuleOrigin.PROVIDED
    assert origin_of("aws_lambda_powertools.utilities", provided=["aws-lambda-powertools"]) is ModuleOrigin.PROVIDED
    assert (
        origin_of("google.cloud.storage", "google/auth.py", provided=["google-cloud-storage"]) is ModuleOrigin.PROVIDED
    )
    assert origin_of("google.auth", "google/auth.py", provided=["google-cloud-storage"]) is ModuleOrigin.FILES
    assert origin_of("cv2", provided=["opencv-python"]) is ModuleOrigin.PROVIDED
    assert origin_of("simplejson", provided=["simplejson"]) is ModuleOrigin.PROVIDED
    assert origin_of("yaml") is None


def test_some_modules_appear_once_another_is_imported():
    found = index("setuptools/__init__.py").find("distutils.core")
    assert found.origin is ModuleOrigin.STAND_IN
    assert not found.certain
    assert index("pymysql/__init__.py").find("MySQLdb").origin is ModuleOrigin.STAND_IN
    assert index().find("distutils") is None


def test_modules_can_be_listed_and_found_in_other_folders():
    at = index("app.py", "chalicelib/__init__.py", "chalicelib/utils.py", "chalicelib/data/x.json", "notes-2.py")
    assert at.list_modules() == ("app", "chalicelib")
    assert at.list_modules("chalicelib") == ("__init__", "data", "utils")
    assert at.find_elsewhere("utils") == "chalicelib/utils.py"
    assert at.find_elsewhere("data") == "chalicelib/data/x.json"
    assert at.find_elsewhere("app") is None


TREE = {
    "a.py": "",
    "a/__init__.py": "",
    "a/inner.py": "",
    "b.py": "",
    "b/inner.py": "",
    "c/inner.py": "",
    "c/deep/__init__.py": "",
    "c/deep/inner.py": "",
    "d.pyc": "",
    "email/__init__.py": "",
    "html/notes.txt": "",
    "xml.py": "",
}
ASKED = ["a", "a.inner", "b", "b.inner", "c", "c.inner", "c.deep.inner", "c.none", "email", "email.mime", "html", "xml"]
ASKED += ["xml.dom", "json", "time", "none", "d"]

LOOK = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    origin = found and (found.origin or "namespace")
    print(origin and origin.replace(sys.argv[1] + "/", "package: ").replace("built-in", "frozen"))
"""


def test_it_finds_what_python_itself_finds(tmp_path):
    root = write_files(tmp_path / "task", TREE)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", LOOK, str(root), *ASKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    real = done.stdout.splitlines()
    at = index(*TREE, runtime=HOST)
    for name, spec in zip(ASKED, real, strict=True):
        found = at.find(name)
        if spec == "None":
            assert found is None, name
        elif spec.startswith("package: "):
            assert found.path == spec.removeprefix("package: "), name
        elif spec == "namespace":
            assert found.is_namespace, name
        else:
            assert found.origin is ModuleOrigin.STANDARD_LIBRARY, name


def test_the_files_below_a_folder_are_those_in_it_and_in_folders_in_it():
    finder = index("app.py", "lib.py", "lib/a.py", "lib/more/b.py", "lib-2/c.py", "library/d.py", "zlib/lib/e.py")
    assert list(finder.files_below("lib/")) == ["lib/a.py", "lib/more/b.py"]
    assert list(finder.files_below("app/")) == []
    assert len(list(finder.files_below(""))) == 7
