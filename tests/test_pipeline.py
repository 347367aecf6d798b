"""The whole way from an entry directory to a package, with requirements that need no index."""

import shutil
import zipfile
from pathlib import Path

import pytest
from entries import HANDLER, names_in, package_request, sha256, write_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import AARCH64, elf
from offline import OFFLINE_NAMES, RUNTIME, run_cli, write_offline_entry
from raw_zip import member, raw_wheel
from readers import assert_reads_alike

from cdk_lambda_package import DeploymentPackage, Store, package
from cdk_lambda_package.errors import (
    EntryError,
    FindingsError,
    NoWheelError,
    OptionError,
    PackageError,
    TargetError,
    WheelError,
)
from cdk_lambda_package.packages import Job, make_packages


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    return write_offline_entry(tmp_path_factory.mktemp("offline") / "svc")


@pytest.fixture(scope="module")
def offline_store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("offline-cache"))


@pytest.fixture
def entry(offline, tmp_path):
    """The offline app, to be changed."""
    return Path(shutil.copytree(offline, tmp_path / "svc"))


def make(entry, store, archive=None, **options) -> DeploymentPackage:
    request = package_request(**{"entry": entry, "runtime": RUNTIME, **options})
    destination = None if archive is None else lambda _: archive
    return package(request, destination, store=store)


def paths(made):
    return [file["path"] for file in made.manifest["files"]]


# What is in it


def test_app_vendor_and_requirements_come_together(offline, offline_store, tmp_path):
    archive = tmp_path / "x.zip"
    made = make(offline, offline_store, archive)
    assert names_in(archive) == paths(made) == OFFLINE_NAMES
    assert_reads_alike(archive)
    assert made.findings == (), "hashes pin everything"
    assert (made.files, made.path) == (len(OFFLINE_NAMES), archive)


@pytest.mark.parametrize(
    "requirements",
    [
        None,
        "",
        "\n\n",
        "# nothing yet\n",
        "--index-url https://index.invalid/simple\n",
        "\ufeff# BOM\r\n",
        "-c constraints.txt\n",
        "--no-binary \\\n  :all:\n",
    ],
)
def test_an_app_without_requirements_starts_nothing_and_warns_of_nothing(tmp_path, requirements):
    files = {"app.py": HANDLER, "constraints.txt": "six<2\n"}
    if requirements is not None:
        files["requirements.txt"] = requirements
    entry = write_files(tmp_path / "svc", files)
    archive = tmp_path / "x.zip"
    done = run_cli("build", entry, "--runtime", RUNTIME, "-o", archive, cache=tmp_path / "cache", guarded=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert names_in(archive) == ["app.py"]


@pytest.mark.parametrize("name", ["with space", 'it\'s "quoted"', "größe 日本"])
def test_odd_paths_work_with_requirements_too(offline, tmp_path, store, name):
    entry = Path(shutil.copytree(offline, tmp_path / name))
    archive = tmp_path / f"{name}.zip"
    make(write_files(entry, {f"chalicelib/{name}.txt": name}), store, archive)
    assert_reads_alike(archive)
    with zipfile.ZipFile(archive) as opened:
        assert opened.read(f"chalicelib/{name}.txt").decode() == name


def test_options_leave_out_files_of_requirements_and_whole_distributions(offline, offline_store):
    made = make(offline, offline_store, exclude_from_requirements=("*.bin",), exclude_distributions=("Gamma",))
    assert set(OFFLINE_NAMES) - set(paths(made)) == {
        "alpha/data.bin",
        "gamma/__init__.py",
        "gamma/größe.txt",
        *(f"gamma-1.0.dist-info/{file}" for file in ("METADATA", "RECORD", "WHEEL")),
    }


def test_an_exclude_of_own_files_leaves_those_of_requirements(offline, offline_store):
    made = make(offline, offline_store, exclude=("*.bin", "LICENSE", "utils.py"))
    assert set(OFFLINE_NAMES) - set(paths(made)) == {"chalicelib/utils.py"}


def test_a_provided_distribution_isnt_resolved(entry, store):
    text = (entry / "requirements.txt").read_text()
    (entry / "requirements.txt").write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith("gamma"))
    )
    made = make(entry, store, provided=("gamma",))
    assert not any(path.startswith("gamma") for path in paths(made))
    assert ("distribution-provided", "gamma") in [
        (row["decision"], row["subject"]) for row in made.manifest["decisions"]
    ]


