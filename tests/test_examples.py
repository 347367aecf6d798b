"""Every example through the real CDK CLI to a local AWS, and from there into Lambda's emulator."""

import json
import os
import platform
import re
import subprocess
import zipfile
from dataclasses import dataclass, field

import pytest
from deployments import NO_POSTGRES
from entries import package_request
from local_aws import ROOT, emulator
from this_host import HOST as RUNTIME
from this_host import SEARCH_PATH, require_lambda

from cdk_lambda_package.pipeline import package
from cdk_lambda_package.target import LARGEST_PACKAGE

pytestmark = pytest.mark.deploy
HOST = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
EXAMPLES = ("document", "chalice_api", "psycopg2_vendor", "data", "monorepo")
STACKS = ("ChaliceApiExample", "Psycopg2VendorExample", "DataExample", "MonorepoExample")
LEAN = ("tests/", "*.pyi", "*.pxd", "pyarrow/include/", "pyarrow/*flight*")

# The machine in an ELF header, which is little-endian on both: e_machine, at byte 18.
ELF_MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}


def on_the_local_aws(test):
    """Mark a test of the deployed examples: one worker has the one local AWS, and to deploy them all takes long."""
    return pytest.mark.thorough(pytest.mark.xdist_group("deploy")(test))


@dataclass(frozen=True)
class Example:
    """A deployed function, and the request that makes the same package without CDK."""

    stack: str
    construct: str
    entry: str
    options: dict = field(default_factory=dict)
    architecture: str = HOST

    def request(self, deployed):
        return package_request(
            entry=deployed.examples / self.entry,
            runtime=RUNTIME,
            architecture=self.architecture,
            **self.options,
        )

    def __str__(self) -> str:
        return f"{self.stack}-{self.construct}"


def service(name: str, *, requirements: bool) -> Example:
    options = {
        "index": f"{name}/app.py",
        "include": ("shared/**",),
        "exclude": ("requirements.txt",),
        "requirements": f"{name}/requirements.txt" if requirements else None,
    }
    return Example("MonorepoExample", name.title(), "monorepo/services", options)


INTEL = Example("DataExample", "Intel", "data/app", {"exclude_from_requirements": LEAN}, "x86_64")
ARM = Example("DataExample", "Arm", "data/app", {"exclude_from_requirements": LEAN}, "arm64")
ORDERS = service("orders", requirements=False)
RECEIPTS = service("receipts", requirements=True)
REPORTS = service("reports", requirements=True)
SERVICES = ("Orders", "Receipts", "Reports")
VISITS = Example("Psycopg2VendorExample", "Visits", "psycopg2_vendor/app")
FUNCTIONS = (
    Example("ChaliceApiExample", "Web", "chalice_api/app"),
    VISITS,
    INTEL,
    ARM,
    ORDERS,
    RECEIPTS,
    REPORTS,
)

ORDER = {
    "lines": [
        {"product": "tea", "quantity": 3, "price": "2.50"},
        {"product": "cup", "quantity": 1, "price": "9.99"},
    ]
}


def invoke_deployed(deployed, example: Example, event: dict) -> object:
    require_lambda()
    function = deployed.function(example.stack, example.construct)
    log, task_root = deployed.folder / f"{function.name}.log", deployed.task_root(function)
    with emulator(task_root, function.handler, log=log, variables=function.variables) as call:
        return call(event)


@on_the_local_aws
@pytest.mark.parametrize("example", FUNCTIONS, ids=str)
def test_what_arrives_is_what_package_makes(deployed, example, tmp_path, frozen_index):
    made = package(example.request(deployed), lambda _: tmp_path / "package.zip")
    archive = deployed.archive(deployed.function(example.stack, example.construct))
    assert archive.read_bytes() == made.path.read_bytes()


@on_the_local_aws
def test_the_vendored_psycopg2_talks_to_a_real_postgresql(deployed):
    if deployed.database == NO_POSTGRES:
        pytest.skip("PostgreSQL is not installed; `make test-thorough` installs it where it may")
    first = invoke_deployed(deployed, VISITS, {"visitor": "o'neil"})
    second = invoke_deployed(deployed, VISITS, {"visitor": "o'neil"})
    assert (first["visits"], second["visits"]) == (1, 2)
    assert first["server"] >= 11
    task_root = deployed.task_root(deployed.function(VISITS.stack, VISITS.construct))
    assert first["loaded_from"] == str(task_root / "psycopg2" / "__init__.py")


