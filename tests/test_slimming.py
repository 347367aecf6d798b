"""The option `slim`: what is left out of requirements, what isn't, and that the metadata stays true."""

import zipfile

import pytest
from entries import package_request, run_clean, unpack, write_files
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.import_analysis import Maker, NamedCall, named_calls
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.slimming import Distribution, Needs, Uses, needs_of, omissions, read_uses

RUNTIME = "python3.13"
MAKER = Maker(frozenset({"client", "create_client", "resource"}), "service_name", frozenset({"boto3"}), "session")
SDK = {
    "boto3": {
        "boto3/__init__.py": "import botocore\ndef client(*args): return _session(args)\n",
        "boto3/session.py": "def make(session, service_name): return session.create_client(service_name)\n",
        **{f"boto3/data/{name}/2020-01-01/resources-1.json": "{}" for name in ("dynamodb", "sqs")},
    },
    "botocore": {
        "botocore/__init__.py": "from botocore import session\n",
        "botocore/session.py": "def resource(name): return client(name)\n",
        **{
            f"botocore/data/{name}/2020-01-01/service-2.json.gz": name
            for name in ("dynamodb", "s3", "signin", "sns", "sqs", "sso", "sso-oidc", "sts")
        },
        **{f"botocore/data/{name}.json": "{}" for name in ("_retry", "endpoints", "partitions")},
    },
}
ALWAYS = ["signin", "sso", "sso-oidc", "sts"]


def write_entry(root, wheels, files):
    """Write an entry directory that requires wheels, which lie beside it, by their hashes."""
    built = [build_wheel(root.parent / "wheels", name, files=files) for name, files in wheels.items()]
    pins = [f"{wheel.name.partition('-')[0]}==1.0 --hash=sha256:{sha256(wheel)}" for wheel in built]
    lines = ["--no-index", f"--find-links {root.parent / 'wheels'}", *pins]
    return write_files(root, {"requirements.txt": "\n".join(lines), **files})


def make(root, store, app, wheels, *, more=None, **options):
    """Return a package of an app with wheels, and the names in its .zip."""
    write_entry(root, wheels, {"app.py": app, **(more or {})})
    archive = root.parent / "package.zip"
    request = package_request(**{"entry": root, "runtime": RUNTIME, "slim": True, **options})
    made = package(request, lambda _: archive, store=store)
    with zipfile.ZipFile(archive) as opened:
        return made, [name for name in opened.namelist() if ".dist-info/" not in name]


def services(names, sdk="botocore"):
    return sorted({name.split("/")[2] for name in names if name.startswith(f"{sdk}/data/") and name.count("/") > 2})


def decisions(made):
    return {(one["decision"], one["subject"]): one["reason"] for one in made.manifest["decisions"]}


LIBRARY = {
    "lib/__init__.py": "from lib import core\n",
    "lib/__init__.pyi": "",
    "lib/core.py": "",
    "lib/core.pyi": "",
    "lib/fast.pyx": "",
    "lib/fast.pxd": "",
    "lib/include/api.h": "",
    "lib/include/api.hpp": "",
    "lib/libnpymath.a": "!<arch>\nsymbols",
    "lib/model.lib": "a library of spectra",
    "lib/tests/__init__.py": "",
    "lib/tests/test_core.py": "",
    "lib/tests/data.csv": "",
    "lib/sub/__init__.py": "",
    "lib/sub/test/helper.py": "",
    "lib/text/test_of_time.py": "",
    "tests/helper.py": "",
}
REST = ["lib/__init__.py", "lib/core.py", "lib/model.lib", "lib/sub/__init__.py", "lib/text/test_of_time.py", "tests/helper.py"]  # fmt: skip
HANDLER = "def handler(event, context): pass\n"


def test_tests_and_files_for_compilers_and_type_checkers_are_left_out(store, tmp_path):
    made, names = make(tmp_path / "svc", store, f"import lib\n{HANDLER}", {"lib": LIBRARY})
    assert sorted(names) == ["app.py", *REST]
    assert decisions(made) == {
        ("slim-build-files", "lib==1.0"): "5 files for compilers, which no module opens",
        ("slim-tests", "lib==1.0"): "4 files in 2 folders of tests, which nothing imports",
        ("slim-types", "lib==1.0"): "2 files for type checkers, which no module reads",
    }
    assert made.saved.files == 11
    assert made.manifest["saved"] == made.saved._asdict()


