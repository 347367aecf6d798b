"""`dependencies="layer"`: what goes into the function's archive and into the layer's, and what decides the layer's content."""

import json
import zipfile
from pathlib import Path

import jsonschema
import pytest
from entries import package_request, run_clean, unpack, write_files
from native import elf
from package_contents import layer, package_contents
from this_host import HOST as RUNTIME
from wheel_factory import build_wheel, sha256

from cdk_lambda_package import Packaging
from cdk_lambda_package.checks import check
from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import CommandError, FindingsError
from cdk_lambda_package.packages import Job, make_packages
from cdk_lambda_package.pipeline import package

SCHEMA = json.loads((Path(__file__).parents[1] / "docs/reference/manifest.schema.json").read_text(encoding="utf-8"))
ROOT = f"python/lib/{RUNTIME}/site-packages"
HANDLER = "def handler(event, context):\n    return event\n"
LIBRARY = {
    "lib/__init__.py": "",
    "lib/one.py": "ONE = 1\n",
    "lib/two.py": "TWO = 2\n",
    "lib/tests/__init__.py": "",
    "lib/tests/test_one.py": "",
}


def entry_with(root, wheels, files):
    """Write an entry directory that requires wheels by their hashes; they lie beside it, for all entries there."""
    built = [build_wheel(root.parent / "wheels", name, files=content) for name, content in wheels.items()]
    pins = [f"{wheel.name.partition('-')[0]}==1.0 --hash=sha256:{sha256(wheel)}" for wheel in built]
    lines = ["--no-index", f"--find-links {root.parent / 'wheels'}", *pins]
    return write_files(root, {"requirements.txt": "\n".join(lines), **files})


def request(entry, **options):
    return package_request(**{"entry": entry, "runtime": RUNTIME, "dependencies": "layer", **options})


def make(entry, store, **options):
    """Return a package, and the names in its archives without metadata: the function's, and the layer's."""
    folder = entry.parent
    places = (folder / "function.zip", folder / "layer.zip")
    made = package(request(entry, **options), lambda _: places[0], layer_destination=lambda _: places[1], store=store)
    return made, *(names(path) for path in places if path.exists())


def names(archive):
    with zipfile.ZipFile(archive) as opened:
        return [name for name in opened.namelist() if ".dist-info/" not in name]


def test_requirements_and_vendor_go_into_the_layer_and_the_apps_code_stays(tmp_path, store):
    files = {"app.py": f"import chalicelib.a, lib, own\n{HANDLER}", "chalicelib/__init__.py": "", "chalicelib/a.py": ""}
    vendor = {"vendor/own.py": "", "vendor/bin/tool": "", "vendor/lib.so.1": ""}
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {**files, **vendor})
    made, function, shared = make(entry, store)
    assert sorted(function) == sorted(files)
    assert sorted(shared) == sorted(["bin/tool", *(f"{ROOT}/{name}" for name in ("own.py", "lib.so.1", *LIBRARY))])
    assert (made.files, made.layer.files) == (len(function), len(names_with_metadata(tmp_path / "layer.zip")))
    # It answers with the folders where Lambda has them.
    task, opt = unpack(tmp_path / "function.zip", tmp_path / "task"), unpack(tmp_path / "layer.zip", tmp_path / "opt")
    code = f"sys.path.append({str(opt / ROOT)!r})\nimport app, importlib.metadata as m; print(m.version('lib'))"
    assert run_clean(task, code) == "1.0"


def names_with_metadata(archive):
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_an_edit_of_the_app_leaves_the_layer_and_isnt_written_again(tmp_path, store):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": f"import lib\n{HANDLER}"})
    before, *_ = make(entry, store)
    stamp = (tmp_path / "layer.zip").stat().st_mtime_ns
    (entry / "app.py").write_text(f"import lib.one\n{HANDLER}")
    after, *_ = make(entry, store)
    assert after.content_digest != before.content_digest
    assert after.layer.content_digest == before.layer.content_digest
    assert (tmp_path / "layer.zip").stat().st_mtime_ns == stamp