@on_the_local_aws
def test_the_shared_objects_of_vendor_arrive_byte_for_byte(deployed):
    vendor = deployed.examples / "psycopg2_vendor" / "app" / "vendor"
    archive = deployed.archive(deployed.function(VISITS.stack, VISITS.construct))
    with zipfile.ZipFile(archive) as arrived:
        packaged = {name: arrived.read(name) for name in arrived.namelist() if ".so" in name}
    files = {path.relative_to(vendor).as_posix(): path.read_bytes() for path in vendor.rglob("*.so*")}
    assert packaged == files
    assert any(name.startswith("psycopg2/_psycopg.") for name in files)
    assert any(name.startswith("psycopg2_binary.libs/libpq-") for name in files)


@on_the_local_aws
def test_pandas_and_pyarrow_compute_behind_the_emulator(deployed):
    example = INTEL if HOST == "x86_64" else ARM
    orders = [
        {"day": "2026-11-20", "product": "tea", "amount": 2.5},
        {"day": "2026-11-20", "product": "tea", "amount": 5.0},
        {"day": "2026-11-21", "product": "tea", "amount": 1.25},
        {"day": "2026-11-21", "product": "cup", "amount": 9.99},
    ]
    answer = invoke_deployed(deployed, example, {"orders": orders})
    assert answer["same"] is True
    assert answer["rows"] == 3
    assert answer["totals"] == {"cup": 9.99, "tea": 8.75}
    task_root = deployed.task_root(deployed.function(example.stack, example.construct))
    assert all(path.startswith(str(task_root)) for path in answer["loaded_from"])


@on_the_local_aws
@pytest.mark.parametrize("example", [INTEL, ARM], ids=str)
def test_every_shared_object_is_for_the_architecture_of_its_function(deployed, example):
    archive = deployed.archive(deployed.function(example.stack, example.construct))
    with zipfile.ZipFile(archive) as package:
        names = [name for name in package.namelist() if re.search(r"\.so(\.\d+)*$", name)]
        headers = {name: package.open(name).read(20) for name in names}
    assert len(headers) > 50
    assert {header[:4] for header in headers.values()} == {b"\x7fELF"}
    assert {int.from_bytes(header[18:20], "little") for header in headers.values()} == {
        ELF_MACHINES[example.architecture]
    }


@on_the_local_aws
@pytest.mark.parametrize("example", [INTEL, ARM], ids=str)
def test_what_the_function_does_not_use_stays_out_and_lambdas_limit_holds(deployed, example):
    archive = deployed.archive(deployed.function(example.stack, example.construct))
    with zipfile.ZipFile(archive) as package:
        members = package.infolist()
    assert not [member.filename for member in members if "/tests/" in member.filename]
    assert sum(member.file_size for member in members) < LARGEST_PACKAGE * 0.9


@on_the_local_aws
def test_the_services_of_the_monorepo_answer_with_the_shared_code(deployed):
    assert invoke_deployed(deployed, ORDERS, ORDER) == {"pieces": 4, "total": "17.49 EUR"}
    receipt = invoke_deployed(deployed, RECEIPTS, ORDER)
    assert [line.split() for line in receipt.splitlines()] == [
        ["3", "tea", "7.50", "EUR"],
        ["1", "cup", "9.99", "EUR"],
        ["Total", "17.49", "EUR"],
    ]
    assert invoke_deployed(deployed, REPORTS, {"orders": [ORDER, ORDER]}) == [
        {"product": "cup", "turnover": "19.98 EUR"},
        {"product": "tea", "turnover": "15.00 EUR"},
    ]