def test_metadata_in_vendor_provides_its_distribution(entry, store):
    write_files(
        entry, {"vendor/gamma/__init__.py": "", "vendor/gamma-9.dist-info/METADATA": "Name: gamma\nVersion: 9\n"}
    )
    made = make(entry, store)
    assert [path for path in paths(made) if path.startswith("gamma")] == [
        "gamma-9.dist-info/METADATA",
        "gamma/__init__.py",
    ]


def test_own_binaries_and_scripts_are_executable_whatever_their_mode(entry, store, tmp_path):
    write_files(entry, {"chalicelib/run": "#!/bin/sh\n", "vendor/x.so": elf(), "chalicelib/data": "x"})
    (entry / "chalicelib/data").chmod(0o755)
    archive = tmp_path / "x.zip"
    make(entry, store, archive)
    with zipfile.ZipFile(archive) as opened:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in opened.infolist()}
    assert {name for name, mode in modes.items() if mode == 0o755} == {"chalicelib/run", "x.so", "bin/alpha"}


# What is wrong with it


def with_wheel(entry, tag="py3-none-any", files=(), **metadata):
    """Put a wheel into vendor/."""
    return raw_wheel(entry / "vendor", [member(name, content) for name, content in files], tag=tag, **metadata)


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp313-cp313-macosx_11_0_arm64",
        "cp313-cp313-manylinux_2_35_x86_64",
        "py2-none-any",
    ],
)
def test_a_wheel_in_vendor_that_doesnt_fit_is_an_error(entry, store, tag):
    with_wheel(entry, tag)
    with pytest.raises(
        NoWheelError, match=rf"vendor/demo-1.0-{tag}.whl isn't for python3.13 x86_64, whose best tag is"
    ):
        make(entry, store)


def test_a_file_in_vendor_that_is_named_as_no_wheel_is_an_error(entry, store):
    write_files(entry, {"vendor/demo.whl": b""})
    with pytest.raises(WheelError, match=r"vendor/demo\.whl isn't named as wheels are"):
        make(entry, store)


def test_a_wheel_that_cant_be_spliced_is_an_error_and_nothing_is_written(entry, store, tmp_path):
    with_wheel(entry, files=[("../evil.py", "x")])
    with pytest.raises(PackageError, match=r"demo-1\.0-py3-none-any\.whl"):
        make(entry, store, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize(
    ("content", "rule", "why"),
    [
        (elf(machine=AARCH64), "binary-for-other-machine", "is a Linux arm64 library"),
        (
            elf(glibc=("GLIBC_2.39",)),
            "binary-needs-newer-system",
            "needs glibc 2.39, and python3.13 x86_64 has glibc 2.34",
        ),
    ],
)
def test_a_linux_wheel_whose_binaries_lambda_cant_load_is_an_error(entry, store, content, rule, why):
    with_wheel(entry, "cp313-cp313-linux_x86_64", [("demo/x.so", content)])
    write_files(entry, {"app.py": f"import demo.x\n{HANDLER}"})
    with pytest.raises(FindingsError, match=why) as caught:
        make(entry, store)
    assert [finding.id for finding in caught.value.findings] == [rule]
    with pytest.raises(FindingsError):
        make(entry, store)  # and again from the record
    assert make(entry, store, acknowledge=(rule,)).findings == ()


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("py3-none-any", ["binary-for-other-machine"]),
        ("cp313-cp313-linux_x86_64", ["binary-for-other-machine"]),
        ("cp313-cp313-manylinux_2_17_x86_64", []),
    ],
)
def test_a_wheel_is_looked_into_unless_its_tag_is_a_promise(entry, store, tag, found):
    with_wheel(entry, tag, [("demo/x.so", elf(machine=AARCH64))])
    assert findings_of(entry, store) == found
    assert findings_of(entry, store) == found  # and again from the store
    # The same bytes from elsewhere.
    (wheel,) = (entry / "vendor").glob("*.whl")
    wheel = wheel.rename(entry / "wheels" / wheel.name)
    with (entry / "requirements.txt").open("a") as stream:
        stream.write(f"demo==1.0 --hash=sha256:{sha256(wheel)}\n")
    assert findings_of(entry, store) == found


def test_what_is_known_of_a_package_is_checked_again_when_its_layer_changes(entry, store, tmp_path):
    layer = write_files(tmp_path / "layer", {"python/shared.py": "import json\n"})
    write_files(entry, {"app.py": f"import shared\n{HANDLER}"})
    assert findings_of(entry, store, layers=(layer,)) == []
    write_files(layer, {"python/shared.py": "import gone\n"})  # as many bytes
    assert findings_of(entry, store, layers=(layer,)) == ["import-not-found"]
    write_files(layer, {"python/shared.py": "import json\n"})
    assert findings_of(entry, store, layers=(layer,)) == []
    # Of a layer that is known by its name alone, nothing is certain.
    write_files(layer, {"python/shared.py": "import gone\n"})
    unknown = "arn:aws:lambda:eu-west-1:123456789012:layer:shared:1"
    assert findings_of(entry, store, layers=(layer, unknown)) == []