def test_without_dependencies_there_is_no_layer(tmp_path, store):
    made, *archives = make(write_files(tmp_path / "svc", {"app.py": HANDLER}), store)
    assert made.layer is None
    assert archives == [["app.py"]]


def test_both_archives_are_in_the_manifest(tmp_path, store):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": HANDLER})
    made, *_ = make(entry, store)
    manifest = made.manifest
    assert [one["path"] for one in manifest["files"]] == ["app.py"]
    assert manifest["layer"]["content_digest"] == made.layer.content_digest
    assert {one["owner"] for one in manifest["layer"]["files"]} == {"lib==1.0"}
    assert manifest["distributions"][0]["files"] == len(manifest["layer"]["files"])


def test_each_archive_has_lambdas_limit_for_uploads(tmp_path, store, monkeypatch):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": HANDLER})
    make(entry, store)
    size = (tmp_path / "layer.zip").stat().st_size
    assert size > (tmp_path / "function.zip").stat().st_size

    def noted(limit, **options):
        monkeypatch.setattr("cdk_lambda_package.checks.size.LARGEST_UPLOAD", limit)
        again = type(store)(tmp_path / f"again-{limit}")
        return [one.id for one in make(entry, again, **options)[0].findings].count("archive-over-50-mb")

    assert noted(size) == 0
    assert noted(size - 1) == 1
    assert noted(1) == 2


def test_functions_that_share_a_layer_get_the_union_of_what_they_need(tmp_path, store):
    apps = {name: f"import lib.{name}\n{HANDLER}" for name in ("one", "two")}
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {f"{name}.py": text for name, text in apps.items()})

    def job(name, group):
        asked = request(entry, index=f"{name}.py", slim=True, bytecode="require")
        return Job(asked, lambda digest: tmp_path / digest, lambda digest: tmp_path / f"layer-{digest}", group)

    one, two, alone = make_packages([job("one", "A"), job("two", "A"), job("one", "B")], store=store)
    assert one.layer == two.layer
    assert one.layer.content_digest != alone.layer.content_digest
    compiled = {made: {name for name in names(made.layer.path) if name.endswith(".pyc")} for made in (one, alone)}
    assert {name.rpartition("/")[2].partition(".")[0] for name in compiled[one]} == {"__init__", "one", "two"}
    assert {name.rpartition("/")[2].partition(".")[0] for name in compiled[alone]} == {"__init__", "one"}
    assert not any("/tests/" in name for name in names(one.layer.path))
    # Only an edit that reaches other modules changes it.
    (entry / "two.py").write_text(f"import lib.two\nX = 1\n{HANDLER}")
    again, *_ = make_packages([job("one", "A"), job("two", "A")], store=store)
    assert (again.layer, again.package_key) == (one.layer, one.package_key)
    (entry / "two.py").write_text(HANDLER)
    less, *_ = make_packages([job("one", "A"), job("two", "A")], store=store)
    assert less.layer == alone.layer


def test_a_layer_with_all_compiled_depends_on_the_requirements_alone(tmp_path, store):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": f"import lib.one\n{HANDLER}"})
    options = {"bytecode": "require", "bytecode_scope": "all"}
    before, *_ = make(entry, store, **options)
    (entry / "app.py").write_text(f"import lib.two\n{HANDLER}")
    after, _, shared = make(entry, store, **options)
    assert after.layer == before.layer
    assert len([name for name in shared if name.endswith(".pyc")]) == len(LIBRARY)


