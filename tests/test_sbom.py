"""The software bill of materials: valid, true, the same everywhere, and without a secret."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from index_server import serve_index
from offline import cli_environment
from sboms import components, needs, properties, read
from source_projects import build_sdist, write_project
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.cli import main

PASSWORD = "pa55w0rd"


@pytest.fixture
def project(project):
    write_files(project.entry, {"app.py": HANDLER})
    return project


def test_each_distribution_has_its_package_url_version_hash_and_origin(project, store):
    wheel = project.build("Some_Tool", "2.1")
    with serve_index(project.wheels) as index:
        project.write(f"--index-url {index.url()}\nsome-tool", local=False)
        (component,) = read(project.package(store))["components"]
        url = f"http://{index.host}/files/{wheel.name}"
        assert component["version"] == "2.1"
        assert component["hashes"] == [{"alg": "SHA-256", "content": sha256(wheel)}]
        assert component["purl"] == f"pkg:pypi/some-tool@2.1?repository_url={index.url()}"
        (reference,) = component["externalReferences"]
        assert (reference["type"], reference["url"], reference["hashes"]) == ("distribution", url, component["hashes"])
        assert properties(component) == {"wheel": wheel.name, "origin": url, "index": index.url()}
        # Required by its URL, it is from no index.
        project.write(f"some-tool @ {url}", local=False)
        (component,) = read(project.package(store))["components"]
        assert component["purl"] == f"pkg:pypi/some-tool@2.1?download_url={url}"


def test_a_file_of_this_machine_is_named_without_its_path(project, store):
    wheel = project.build("tool")
    project.write("tool")
    sbom = read(project.package(store))
    (component,) = sbom["components"]
    assert component["purl"] == f"pkg:pypi/tool@1.0?file_name={wheel.name}"
    assert "externalReferences" not in component
    assert str(project.root) not in json.dumps(sbom)


def test_the_graph_says_who_needs_what_and_begins_with_the_app(project, store):
    project.build("tool", requires_dist=["deep"])
    project.build("other", requires_dist=["deep"])
    project.build("deep")
    project.write("tool\nother\n")
    made = project.package(store)
    sbom = read(made)
    root = sbom["metadata"]["component"]
    assert (root["name"], root["type"], root["version"]) == ("app", "application", made.content_digest)
    assert properties(root)["runtime"] == "python3.13"
    deep, other, tool = (components(sbom)[name]["bom-ref"] for name in ("deep", "other", "tool"))
    assert needs(sbom) == {root["bom-ref"]: [other, tool], tool: [deep], other: [deep], deep: []}


@pytest.mark.parametrize(
    ("metadata", "licenses"),
    [
        (["License-Expression: mit", "License: BSD"], [{"license": {"id": "MIT"}}]),
        (["License-Expression: MIT OR Apache-2.0"], [{"expression": "MIT OR Apache-2.0"}]),
        (["License: Apache-2.0", "Classifier: License :: OSI Approved"], [{"license": {"id": "Apache-2.0"}}]),
        (
            ["License: BSD", "Classifier: Typing :: Typed", "Classifier: License :: OSI Approved :: BSD License",
             "Classifier: License :: OSI Approved :: Apache Software License"],
            [{"license": {"name": "Apache Software License"}}, {"license": {"name": "BSD License"}}],
        ),
        (["License: our own"], [{"license": {"name": "our own"}}]),
        (["License: Permission is hereby granted", "  to whoever asks"], None),
        (["License: UNKNOWN"], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_licence_is_spdxs_where_the_metadata_says_it_so_else_under_its_names(project, store, metadata, licenses):
    project.build("tool", metadata=metadata)
    project.write("tool")
    (component,) = read(project.package(store))["components"]
    assert component.get("licenses") == licenses


def test_what_is_in_vendor_is_listed_and_what_it_replaces_is_not(project, store):
    project.build("tool", requires_dist=["replaced"])
    project.build("replaced")
    build_wheel(project.entry / "vendor", "own", "3.0", metadata=["License-Expression: MIT"])
    write_files(
        project.entry / "vendor",
        {
            "replaced.py": "",
            "kept/__init__.py": "",
            "kept-1.5.dist-info/METADATA": "Metadata-Version: 2.4\nName: Kept\nVersion: 1.5\nLicense-Expression: 0BSD\n\n",
        },
    )
    project.write("tool")
    sbom = read(project.package(store))
    assert sorted(components(sbom)) == ["kept", "own", "tool"]
    kept, own = components(sbom)["kept"], components(sbom)["own"]
    assert (kept["version"], kept["purl"], kept["licenses"]) == (
        "1.5",
        "pkg:pypi/kept@1.5",
        [{"license": {"id": "0BSD"}}],
    )
    assert properties(kept) == {"origin": "vendor/"}
    assert own["hashes"][0]["content"] == sha256(next((project.entry / "vendor").glob("*.whl")))
    assert {kept["bom-ref"], own["bom-ref"]} < set(needs(sbom)["app"])


def test_chalices_runtime_is_one_of_them_without_what_only_the_whole_needs(project, store):
    project.build(
        "chalice",
        files={"chalice/__init__.py": "class Chalice:\n    pass\n", "chalice/app.py": ""},
        requires_dist=["botocore"],
    )
    write_files(project.entry, {"app.py": "from chalice import Chalice\napp = Chalice(app_name='x')\n"})
    project.write("")
    sbom = read(project.package(store))
    (component,) = sbom["components"]
    assert properties(component)["part"] == "the runtime only"
    assert needs(sbom)["app"] == [component["bom-ref"]]


def test_a_distribution_of_which_slim_left_out_files_says_so(project, store):
    project.build("lib", files={"lib/__init__.py": "", "lib/tests/test_lib.py": "", "lib/api.h": "", "lib/core.h": ""})
    project.build("whole", files={"whole.py": ""})
    project.write("lib\nwhole\n")
    for slim in (True, False):
        found = components(read(project.package(store, slim=slim)))
        assert properties(found["lib"]).get("part") == (
            "without 2 files by slim-build-files, 1 file by slim-tests" if slim else None
        )
        assert "part" not in properties(found["whole"])


def test_an_app_without_requirements_has_a_valid_one(project, store):
    assert components(read(project.package(store))) == {}


@pytest.mark.thorough
def test_what_was_built_says_of_what(project, store):
    sdist = build_sdist(project.wheels, "tool")
    own = write_project(project.wheels / "repository", "own")
    for argv in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@y.z", "commit", "-qm", "1"]):
        subprocess.run(["git", *argv], cwd=own, check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=own, check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(["git", "update-server-info"], cwd=own, check=True)
    with serve_index(project.wheels) as index:
        repository = f"http://{index.host}/files/repository/.git"
        project.write(f"--index-url {index.url()}\ntool\nown @ git+{repository}\n", local=False)
        sbom = read(project.package(store))
    built, cloned = components(sbom)["tool"], components(sbom)["own"]
    (reference,) = built["externalReferences"]
    assert reference["url"].endswith("/tool-1.0.tar.gz")
    assert reference["hashes"][0]["content"] == properties(built)["built_from_sha256"] == sha256(sdist)
    assert built["hashes"][0]["content"] != sha256(sdist)
    (reference,) = cloned["externalReferences"]
    assert (reference["type"], reference["url"]) == ("vcs", f"git+{repository}@{commit}")
    assert commit in cloned["purl"]


def test_another_checkout_and_another_cache_give_the_same_bytes(project, tmp_path, capsys):
    build_wheel(project.entry / "wheels", "tool", metadata=["License-Expression: MIT"])
    project.write("--no-index\n--find-links wheels\ntool", local=False)
    texts = []
    for place in ("one", "two"):
        entry = Path(shutil.copytree(project.entry, tmp_path / place / "svc"))
        argv = ["build", str(entry), "--runtime=python3.13", f"--cache-dir={tmp_path / place / 'cache'}"]
        assert main([*argv, "-o", str(tmp_path / f"{place}.zip"), "--sbom", str(tmp_path / f"{place}.json")]) == 0
        texts.append((tmp_path / f"{place}.json").read_text())
    assert texts[0] == texts[1]
    assert "timestamp" not in texts[0]
    (tmp_path / "one" / "svc" / "app.py").write_text(HANDLER + "# edited\n")
    argv = ["build", str(tmp_path / "one" / "svc"), "--runtime=python3.13", "-o", str(tmp_path / "one.zip")]
    assert main([*argv, "--sbom", str(tmp_path / "one.json")]) == 0
    edited, before = json.loads((tmp_path / "one.json").read_text()), json.loads(texts[0])
    assert edited["serialNumber"] != before["serialNumber"]
    assert edited["components"] == before["components"]
    capsys.readouterr()


def test_no_secret_of_an_index_or_a_lock_is_in_it(project, store):
    wheel = project.build("tool")
    with serve_index(project.wheels) as index:
        index.password = PASSWORD
        project.write(f"--index-url {index.url(PASSWORD)}\ntool", local=False)
        made = project.package(store)
        assert PASSWORD not in json.dumps([read(made), made.manifest])
        url = f"http://user:{PASSWORD}@{index.host}"
        lock = f"""
            lock-version = "1.0"
            created-by = "hand"
            [[packages]]
            name = "tool"
            version = "1.0"
            index = "{url}/simple"
            wheels = [{{url = "{url}/files/{wheel.name}?signature={PASSWORD}", hashes = {{sha256 = "{sha256(wheel)}"}}}}]
        """
        write_files(project.entry, {"pylock.toml": lock})
        made = project.package(store)
        assert PASSWORD not in json.dumps([read(made), made.manifest])
        assert made.manifest["distributions"][0]["index"] == index.url()


@pytest.mark.parametrize("other", ["--output", "--manifest"])
def test_an_sbom_needs_a_name_of_its_own(project, capsys, other):
    place = str(project.root / "x")
    argv = (
        {"--output": place, "--sbom": place}
        if other == "--output"
        else {"--output": f"{place}.zip", other: place, "--sbom": place}
    )
    words = [word for pair in argv.items() for word in pair]
    assert main(["build", str(project.entry), "--runtime=python3.13", *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: --sbom ") and f" and {other} " in said and "are the same file" in said
    assert not Path(place).exists()


def run(code, project):
    script = f"""
import sys
from cdk_lambda_package import PackageRequest, package
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=cli_environment(project.root / "cache"), capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_without_the_library_an_sbom_says_what_to_install_and_all_else_works(project):
    made = f"made = package(PackageRequest(entry={str(project.entry)!r}, runtime='python3.13')); print(made.size)"
    said = run(f"sys.modules['cyclonedx'] = None\n{made}\nmade.sbom", project)
    assert said.startswith(str(len(HANDLER)))
    assert "ToolError" in said
    assert "pip install 'cdk-lambda-package[sbom]'" in said
    argv = ["build", str(project.entry), "--runtime=python3.13", "-o", str(project.root / "x.zip"), "--sbom", "x.json"]
    said = run(
        f"sys.modules['cyclonedx'] = None\nfrom cdk_lambda_package.cli import main\nprint(main({argv!r}))", project
    )
    assert said.startswith("1\n")
    assert not (project.root / "x.zip").exists()


def test_who_asks_for_none_does_not_pay_for_it(project):
    made = f"package(PackageRequest(entry={str(project.entry)!r}, runtime='python3.13'))"
    assert run(f"{made}\nprint('cyclonedx' in sys.modules)", project).strip() == "False"