@pytest.mark.parametrize("path", ["chalicelib/_x.so", "vendor/pkg/_x.so", "app/_x.so"])
def test_a_binary_of_the_users_own_is_looked_into_wherever_it_is(entry, store, path):
    write_files(
        entry, {path: elf(machine=AARCH64), "chalicelib/x.bin": b"\x7fELF, but no more", "app/__init__.py": HANDLER}
    )
    index = "app/__init__.py" if path.startswith("app/") else None
    assert findings_of(entry, store, index=index) == ["binary-for-other-machine"]
    write_files(entry, {path: elf()})
    assert findings_of(entry, store, index=index) == []


def test_a_binary_that_a_command_makes_is_looked_into(entry, store, tmp_path):
    (tmp_path / "made.so").write_bytes(elf(glibc=("GLIBC_2.38",)))
    command = ["cp", str(tmp_path / "made.so"), "fast.so"]
    for _ in range(2):  # the second time from what is remembered of the command
        assert findings_of(entry, store, after_packaging=[command]) == ["binary-needs-newer-system"]


def findings_of(entry, store, **options):
    """The ids of what is found, errors too."""
    try:
        found = make(entry, store, **options).findings
    except FindingsError as error:
        found = error.findings
    return [finding.id for finding in found]


def test_a_linux_wheel_whose_binaries_load_is_fine(entry, store):
    with_wheel(entry, "cp313-cp313-linux_x86_64", [("demo/x.so", elf(glibc=("GLIBC_2.34",)))])
    assert "demo/x.so" in paths(make(entry, store))


def test_all_conflicts_are_told_together_and_can_be_acknowledged(entry, store, tmp_path):
    with_wheel(entry, files=[("beta.py", "other"), ("gamma/__init__.py", "other"), ("LICENSE", "other")])
    with pytest.raises(FindingsError) as caught:
        make(entry, store, tmp_path / "x.zip")
    assert sorted(str(finding.path) for finding in caught.value.findings) == ["beta.py", "gamma/__init__.py"]
    assert str(caught.value).startswith("2 problems:\n  - ")
    assert "beta==1.0 and demo==1.0" in str(caught.value)
    assert not (tmp_path / "x.zip").exists()
    made = make(entry, store, tmp_path / "x.zip", acknowledge=("path-conflict",))
    assert [finding.id for finding in made.findings] == ["path-conflict-data"]
    assert_reads_alike(tmp_path / "x.zip")
    assert make(entry, store, acknowledge=("path-conflict", "path-conflict-data")).findings == ()


def test_a_hint_about_an_excluded_module_is_gone_with_the_module(tmp_path, store):
    files = {
        "app.py": f"import chalicelib.seeds\n{HANDLER}",
        "chalicelib/__init__.py": "",
        "chalicelib/seeds.py": "",
    }
    entry = write_files(tmp_path / "svc", files)
    with pytest.raises(PackageError, match=r"seeds\.py is there, but exclude leaves it out"):
        make(entry, store, exclude=["seeds.py"])
    (entry / "chalicelib/seeds.py").unlink()
    with pytest.raises(PackageError) as caught:
        make(entry, store, exclude=["seeds.py"])
    assert "seeds.py is there" not in str(caught.value)


def test_a_case_clash_is_a_warning_and_both_are_there(entry, store, tmp_path):
    with_wheel(entry, files=[("demo/A.txt", "1"), ("demo/a.txt", "2")])
    made = make(entry, store, tmp_path / "x.zip")
    assert [finding.id for finding in made.findings] == ["case-clash"]
    assert {"demo/A.txt", "demo/a.txt"} < set(names_in(tmp_path / "x.zip"))


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"runtime": "python3.8"}, TargetError),
        ({"architecture": "aarch64"}, TargetError),
        ({"chalice": "thin"}, OptionError),
        ({"follow_symlinks": "sometimes"}, OptionError),
        ({"include": "**"}, OptionError),
        ({"exclude_distributions": "boto3"}, OptionError),
        ({"index": "nowhere.py"}, EntryError),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_option_is_an_error_with_its_value(offline, offline_store, options, kind):
    with pytest.raises(kind) as caught:
        make(offline, offline_store, **options)
    assert str(next(iter(options.values()))) in str(caught.value)


# Keys and digests


@pytest.fixture(scope="module")
def base(offline, offline_store):
    return make(offline, offline_store)