@pytest.mark.parametrize(
    "options",
    [
        {"slim": True},
        {"bytecode": "require"},
        {"bytecode": "require", "bytecode_scope": "all"},
        {"chalice": "full"},
        {"exclude_from_requirements": ["one.py"]},
    ],
)
def test_functions_with_other_options_have_another_layer(tmp_path, store, options):
    chalice = {"chalice/__init__.py": "", "chalice/app.py": "", "chalice/cli.py": ""}
    wheels = {"chalice": chalice, "lib": LIBRARY}
    entry = entry_with(tmp_path / "svc", wheels, {"app.py": f"import chalice, lib\n{HANDLER}"})
    # Without hashes: a chalice that is asked for in full has none.
    write_files(entry, {"requirements.txt": f"--no-index\n--find-links {tmp_path / 'wheels'}\nchalice\nlib\n"})

    def job(**options):
        return Job(request(entry, **options), lambda digest: tmp_path / digest, lambda digest: tmp_path / digest)

    plain, again, other = make_packages([job(), job(layer_removal_policy="retain"), job(**options)], store=store)
    assert plain.layer == again.layer
    assert plain.layer.content_digest != other.layer.content_digest


def test_vendor_replaces_a_distribution_in_the_layer(tmp_path, store):
    files = {"app.py": f"import lib\n{HANDLER}", "vendor/lib/__init__.py": "MINE = True\n"}
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, files)
    _, function, shared = make(entry, store)
    assert (function, shared) == (["app.py"], [f"{ROOT}/lib/__init__.py"])


def test_chalice_is_slim_for_all_functions_of_the_layer_if_one_imports_it(tmp_path, store):
    chalice = {"chalice/__init__.py": "", "chalice/app.py": "", "chalice/cli.py": ""}
    apps = {"web": f"import chalice\n{HANDLER}", "job": HANDLER}
    entry = entry_with(tmp_path / "svc", {"chalice": chalice}, {f"{name}.py": text for name, text in apps.items()})
    jobs = [
        Job(request(entry, index=f"{name}.py"), lambda digest: tmp_path / digest, lambda digest: tmp_path / digest)
        for name in apps
    ]
    web, other = make_packages(jobs, store=store)
    assert web.layer == other.layer
    assert f"{ROOT}/chalice/cli.py" not in names(web.layer.path)


def test_what_a_command_makes_goes_where_its_folder_is(tmp_path, store):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": HANDLER})
    commands = [["touch", "lib/made.py", "own.txt"], ["rm", "lib/two.py"]]
    _, function, shared = make(entry, store, after_packaging=commands)
    assert sorted(function) == ["app.py", "own.txt"]
    assert f"{ROOT}/lib/made.py" in shared
    assert f"{ROOT}/lib/two.py" not in shared


def test_what_a_command_changes_in_a_namespace_stays_where_it_was(tmp_path, store):
    library = {"ns/theirs/__init__.py": "", "ns/theirs/a.py": ""}
    files = {"app.py": f"import ns.ours, ns.theirs\n{HANDLER}", "ns/ours.py": "", "ns/deep/mine.py": ""}
    entry = entry_with(tmp_path / "svc", {"ns_theirs": library}, files)
    write_files(tmp_path, {"new.py": "A = 1\n"})
    made = ["ns/ours.py", "ns/theirs/a.py", "ns/theirs/b.py", "ns/deep/b.py", "ns/new.py"]
    commands = [["cp", str(tmp_path / "new.py"), path] for path in made]
    _, function, shared = make(entry, store, include=["ns/"], after_packaging=commands)
    assert sorted(function) == ["app.py", "ns/deep/b.py", "ns/deep/mine.py", "ns/new.py", "ns/ours.py"]
    assert sorted(shared) == [f"{ROOT}/ns/theirs/{name}.py" for name in ("__init__", "a", "b")]


def test_a_command_cant_leave_the_functions_package_empty(tmp_path, store):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"chalicelib/a.py": ""})
    with pytest.raises(CommandError, match="Lambda accepts no empty one"):
        make(
            entry,
            store,
            handler="lib.one.handler",
            after_packaging=[["rm", "-r", "chalicelib"]],
            acknowledge=["handler-not-found"],
        )