def test_everything_is_packaged_without_slim(store, tmp_path):
    made, names = make(tmp_path / "svc", store, f"import lib\n{HANDLER}", {"lib": LIBRARY}, slim=False)
    assert sorted(names) == sorted(["app.py", *LIBRARY])
    assert made.saved is None
    assert "saved" not in made.manifest


def test_the_record_is_of_the_files_that_are_there(store, tmp_path):
    made, _ = make(tmp_path / "svc", store, f"import lib\n{HANDLER}", {"lib": LIBRARY})
    folder = unpack(made.path, tmp_path / "unpacked")
    code = """
        import importlib.metadata
        files = importlib.metadata.files("lib")
        print(len(files), all(file.locate().exists() for file in files))
    """
    assert run_clean(folder, code) == f"{len(REST) + 3} True"


def test_the_users_own_files_stay(store, tmp_path):
    own = {
        f"vendor/own/{path.removeprefix('lib/')}": content for path, content in LIBRARY.items() if path[:4] == "lib/"
    }
    _, names = make(tmp_path / "svc", store, f"import own\n{HANDLER}", {}, more={**own, "vendor/own/__init__.py": ""})
    assert len(names) == 1 + len(own)


@pytest.mark.parametrize(
    ("app", "other"),
    [
        ("import lib.tests.test_core\n", ""),
        ("def handler(event, context):\n    from lib.tests import test_core\n", ""),
        # Nothing imports the module that imports them.
        ("", "from lib import (\n    core,\n    tests,\n)\n"),
        ("", "import importlib\nimportlib.import_module('lib.tests.test_core')\n"),
    ],
)
def test_tests_that_a_module_imports_stay(store, tmp_path, app, other):
    wheels = {"lib": LIBRARY, "other": {"other/__init__.py": "", "other/unused.py": other}}
    _, names = make(tmp_path / "svc", store, f"import lib, other\n{HANDLER}{app}", wheels)
    assert {"lib/tests/__init__.py", "lib/tests/test_core.py", "lib/tests/data.csv"} <= {*names}
    assert "lib/sub/test/helper.py" not in names


def test_what_imported_tests_import_of_other_tests_stays(store, tmp_path):
    base = {
        "base/__init__.py": "",
        "base/tests/__init__.py": "",
        "base/tests/cases.py": "",
        "base/tests/test_it.py": "",
    }
    lib = {"lib/__init__.py": "", "lib/tests/__init__.py": "from base.tests import cases\n"}
    other = {"other/__init__.py": "", "other/unused.py": "import lib.tests\n"}
    _, names = make(tmp_path / "svc", store, HANDLER, {"base": base, "lib": lib, "other": other})
    assert "base/tests/cases.py" in names


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("open(os.path.join(HERE, 'include/api.h'))", {"lib/include/api.h"}),
        ("open(f'{name}.pyx')", {"lib/fast.pyx"}),
        ("HERE.glob('*.pyi')", {"lib/__init__.pyi", "lib/core.pyi"}),
        ("open(HERE / 'tests' / 'data.csv')", {path for path in LIBRARY if path.startswith("lib/tests/")}),
        ("CDLL('libnpymath.a')", {"lib/libnpymath.a"}),
    ],
)
def test_files_that_a_module_opens_stay(store, tmp_path, line, kept):
    lib = {**LIBRARY, "lib/core.py": f"def load(name):\n    return {line}\n"}
    _, names = make(tmp_path / "svc", store, f"import lib\n{HANDLER}", {"lib": lib})
    assert sorted(names) == sorted(["app.py", *REST, *kept])


def test_stubs_from_which_lazy_imports_are_read_stay(store, tmp_path):
    loader = {
        "lazy_loader/__init__.py": """
def attach_stub(package, file):
    import os
    stub = os.path.splitext(file)[0] + "." + "py" + "i"
    names = dict(line.split()[1::2] for line in open(stub))
    def find(name):
        import importlib
        return getattr(importlib.import_module(package + {m: n for n, m in names.items()}[name]), name)
    return find, list, []
""",
        "lazy_loader/__init__.pyi": "",
    }
    image = {
        "image/__init__.py": "import lazy_loader as lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)\n",
        "image/__init__.pyi": "from .filters import blur\n",
        "image/filters.py": "def blur(): return 'blurred'\n",
        "image/filters.pyi": "",
        "image/fast.pyx": "",
    }
    app = "import image\ndef handler(event, context): return image.blur()\n"
    made, names = make(tmp_path / "svc", store, app, {"lazy-loader": loader, "image": image})
    assert {"image/__init__.pyi", "image/filters.pyi"} < {*names}
    assert "image/fast.pyx" not in names
    assert run_clean(unpack(made.path, tmp_path / "unpacked"), "import app; print(app.handler({}, None))") == "blurred"