# Files, options.
CHANGES: dict[str, tuple[dict[str, str], dict[str, tuple[str, ...]]]] = {
    "a byte of app.py": ({"app.py": HANDLER + "#"}, {}),
    "a byte of chalicelib": ({"chalicelib/utils.py": "ANSWER = 43\n"}, {}),
    "a byte of vendor": ({"vendor/internalpackage/__init__.py": "#"}, {}),
    "a new file": ({"chalicelib/new.txt": ""}, {}),
    "what becomes executable": ({"chalicelib/utils.py": "#!ANSWER = 42\n"}, {}),
    "a file that moves to vendor": ({"vendor/another.py": ""}, {}),
    "a distribution left out": ({}, {"exclude_distributions": ("gamma",)}),
    "files left out": ({}, {"exclude": ("utils.py",)}),
    "files of requirements left out": ({}, {"exclude_from_requirements": ("*.bin",)}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_package_changes_key_and_digest(base, entry, offline_store, change):
    files, options = CHANGES[change]
    made = make(write_files(entry, files), offline_store, **options)
    assert made.package_key != base.package_key
    assert made.content_digest != base.content_digest


def test_a_renamed_file_changes_key_and_digest(base, entry, offline_store):
    (entry / "chalicelib/utils.py").rename(entry / "chalicelib/tools.py")
    made = make(entry, offline_store)
    assert made.package_key != base.package_key
    assert made.content_digest != base.content_digest


@pytest.mark.parametrize(
    "options",
    [{"architecture": "arm64"}, {"runtime": "python3.12"}, {"exclude_from_requirements": ("nothing-like-this",)}],
    ids="-".join,
)
def test_an_input_that_doesnt_reach_the_content_changes_the_key_alone(tmp_path, store, options):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    one, two = make(entry, store), make(entry, store, **options)
    assert one.package_key != two.package_key
    assert one.content_digest == two.content_digest


def test_what_isnt_packaged_changes_neither(base, entry, offline_store, tmp_path):
    others = [
        ".env",
        "other.py",
        "tests/test_app.py",
        ".git/HEAD",
        "cdk.out/x",
        "chalicelib/__pycache__/x.pyc",
        "notes.md",
    ]
    write_files(entry, dict.fromkeys(others, "x"))
    (entry / "requirements.txt").write_text("# a comment\n" + (entry / "requirements.txt").read_text())
    made = make(entry, offline_store, acknowledge=("case-clash",), include=("nothing/**",))
    assert (made.package_key, made.content_digest) == (base.package_key, base.content_digest)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    one=st.dictionaries(
        st.sampled_from(["a", "b", "a/b", "ab", "c.py"]), st.sampled_from(["", "x", "#!x"]), max_size=3
    ),
    two=st.dictionaries(
        st.sampled_from(["a", "b", "a/b", "ab", "c.py"]), st.sampled_from(["", "x", "#!x"]), max_size=3
    ),
)
def test_two_apps_have_the_same_key_and_digest_if_their_files_are_the_same(tmp_path_factory, offline_store, one, two):
    made = []
    for files in (one, two):
        if "a" in files and "a/b" in files:
            return
        entry = tmp_path_factory.mktemp("app")
        write_files(entry, {"app.py": HANDLER, **{f"chalicelib/{name}": text for name, text in files.items()}})
        made.append(make(entry, offline_store))
    assert (made[0].package_key == made[1].package_key) == (one == two)
    assert (made[0].content_digest == made[1].content_digest) == (one == two)


def test_the_digest_is_known_without_writing_and_the_destination_is_told(offline, offline_store, tmp_path):
    told = []

    def destination(digest):
        told.append(digest)
        return tmp_path / f"asset.{digest}.zip"

    made = package(package_request(entry=offline, runtime=RUNTIME), destination, store=offline_store)
    unwritten = make(offline, offline_store)
    assert unwritten.path is None
    assert told == [unwritten.content_digest]
    assert [path.name for path in tmp_path.iterdir()] == [f"asset.{made.content_digest}.zip"]


def test_equal_requests_are_packaged_once_and_an_error_stops_no_other(tmp_path, store):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    written = []

    def destination(digest):
        written.append(digest)
        return tmp_path / "package.zip"

    request, nowhere = (package_request(entry=path, runtime=RUNTIME) for path in (entry, tmp_path / "nowhere"))
    jobs = [Job(request, destination), Job(nowhere, destination), Job(request, destination)]
    one, error, other = make_packages(jobs, store=store)
    assert one is other
    assert isinstance(error, EntryError)
    assert written == [one.content_digest]