def test_a_function_without_files_of_its_own_has_no_layer(tmp_path, store):
    entry = entry_with(tmp_path / "svc", {"lib": {"lib.py": HANDLER}}, {})
    made, function = make(entry, store, handler="lib.handler")
    assert (made.layer, function, made.function_handler) == (None, ["lib.py"], "lib.handler")
    # With a file of its own, there is one.
    write_files(entry, {"chalicelib/a.py": ""})
    made, function, shared = make(entry, store, handler="lib.handler", smoke=True)
    assert (function, shared) == (["chalicelib/a.py"], [f"{ROOT}/lib.py"])
    assert made.function_handler == "lib.handler"


def test_smoke_has_the_layer_where_lambda_has_it(tmp_path, store):
    where = "import lib, sys\nassert lib.__file__.startswith('/opt/') or '/opt/' in lib.__file__, lib.__file__\n"
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": f"{where}{HANDLER}"})
    made, *_ = make(entry, store, smoke=True)
    assert made.findings == ()


@pytest.mark.parametrize("path", ["lib/mine.py", "lib/data.json"])
def test_a_package_in_two_places_is_an_error(tmp_path, store, path):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": HANDLER, path: ""})
    with pytest.raises(FindingsError) as caught:
        make(entry, store, include=["lib/"])
    (finding,) = (one for one in caught.value.findings if one.id == "package-divided")
    assert finding.path == path
    assert "lib==1.0" in finding.message
    # In one archive, it is no problem.
    package(request(entry, include=["lib/"], dependencies="package"), store=store)


def test_a_namespace_may_be_in_two_places(tmp_path, store):
    library = {"ns/theirs/__init__.py": ""}
    entry = entry_with(
        tmp_path / "svc", {"ns_theirs": library}, {"app.py": f"import ns.ours\n{HANDLER}", "ns/ours.py": ""}
    )
    made, function, _ = make(entry, store, include=["ns/"])
    assert "ns/ours.py" in function
    assert made.findings == ()


@pytest.mark.parametrize(("path", "name"), [("lib.py", "lib"), ("ns/lib.py", "ns/lib")])
def test_a_module_of_the_function_that_hides_a_package_of_the_layer_is_an_error(path, name):
    files = {"app.py": HANDLER, path: "", f"lib==1.0: {name}/__init__.py": ""}
    found = check(package_contents(files, in_layer=lambda entry: entry.owner != "app"))
    assert [(one.id, one.path, one.subject) for one in found] == [("package-divided", path, name)]
    # In one folder, the package hides the module.
    assert {one.id for one in check(package_contents(files))} <= {"shadows-requirement"}


def test_a_handlers_module_that_hides_a_package_of_the_layer_is_that_error():
    files = {"lib.py": HANDLER, "lib==1.0: lib/__init__.py": ""}
    contents = package_contents(files, index="lib.py", in_layer=lambda entry: entry.owner != "app")
    assert [one.id for one in check(contents)] == ["package-divided"]


def test_libraries_are_where_the_loader_looks_for_them(tmp_path, store):
    module = elf(needed=("libmine.so.1",), symbols=("PyInit__x",))
    library = elf(soname="libmine.so.1")
    for folder, found in {"vendor/lib/": True, "vendor/": False}.items():
        files = {"app.py": f"import pkg._x\n{HANDLER}", "vendor/pkg/_x.so": module}
        entry = write_files(tmp_path / f"svc-{found}", {**files, f"{folder}libmine.so.1": library})
        made, _, shared = make(entry, store)
        assert ("lib/libmine.so.1" in shared) == found
        uncertain = [one.message for one in made.findings if one.id == "library-uncertain"]
        told = f"is at /opt/{ROOT}/libmine.so.1, where the loader doesn't look"
        assert [told in message for message in uncertain] == [True] * (not found)
        # In a package, both folders are the loader's.
        assert package(request(entry, dependencies="package"), store=store).findings == ()
        # A layer of its own has the same places.
        alone = package(
            request(entry, root=ROOT, dependencies="package"), lambda _: tmp_path / "alone.zip", store=store
        )
        assert ("lib/libmine.so.1" in names(tmp_path / "alone.zip")) == found
        assert (alone.findings == ()) == found