# Services


def package_sdk(tmp_path, store, app, **options):
    return make(
        tmp_path / "svc", store, f"import boto3\n{app}\n{HANDLER}", {**SDK, **options.pop("wheels", {})}, **options
    )


def test_the_data_of_services_that_nothing_names_is_left_out(store, tmp_path):
    app = "s3 = boto3.client('s3')\ndef late(): return boto3.Session().resource(service_name='dynamodb')\n"
    made, names = package_sdk(tmp_path, store, app)
    assert services(names) == sorted([*ALWAYS, "dynamodb", "s3"])
    assert services(names, "boto3") == ["dynamodb"]
    assert {f"botocore/data/{name}.json" for name in ("_retry", "endpoints", "partitions")} < {*names}
    told = decisions(made)
    assert told["slim-services", "botocore==1.0"] == (
        "2 files of 2 services, for which no module makes a client; kept: dynamodb, s3, signin, sso, sso-oidc, sts"
    )
    assert told["slim-services", "boto3==1.0"].endswith("kept: dynamodb")


def test_an_edit_that_names_another_service_adds_it(store, tmp_path):
    assert "sns" not in services(package_sdk(tmp_path, store, "boto3.client('s3')")[1])
    assert services(package_sdk(tmp_path, store, "boto3.client('sns')")[1]) == sorted([*ALWAYS, "sns"])
    assert services(package_sdk(tmp_path, store, "")[1]) == ALWAYS


def test_a_service_that_is_no_literal_keeps_all(store, tmp_path):
    made, names = package_sdk(tmp_path, store, "def late(name):\n    return boto3.client(name)")
    assert services(names) == sorted([*ALWAYS, "dynamodb", "s3", "sns", "sqs"])
    told = decisions(made)["slim-services", "botocore==1.0"]
    assert told == "the data of all services is kept: app.py:3 makes a client whose service isn't a literal"


def test_modules_that_are_never_imported_name_services_only_if_they_are_the_users_own(store, tmp_path):
    wheels = {
        "used": {
            "used/__init__.py": "def f(s): return s.client('sqs')\n",
            "used/unused.py": "def f(s, n): s.client(n)\n",
        }
    }
    more = {"chalicelib/__init__.py": "", "chalicelib/unused.py": "import boto3\nboto3.client('sns')\n"}
    _, names = package_sdk(tmp_path, store, "import used", wheels=wheels, more=more)
    assert services(names) == sorted([*ALWAYS, "sns", "sqs"])


def test_the_sdk_itself_names_no_service_but_that_of_its_transfers(store, tmp_path):
    transfers = {
        "s3transfer/__init__.py": "",
        "s3transfer/utils.py": "def make(session, *args): return session.create_client(*args)\n",
        "s3transfer/processpool.py": "from s3transfer.utils import make\n",
    }
    _, names = package_sdk(tmp_path, store, "import s3transfer.utils", wheels={"s3transfer": transfers})
    assert services(names) == ALWAYS
    _, names = package_sdk(tmp_path, store, "import s3transfer.processpool", wheels={"s3transfer": transfers})
    assert services(names) == sorted([*ALWAYS, "s3"])


def test_a_layer_keeps_all_services(store, tmp_path):
    root = write_entry(tmp_path / "svc", SDK, {})
    made = package(package_request(entry=root, runtime=RUNTIME, root="python", slim=True), store=store)
    assert decisions(made)["slim-services", "botocore==1.0"].endswith(": the functions that use the layer aren't known")