@on_the_local_aws
@pytest.mark.parametrize(
    ("example", "expected"),
    [
        pytest.param(ORDERS, {"orders", "shared"}, id="orders"),
        pytest.param(RECEIPTS, {"receipts", "shared", "tabulate"}, id="receipts"),
        pytest.param(REPORTS, {"reports", "shared", "sortedcontainers"}, id="reports"),
    ],
)
def test_a_service_gets_its_own_code_its_own_requirements_and_the_shared_code(deployed, example, expected):
    archive = deployed.archive(deployed.function(example.stack, example.construct))
    with zipfile.ZipFile(archive) as package:
        names = package.namelist()
    assert {re.split(r"[/.-]", name)[0] for name in names} == expected
    assert "requirements.txt" not in {name.rpartition("/")[2] for name in names}


@on_the_local_aws
def test_unchanged_stacks_are_not_deployed_again_and_an_edit_is_by_both_ways(deployed):
    # One story, in the order in which a developer lives it: each step rests on the one before.
    app = deployed.examples / "monorepo" / "services" / "orders" / "app.py"
    stack = ORDERS.stack
    before = {name: deployed.function(stack, name).key for name in SERVICES}

    unchanged = deployed.deploy("--all", "--method=direct", "--concurrency", "4")
    assert unchanged.count("(no changes)") == len(STACKS)
    assert "Publishing" not in unchanged

    edit(app, '"pieces"', '"items"')
    difference = deployed.cdk("diff", stack, "--method=template")
    assert changed_properties(difference) == {"Code", "Metadata"}

    directly = deployed.deploy(stack, "--method=direct", synthesized=True)
    assert "(no changes)" not in directly
    assert invoke_deployed(deployed, ORDERS, ORDER) == {"items": 4, "total": "17.49 EUR"}

    edit(app, '"items"', '"count"')
    hotswapped = deployed.deploy(stack, "--hotswap")
    assert hotswapped.count("hotswapped!") == 1
    assert invoke_deployed(deployed, ORDERS, ORDER) == {"count": 4, "total": "17.49 EUR"}

    after = {name: deployed.function(stack, name).key for name in SERVICES}
    assert {name for name in SERVICES if before[name] != after[name]} == {"Orders"}


def edit(path, old: str, new: str) -> None:
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))


def changed_properties(difference: str) -> set[str]:
    """Return what `cdk diff` says has changed of the one function that it names."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", difference).splitlines()
    resources = [line for line in lines if re.match(r"\[[-+~]\]", line)]
    assert len(resources) == 1
    assert "AWS::Lambda::Function" in resources[0]
    return {match[1] for line in lines if (match := re.match(r" [├└]─ \[~\] (\w+)", line))}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_a_readme_and_a_cdk_json_that_runs_its_stack(name):
    folder = ROOT / "examples" / name
    assert (folder / "README.md").read_text().startswith("# ")
    # The document's example is the one at the root of the repository.
    path, run = (ROOT, "examples/document/stack.py") if name == "document" else (folder, "stack.py")
    assert json.loads((path / "cdk.json").read_text())["app"].endswith(f"python3 {run}")


def test_the_command_of_all_cdk_json_files_runs_the_stack_of_each_example(tmp_path):
    # So it is run once, for the stacks of all examples one after the other: each start of node takes seconds.
    folders = [ROOT / "examples" / name for name in EXAMPLES if name != "document"]
    (command,) = {json.loads((folder / "cdk.json").read_text())["app"] for folder in folders}
    run_all = "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path, run_name='__main__')\n"
    (tmp_path / "stack.py").write_text(run_all)
    paths = " ".join(str(folder / "stack.py") for folder in folders)
    environment = {
        **os.environ,
        "PATH": SEARCH_PATH,
        "CDK_OUTDIR": str(tmp_path / "cdk.out"),
        # As for `cdk ls`, which bundles nothing.
        "CDK_CONTEXT_JSON": json.dumps({"aws:cdk:bundling-stacks": []}),
    }
    command = command.replace("stack.py", f"{tmp_path / 'stack.py'} {paths}")
    subprocess.run(command, shell=True, cwd=folders[0], env=environment, check=True, capture_output=True, text=True)
    templates = {path.name for path in (tmp_path / "cdk.out").glob("*.template.json")}
    assert templates == {f"{stack}.template.json" for stack in STACKS}
    assert not list((tmp_path / "cdk.out").glob("asset.*"))