def test_a_failed_import_is_told_with_the_places_in_a_layer(tmp_path, store):
    entry = entry_with(tmp_path / "svc", {"lib": {"lib.py": "1 / 0\n"}}, {"app.py": f"import lib\n{HANDLER}"})
    with pytest.raises(FindingsError, match="The code of lib==1.0 fails on"):
        make(entry, store, smoke=True)
    entry = write_files(tmp_path / "own", {"app.py": f"import own\n{HANDLER}", "vendor/own.py": "\n1 / 0\n"})
    with pytest.raises(FindingsError) as caught:
        make(entry, store, smoke=True)
    (finding,) = caught.value.findings
    assert (finding.path, finding.line) == ("vendor/own.py", 2)
    # A variable that vendor/ asks for is one of the app's.
    write_files(entry, {"vendor/own.py": "import os\nassert os.environ.get('TABLE'), 'TABLE is not set'\n"})
    made, *_ = make(entry, store, smoke=True)
    assert [(one.id, one.subject) for one in made.findings] == [("variable-not-set", "TABLE")]


def test_the_modules_of_a_layer_are_imported_where_lambda_has_them(tmp_path, store):
    where = "import own\nassert '/opt/' in own.__file__, own.__file__\n"
    entry = write_files(tmp_path / "svc", {"app.py": f"{where}{HANDLER}", "vendor/own.py": ""})
    assert package(request(entry, root=ROOT, dependencies="package", smoke=True), store=store).findings == ()


def test_a_slim_layer_keeps_the_data_of_all_services_whatever_its_modules_ask_for(tmp_path, store):
    data = {f"botocore/data/{name}/2006-03-01/service-2.json": "{}" for name in ("s3", "sqs")}
    library = {"botocore/__init__.py": "", "boto3/__init__.py": "def client(name): ...\n", **data}
    app = f"import boto3\nboto3.client('s3')\n{HANDLER}"
    entry = entry_with(tmp_path / "svc", {"botocore": library}, {"app.py": app})
    layer_of_all = request(entry, root=ROOT, dependencies="package", slim=True)
    package(layer_of_all, lambda _: tmp_path / "all.zip", store=store)
    assert {f"{ROOT}/{path}" for path in data} <= set(names(tmp_path / "all.zip"))
    _, _, shared = make(entry, store, slim=True)
    assert f"{ROOT}/botocore/data/sqs/2006-03-01/service-2.json" not in shared


def test_the_layer_counts_among_the_five_of_a_function():
    layers = [layer(f"python/{name}.py") for name in "abcde"]
    contents = package_contents({"app.py": HANDLER}, layers=layers, in_layer=lambda _: False)
    assert [one.id for one in check(contents)] == ["too-many-layers"]
    assert not check(package_contents({"app.py": HANDLER}, layers=layers[:4], in_layer=lambda _: False))