def test_services_that_layers_name_stay(store, tmp_path):
    layer = write_files(tmp_path / "layer", {"python/shared.py": "import boto3\nboto3.client('sns')\n"})
    _, names = package_sdk(tmp_path, store, "", layers=(str(layer),))
    assert services(names) == sorted([*ALWAYS, "sns"])
    arn = "arn:aws:lambda:eu-west-1:123456789012:layer:name:1"
    made, names = package_sdk(tmp_path, store, "", layers=(str(layer), arn))
    assert "sqs" in services(names)
    assert decisions(made)["slim-services", "botocore==1.0"].endswith("kept: the files of a layer are unknown")


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("boto3.client('s3', region_name=x)", ["s3"]),
        ("boto3.resource(region_name=x, service_name='s3')", ["s3"]),
        ("session().create_client('s3')", ["s3"]),
        ("from boto3 import client as make, resource\nmake('s3'); resource('sqs')", ["s3", "sqs"]),
        ("import boto3 as aws\nwith aws.client('s3') as client: client.get()", ["s3"]),
        ("boto3.client(f'{x}')", [None]),
        ("boto3.client(*names)", [None]),
        ("boto3.client(**kwargs)", [None]),
        ("partial(boto3.client, 's3')", [None]),
        ("make = self.session.client", [None]),
        ("from boto3 import client\nmap(client, names)", [None]),
        ("getattr(boto3, 'client')('s3')", [None]),
        ("client()\nself.client.get(x)\nself.client = x\nself.session.client.get()", []),
        ("redis.Redis(client='x')", []),
    ],
)
def test_what_a_call_names_is_read(code, texts):
    assert [call.text for call in named_calls(code.encode(), MAKER)] == texts


# Several functions


def test_functions_that_share_distributions_need_the_union():
    app, other = (Uses(services={f"{name}.py": named_calls(code, MAKER)}) for name, code in (("app", b"c.client('s3')"), ("other", b"c.client('sqs')")))  # fmt: skip
    lib = Distribution(("lib/__init__.py", "lib/tests/__init__.py", "lib/tests/cases.py"), Uses())
    sdk = Distribution(tuple(SDK["botocore"]), Uses())
    first, second = needs_of(["lib/__init__.py"], [app], []), needs_of(["lib/tests/cases.py"], [other], [])
    together = Needs.union(first, second)
    assert together.services == {"s3", "sqs"}
    assert lib.paths[2] in omissions({"lib==1": lib}, first).rules
    left_out = omissions({"lib==1": lib, "botocore==1": sdk}, together).rules
    assert services(set(sdk.paths) - left_out.keys()) == sorted([*ALWAYS, "s3", "sqs"])
    assert left_out.keys().isdisjoint(lib.paths)


# The real SDK


@pytest.mark.network
def test_boto3_makes_its_client_from_a_small_package(store, tmp_path):
    root = write_files(
        tmp_path / "svc",
        {
            "requirements.txt": "boto3",
            "app.py": """
                import boto3
                s3 = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
                table = boto3.resource("dynamodb", region_name="eu-west-1").Table("orders")

                def handler(event, context):
                    return s3.meta.service_model.service_name, table.name
            """,
        },
    )
    archive = tmp_path / "package.zip"
    made = package(package_request(entry=root, runtime=RUNTIME, slim=True), lambda _: archive, store=store)
    assert archive.stat().st_size < 2_500_000
    assert made.saved.archive_size > 10_000_000
    folder = unpack(archive, tmp_path / "unpacked")
    assert run_clean(folder, "import app; print(*app.handler({}, None))") == "s3 orders"
    error = """
        import boto3, botocore.exceptions
        try:
            boto3.client("sqs", region_name="eu-west-1")
        except botocore.exceptions.UnknownServiceError as error:
            print(str(error)[:48])
    """
    assert run_clean(folder, error) == "Unknown service: 'sqs'. Valid service names are:"
    files = """
        import importlib.metadata
        print(all(file.locate().exists() for name in ("boto3", "botocore") for file in importlib.metadata.files(name)))
    """
    assert run_clean(folder, files) == "True"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_functions_of_one_entry_directory_have_each_its_own(store, tmp_path, order):
    more = {
        "x.py": f"import boto3\nboto3.client('s3')\n{HANDLER}",
        "y.py": f"import boto3\nboto3.client('dynamodb')\n{HANDLER}",
        "run.sh": "#!/bin/sh\nexec python -m anything\n",
    }
    starts = [("x.handler", ["s3"]), ("y.handler", ["dynamodb"])]
    for handler, expected in (starts[index] for index in order):
        _, names = make(tmp_path / "svc", store, HANDLER, SDK, more=more, handler=handler)
        assert services(names) == sorted([*expected, *ALWAYS])
    # A script may start any module.
    _, names = make(tmp_path / "svc", store, HANDLER, SDK, more=more, handler="run.sh", include=["run.sh"])
    assert "sqs" in services(names)


def test_long_runs_without_a_quote_are_read_once(tmp_path):
    hostile = (
        b"N = 0x" + b"f" * 300_000,
        b'DATA = """' + b"ab" * 200_000 + b'"""',
        b"import (\n" * 30_000,
        b"'" + b"test." * 100_000,
        b"'" + b"tests/" * 100_000,
    )
    for source in hostile:
        read_uses(
            ["lib/a.py", "lib/tests/__init__.py", "lib/__init__.py"], lambda _, source=source: source, lambda _: ()
        )


@pytest.mark.parametrize(
    "line",
    [
        "make = boto3.Session().client\nmake('dynamodb')",
        "import boto3 as aws\nmake = aws.client\nmake('dynamodb')",
        "name = 'client'\ngetattr(boto3, name)('dynamodb')",
        "import operator\noperator.methodcaller('client', 'dynamodb')(boto3)",
        "boto3.__dict__['client']('dynamodb')",
        "vars(boto3)['client']('dynamodb')",
        "S = boto3.Session()\n[S.client][0]('dynamodb')",
    ],
)
def test_functions_that_make_clients_under_another_name_keep_all(store, tmp_path, line):
    _, names = make(tmp_path / "svc", store, f"import boto3\n{line}\n{HANDLER}", SDK)
    assert "sqs" in services(names)


def test_a_client_that_an_object_keeps_names_no_service(store, tmp_path):
    keeping = (
        "class Orders:\n    def __init__(self):\n        self.client = boto3.client('sqs')\n        send(self.client)\n"
    )
    _, names = make(tmp_path / "svc", store, f"import boto3\n{keeping}{HANDLER}", SDK)
    assert services(names) == sorted(["sqs", *ALWAYS])


def test_an_old_name_of_a_service_stands_for_it():
    named = Uses(services={"app.py": (NamedCall("runtime.sagemaker", 1),)})
    assert needs_of([], [named], []).services == {"sagemaker-runtime"}


def test_a_module_without_a_source_may_make_any_client(store, tmp_path):
    # python3.13's magic number, and the names that its code has.
    compiled = (3571).to_bytes(2, "little") + b"\r\n" + bytes(12) + b"boto3\0client\0dynamodb"
    _, names = make(
        tmp_path / "svc", store, f"from chalicelib import sec\n{HANDLER}", SDK, more={"chalicelib/sec.pyc": compiled}
    )
    assert "sqs" in services(names)


PLUG = {
    "plug/__init__.py": "",
    "plug/load.py": "import importlib\ndef load(name):\n    return importlib.import_module('plug.plugins.' + name)\n",
    "plug/plugins/__init__.py": "",
    "plug/plugins/test/__init__.py": "",
    "plug/data/__init__.py": "",
    "plug/data/tests/a.json": "{}",
}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("import importlib\nimportlib.import_module('plug.plugins.' + 'test')", "plug/plugins/test/__init__.py"),
        ("from plug.load import load\nload('test')", "plug/plugins/test/__init__.py"),
        ("from importlib import resources\nresources.files('plug.data.tests')", "plug/data/tests/a.json"),
        ("from importlib import resources\nresources.files('plug.data') / 'tests'", "plug/data/tests/a.json"),
        ("open('plug/data/tests/')", "plug/data/tests/a.json"),
    ],
)
def test_folders_of_tests_that_a_literal_names_stay(store, tmp_path, line, kept):
    _, names = make(tmp_path / "svc", store, f"import plug\n{line}\n{HANDLER}", {"plug": PLUG})
    assert kept in names
    assert len([name for name in names if "/test" in name]) == 1


def test_a_layers_modules_may_import_any_of_the_package(store, tmp_path):
    dist = {
        "dist/__init__.py": "",
        "dist/y.py": "import boto3\nboto3.client('dynamodb')\n",
        "dist/tests/__init__.py": "",
    }
    layer = write_files(tmp_path / "layer", {"python/mid.py": "import dist.y, dist.tests\n"})
    app = f"import mid\nimport dist\n{HANDLER}"
    _, names = make(tmp_path / "svc", store, app, {**SDK, "dist": dist}, layers=[layer])
    assert services(names) == sorted(["dynamodb", *ALWAYS])
    assert "dist/tests/__init__.py" in names