def test_the_command_writes_both_archives(tmp_path, store, capsys):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": f"import lib\n{HANDLER}"})
    output = tmp_path / "orders.zip"
    common = ["build", str(entry), "--runtime", RUNTIME, "--output", str(output), "--cache-dir", str(store.root)]
    assert main([*common, "--dependencies=layer", "--format=json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layer"]["path"] == str(tmp_path / "orders-layer.zip")
    assert names(tmp_path / "orders-layer.zip")[0].startswith(f"{ROOT}/lib/")
    with pytest.raises(SystemExit):
        main([*common, "--layer-output", str(tmp_path / "x.zip")])
    assert "--dependencies=layer" in capsys.readouterr().err


def test_the_manifest_and_the_sbom_are_of_both_archives(tmp_path, store, capsys):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {"app.py": f"import lib\n{HANDLER}"})
    output, manifest, sbom = (tmp_path / name for name in ("orders.zip", "orders.json", "orders.cdx.json"))
    argv = ["build", str(entry), "--runtime", RUNTIME, "--output", str(output), "--cache-dir", str(store.root)]
    assert main([*argv, "--dependencies=layer", "--manifest", str(manifest), "--sbom", str(sbom)]) == 0
    told, bill = json.loads(manifest.read_text()), json.loads(sbom.read_text())
    jsonschema.validate(told, SCHEMA)
    for part, path in ((told, output), (told["layer"], tmp_path / "orders-layer.zip")):
        assert part["zip"] == {"sha256": sha256(path), "size": path.stat().st_size}
    assert [one["name"] for one in bill["components"]] == ["lib"]
    properties = {one["name"]: one["value"] for one in bill["metadata"]["component"]["properties"]}
    assert properties["cdk-lambda-package:layer_content_digest"] == told["layer"]["content_digest"]


def test_a_layer_of_an_earlier_build_is_told(tmp_path, store, capsys):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, "vendor/own.py": ""})
    argv = [
        "build",
        str(entry),
        "--runtime",
        RUNTIME,
        "--output",
        str(tmp_path / "orders.zip"),
        "--cache-dir",
        str(store.root),
    ]
    assert main([*argv, "--dependencies=layer"]) == 0
    assert "of an earlier build" not in capsys.readouterr().err
    (entry / "vendor" / "own.py").unlink()
    assert main([*argv, "--dependencies=layer"]) == 0
    told = capsys.readouterr()
    assert "no layer: the package has no dependencies" in told.out
    assert f"{tmp_path / 'orders-layer.zip'} is of an earlier build: this package has no layer" in told.err
    assert main(argv) == 0
    assert "no layer" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("folder", "divided", "told"),
    [
        (f"python/lib/{RUNTIME}/site-packages", True, "so that Lambda may have the files of both"),
        (f"python/lib/{RUNTIME}/site-packages", False, "but lib is imported from the package, which is searched first"),
        ("python", True, "but lib is imported from the package, which is searched first"),
        ("python/lib/python3.8/site-packages", True, "where python3.13 doesn't look"),
    ],
)
def test_a_package_that_another_layer_has_too_is_told_with_what_lambda_sees(folder, divided, told):
    files = {"app.py": f"import lib.more\n{HANDLER}", "lib==1.0: lib/__init__.py": ""}
    contents = package_contents(
        files,
        runtime=RUNTIME,
        layers=[layer(f"{folder}/lib/more.py")],
        in_layer=(lambda entry: entry.owner != "app") if divided else None,
    )
    (finding,) = check(contents)
    assert told.replace("python3.13", RUNTIME) in finding.message


@pytest.mark.parametrize("source", ["requirements.txt", "pylock.toml", "vendor"])
def test_the_command_makes_a_layer_of_requirements_alone(tmp_path, store, capsys, source):
    entry = entry_with(tmp_path / "svc", {"lib": LIBRARY}, {})
    output, options = tmp_path / "layer.zip", ["--runtime", RUNTIME, "--cache-dir", str(store.root)]
    if source != "requirements.txt":
        assert main(["lock", str(entry), *options]) == 0
        (entry / "requirements.txt").unlink()
    if source == "vendor":
        (entry / "pylock.toml").unlink()
        write_files(entry, {f"vendor/{name}": content for name, content in LIBRARY.items()})
    common = ["build", str(entry), "--output", str(output), *options]
    assert main([*common, "--layer"]) == 0
    assert sorted(names(output)) == sorted(f"{ROOT}/{name}" for name in LIBRARY)
    with pytest.raises(SystemExit):
        main([*common, "--layer", "--dependencies=layer"])
    assert "--layer makes a layer of all" in capsys.readouterr().err


def test_options_say_what_they_accept():
    assert Packaging(dependencies="layer").value("dependencies") == "layer"
    assert Packaging().value("dependencies") == "package"
