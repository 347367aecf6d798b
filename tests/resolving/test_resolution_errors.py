import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from source_projects import build_sdist, commit, write_project

from cdk_lambda_package import errors
from cdk_lambda_package.errors import (
    NoWheelError,
    UnknownPackageError,
    UnknownVersionError,
)
from cdk_lambda_package.requirements import place_of
from cdk_lambda_package.resolving.errors import explain, read_index_files, translate
from cdk_lambda_package.target import Target

ENTRY = Path("/app")
TARGET = Target.parse("python3.11", "x86_64")


def error_of(**result):
    return translate({"status": 1, "pip": "26.3", **result}, target=TARGET, entry=ENTRY)


def failure(kind="DistributionNotFound", message="", **fields):
    return {"type": kind, "message": message, "causes": [], "hashes": [], "preparing": "", **fields}


def row(requirement, line=1, **fields):
    name = Requirement(requirement).name
    place = f"-r requirements.txt (line {line})"
    return {"name": name, "requirement": requirement, "marker": None, "form": "index", "applies": True} | {
        "comes_from": place,
        **fields,
    }


def file(filename, **fields):
    return {"filename": filename, "requires_python": None, "yanked": False, "accepted": False, "detail": "", **fields}


def usable(filename):
    return file(filename, accepted=True)


def explanation(requirement, *files, target=TARGET):
    name = Requirement(requirement).name
    return explain(Requirement(requirement), read_index_files(name, files), target)


# -- why no file fits --


def test_no_files_at_all_is_an_unknown_package():
    problem = explanation("tool>=1")
    assert type(problem) is UnknownPackageError
    assert "no index knows 'tool'" in str(problem)


def test_files_of_other_projects_do_not_count():
    assert type(explanation("tool", usable("other-1.0-py3-none-any.whl"))) is UnknownPackageError


def test_a_version_that_does_not_exist_is_answered_with_the_newest_and_the_nearest():
    files = [usable(f"tool-{version}-py3-none-any.whl") for version in ("1.0", "1.4", "1.6", "2.0", "3.0", "4.0")]
    problem = explanation("tool==1.5", *files)
    assert type(problem) is UnknownVersionError
    assert str(problem) == "no release satisfies tool==1.5; there are 6, among them 1.4, 1.6, 2.0, 3.0, 4.0"


def test_a_glibc_that_is_too_new_is_named_with_the_targets():
    problem = explanation(
        "numpy==2.3.1",
        file("numpy-2.3.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"),
        file("numpy-2.3.1-cp311-cp311-win_amd64.whl"),
        usable("numpy-2.2.6-cp311-cp311-manylinux_2_17_x86_64.whl"),
    )
    assert type(problem) is NoWheelError
    assert "they need glibc 2.27, python3.11 has 2.26 (Amazon Linux 2)" in str(problem)
    assert "the newest is 2.2.6" in str(problem)


def test_wheels_for_other_pythons_are_listed_by_python():
    problem = explanation("tool", file("tool-1.0-cp38-cp38-manylinux2014_x86_64.whl"))
    assert "theirs are for cp38." in str(problem)


def test_wheels_for_other_machines_are_listed_by_platform():
    problem = explanation("tool", file("tool-1.0-cp311-cp311-win32.whl"), file("tool-1.0-cp311-cp311-win_arm64.whl"))
    assert "theirs are for win32, win_arm64." in str(problem)


def test_a_release_with_only_an_sdist_names_another_distribution_where_one_is_known():
    problem = explanation("psycopg2==2.9.10", file("psycopg2-2.9.10.tar.gz"))
    assert type(problem) is NoWheelError
    assert "has no wheel, only an sdist, and allow_build is False" in str(problem)
    assert "require psycopg2-binary" in str(problem)


def test_a_requires_python_that_excludes_the_target_is_named():
    problem = explanation("tool", file("tool-1.0-py3-none-any.whl", requires_python=">=3.12"))
    assert type(problem) is NoWheelError
    assert "requires Python >=3.12, but python3.11 x86_64 has 3.11.9" in str(problem)


def test_releases_after_the_date_that_the_user_set_are_said_to_be_too_new():
    problem = explanation("tool", file("tool-1.0-py3-none-any.whl", detail="Upload time 2026 not prior to 2025"))
    assert type(problem) is UnknownVersionError
    assert "uploaded-prior-to" in str(problem)


def test_of_many_releases_that_are_too_new_not_each_is_said():
    late = [file(f"tool-{n}-py3-none-any.whl", detail=f"Upload time 2026-0{n} not prior to 2025") for n in range(1, 9)]
    sdist = file("tool-9.tar.gz", detail="No sources permitted for tool")
    problem = explanation("tool", *late, sdist)
    assert type(problem) is UnknownVersionError
    assert "every release that satisfies tool" in str(problem)
    other = file("tool-9-py3-none-any.whl", detail="yet another reason")
    said = str(explanation("tool", *late, other, sdist))
    assert "newer than uploaded_prior_to allows; yet another reason" in said
    assert "Upload time" not in said


def test_only_prereleases_name_the_newest_and_the_option():
    problem = explanation("tool>1", usable("tool-1.0-py3-none-any.whl"), usable("tool-2.0rc1-py3-none-any.whl"))
    assert type(problem) is UnknownVersionError
    assert "tool==2.0rc1" in str(problem)


@pytest.mark.parametrize("requirement", ["tool", "tool==2.0rc1", "tool>=1"])
def test_a_requirement_that_something_satisfies_is_no_problem(requirement):
    assert explanation(requirement, usable("tool-2.0rc1-py3-none-any.whl")) is None


def test_yanked_releases_satisfy_only_a_pin():
    yanked = file("tool-1.0-py3-none-any.whl", yanked=True, accepted=True)
    assert explanation("tool==1.0", yanked) is None
    assert type(explanation("tool", yanked)) is UnknownVersionError


# -- pip's failures in the user's terms --


def test_several_problems_make_one_error_and_other_kinds_the_general_one():
    links = {"one": [], "two": [usable("two-1.0-py3-none-any.whl")]}
    error = error_of(error=failure(), requirements=[row("one", 1), row("two==9", 2)], links=links)
    assert type(error) is errors.RequirementsError
    assert str(error).splitlines() == [
        "2 requirements can't be packaged for python3.11 x86_64:",
        (
            "  - requirements.txt:1: no index knows 'one'. Check the spelling, or name the index that has it with "
            "--index-url or --extra-index-url."
        ),
        "  - requirements.txt:2: no release satisfies two==9; there are 1.0.",
    ]


def test_several_problems_of_one_kind_keep_it():
    error = error_of(error=failure(), requirements=[row("one"), row("two")], links={"one": [], "two": []})
    assert type(error) is errors.UnknownPackageError


def test_requirements_whose_marker_does_not_hold_are_nobodys_problem():
    error = error_of(
        error=failure(), requirements=[row("one"), row("two", applies=False)], links={"one": [], "two": []}
    )
    assert "'two'" not in str(error)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("boto3=1.19", "write 'boto3==1.19'"),
        ("flask=>2.0", "write 'flask>=2.0'"),
        ("flask=<2.0", "write 'flask<=2.0'"),
        ("tool[extra]=1", "write 'tool[extra]==1'"),
        ("tool>=1,=2", "write 'tool>=1,==2'"),
        ("two words", "accepted is a name with optional extras"),
        ("./gone", "is a path at which there is no project"),
    ],
)
def test_a_malformed_line_is_answered_with_what_was_meant(line, meant):
    malformed = [
        {"requirement": line, "comes_from": "-r /app/more/base.txt (line 7)", "message": "Invalid requirement"}
    ]
    error = error_of(error=failure("InstallationError"), malformed=malformed)
    assert type(error) is errors.RequirementSyntaxError
    assert str(error).startswith(f"more/base.txt:7: '{line}' ")
    assert meant in str(error)


def test_a_conflict_says_who_wants_what():
    causes = [
        {"name": "deep", "requirement": "deep>=2", "parent": None, "parent_version": None}
        | {"comes_from": "-r requirements.txt (line 2)"},
        {"name": "deep", "requirement": "deep<2", "parent": "web", "parent_version": "1.1", "comes_from": None},
        {"name": "deep", "requirement": "deep<2", "parent": "web", "parent_version": "1.0", "comes_from": None},
    ]
    links = {"deep": [usable("deep-1.0-py3-none-any.whl"), usable("deep-2.0-py3-none-any.whl")]}
    error = error_of(error=failure(causes=causes), links=links, requirements=[row("deep>=2", 2)])
    assert type(error) is errors.ConflictingRequirementsError
    assert "requirements.txt:2 requires deep>=2; web 1.0 … 1.1 requires deep<2" in str(error)


def test_an_unreachable_index_is_said_before_anything_is_called_unknown():
    unreachable = [{"url": "https://host/simple/one/", "status": None, "reason": "[Errno 111] Connection refused"}]
    error = error_of(error=failure(), requirements=[row("one")], links={"one": []}, unreachable=unreachable)
    assert type(error) is errors.IndexUnreachableError
    assert "https://host/simple/one/ couldn't be read: [Errno 111] Connection refused" in str(error)


@pytest.mark.parametrize("kind", ["NetworkConnectionError", "ConnectionFailedError", "SSLError", "ReadTimeout"])
def test_a_broken_download_is_an_unreachable_index(kind):
    assert type(error_of(error=failure(kind, "no route"))) is errors.IndexUnreachableError


def test_a_wrong_hash_says_expected_and_actual():
    hashes = [
        {"requirement": "tool==1", "comes_from": "None", "expected": {"sha256": ["aa"]}, "actual": {"sha256": "bb"}}
    ]
    error = error_of(error=failure("HashMismatch", hashes=hashes))
    assert type(error) is errors.HashMismatchError
    assert "expected sha256 aa, got bb" in str(error)


def test_a_marker_that_cannot_be_evaluated_lists_what_can_be_asked():
    marked = row("tool", applies=None, marker="platform_release > '5'", marker_error="'platform_release'")
    error = error_of(error=failure("Refused"), requirements=[marked])
    assert type(error) is errors.UnsupportedRequirementError
    assert "platform_release is known only when it runs there" in str(error)
    assert "platform_machine" in str(error)


def test_an_unsupported_pip_says_which_are_supported():
    error = error_of(pip="99.0", error=failure("UnsupportedPipError", "it has no TargetPython.get_tags"))
    assert "pip 99.0 isn't supported (it has no TargetPython.get_tags). Supported are pip>=" in str(error)


def test_a_missing_pip_says_what_to_run():
    error = error_of(error=failure("ModuleNotFoundError", "No module named 'pip'"))
    assert "python -m pip install" in str(error)


def test_an_unknown_failure_keeps_pips_last_words():
    error = error_of(error=failure("NewError", "what now"), output="first\nlast words")
    assert type(error) is errors.RequirementsError
    assert "NewError: what now" in str(error)
    assert "last words" in str(error)


@pytest.mark.parametrize(
    ("comes_from", "place"),
    [
        ("-r requirements.txt (line 3)", ("requirements.txt", 3)),
        ("-r /app/more/base.txt (line 12)", ("more/base.txt", 12)),
        ("-c /elsewhere/limits.txt (line 1)", ("/elsewhere/limits.txt", 1)),
        ("web", None),
        (None, None),
    ],
)
def test_a_place_is_the_file_relative_to_the_entry_and_the_line(comes_from, place):
    assert place_of(comes_from, ENTRY) == place


# -- what pip itself says badly: real runs of pip --


def refusal(project, text):
    """What packaging these requirements ends with."""
    with pytest.raises(errors.RequirementsError) as caught:
        project.resolve(text)
    message = str(caught.value)
    assert "Traceback" not in message
    assert "ERROR:" not in message
    return message


def test_a_windows_package_is_answered_with_a_marker_or_how_to_leave_it_out(project):
    project.build("pywin32", "306", tags="cp313-cp313-win_amd64")
    project.build("web", requires_dist=["pywin32>=300"])
    said = refusal(project, "pywin32==306")
    assert "add a marker, as in 'pywin32==306; sys_platform == \"win32\"'" in said
    said = refusal(project, "web")
    assert "a marker" not in said
    assert "web 1.0 requires pywin32>=300, but " in said
    assert "packaging=Packaging(provided=['pywin32'])" in said


def test_a_mac_package_is_answered_with_its_own_marker():
    problem = explanation("pyobjc==9", file("pyobjc-9-cp311-cp311-macosx_11_0_arm64.whl"))
    assert "'pyobjc==9; sys_platform == \"darwin\"'" in str(problem)
    both = (file("pyobjc-9-cp311-cp311-macosx_11_0_arm64.whl"), file("pyobjc-9-cp311-cp311-win_amd64.whl"))
    assert "marker" not in str(explanation("pyobjc==9", *both))


def test_sources_that_may_be_for_another_system_alone_are_answered_with_a_marker(project):
    """Pip takes the sdist, which builds on a Mac alone: pyobjc-core, pywinpty. Those of mysqlclient are for Linux, too."""
    for name in ("touchbar", "portable"):
        build_sdist(project.wheels, name, fail="no AppKit here")
    build_sdist(project.wheels, "client", fail="no headers", systems=["MacOS :: MacOS X", "POSIX :: Linux"])
    project.build("client", tags="cp313-cp313-macosx_11_0_arm64")
    project.build("touchbar", tags="cp313-cp313-macosx_11_0_arm64")
    project.build("portable", tags="cp313-cp313-macosx_11_0_arm64")
    project.build("portable", tags="cp313-cp313-win_amd64")
    said = refusal(project, "touchbar")
    assert "if it is for macOS alone, add a marker, as in 'touchbar==1.0; sys_platform == \"darwin\"'" in said
    assert "a marker" not in refusal(project, "portable")
    assert "a marker" not in refusal(project, "client")


def test_a_wheel_whose_file_was_renamed_is_no_missing_project(project):
    wheel = project.build("demo")
    wheel.rename(wheel.with_name("demo.whl"))
    said = refusal(project, f"{wheel.parent}/demo.whl")
    assert "demo.whl' doesn't name a wheel as wheels are named, NAME-VERSION-PYTHON-ABI-PLATFORM.whl" in said


def test_a_line_that_debians_pip_freeze_left_is_to_be_removed(project):
    said = refusal(project, "pkg-resources==0.0.0")
    assert said.startswith("requirements.txt:2: pkg-resources==0.0.0 is no package: ")
    assert said.endswith("Remove it.")


@pytest.mark.parametrize(
    ("requirement", "advice"),
    [
        ("python-apt==2.4.0+ubuntu1", "'+ubuntu1' marks a package of the operating system"),
        ("torch==2.1.0+cu118", "name it with --extra-index-url, or write 'torch==2.1.0'"),
    ],
)
def test_a_local_version_is_answered_with_where_it_comes_from(requirement, advice):
    name = Requirement(requirement).name.replace("-", "_")
    assert advice in str(explanation(requirement, usable(f"{name}-1.0-py3-none-any.whl")))


def test_a_path_of_condas_build_machine_is_answered_with_the_lines_to_write(project):
    said = refusal(project, "numpy @ file:///croot/numpy_1/work\ncertifi @ file:///gone/certifi")
    assert "requirements.txt:2: numpy @ file:///croot/numpy_1/work is a folder of the machine on which conda" in said
    assert "Write 'numpy==VERSION'; `python -m pip list --format=freeze`" in said
    assert "requirements.txt:3: certifi @ file:///gone/certifi names a file or folder that doesn't exist" in said


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"six\n# caf\xe9\n", "requirements.txt:2: the byte 0xe9 isn't utf-8. Save the file as UTF-8, or name"),
        (b"# coding: nonsense\nsix\n", "requirements.txt:1: 'nonsense' is no encoding"),
    ],
)
def test_a_file_of_another_encoding_is_answered_with_the_line_and_the_comment_to_write(project, content, place):
    path = project.write("six")
    path.write_bytes(content)
    said = refusal(project, None)
    assert said.startswith(place)
    assert "'# -*- coding: latin-1 -*-'" in said


def test_a_file_that_names_its_encoding_is_read_in_it(project):
    project.build("six")
    path = project.write("six")
    path.write_bytes(f"# -*- coding: latin-1 -*-\n# caf\xe9\n{path.read_text()}".encode("latin-1"))
    assert [wheel.name for wheel in project.resolve().wheels] == ["six"]


@pytest.mark.parametrize("option", ["-r", "-c"])
def test_a_missing_file_is_named_with_the_line_that_includes_it(project, option):
    project.write(f"# more\n{option} missing.txt", name="more/base.txt", local=False)
    said = refusal(project, "six\n-r more/base.txt")
    assert said.startswith("more/base.txt:2: the file 'more/missing.txt' can't be read: No such file or directory")


@pytest.mark.parametrize(
    ("first", "line", "place"),
    [
        ("--requirement=more/base.txt", "-r ../other.txt", "more/base.txt:1: the file 'other.txt'"),
        ("-r ${FOLDER}/base.txt", "-r \\\n  $x.txt", "more/base.txt:1: the file 'more/$x.txt'"),
        ("--constr more/base.txt # why", "-cother.txt", "more/base.txt:1: the file 'more/other.txt'"),
        (
            "-r /absent/base.txt",
            "",
            "requirements.txt:3: the file '/absent/base.txt' can't be read: No such file or directory.",
        ),
    ],
)
def test_the_line_that_includes_a_missing_file_is_the_one_that_pip_is_at(project, monkeypatch, first, line, place):
    monkeypatch.setenv("FOLDER", "more")
    project.write(line, name="more/base.txt", local=False)
    assert refusal(project, f"six\n{first}").startswith(place)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("six=1.16.0=pyhd3eb1b0_1", "is a line of `conda list --export`, not a requirement; write 'six==1.16.0'"),
        ("s\0i\0x\0", "has NUL characters, as a file in UTF-16 without a byte order mark does. Save the file as UTF-8"),
    ],
)
def test_what_another_tool_wrote_into_the_file_is_named(project, line, said):
    assert said in refusal(project, line)


@pytest.mark.needs("git")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("{checkout}@nowhere", "error: pathspec 'nowhere' did not match any file"),
        ("{checkout}-absent", "does not appear to be a git repository"),
        ("https://127.0.0.1:1/x.git", "fatal: unable to access"),
    ],
)
def test_what_git_says_of_a_repository_is_told_alone(project, url, said):
    checkout = write_project(project.root / "checkout", "lib")
    commit(checkout)
    message = refusal(project, f"lib @ git+{url.format(checkout=checkout.as_uri())}")
    assert message.startswith("requirements.txt:2: git+")
    assert said in message.partition(" can't be read by git: ")[2]
    assert "\n" not in message


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("Name: bad\nVersion: 1.0\nRequires-Dist: foo (>=1.0\n", "its METADATA is invalid: Expected matching"),
        ("Version: 1.0\n", "its METADATA has no valid Name"),
        ("Name: bad\nVersion: one two\n", "its METADATA has no valid Version ('one two')"),
        ("Name: worse\nVersion: 1.0\n", "its METADATA isn't that of its file name: name: expected 'bad'"),
        ("Name: bad\nVersion: 1.0\nSummary: caf\xe9\n", "its METADATA isn't UTF-8"),
    ],
)
def test_a_wheel_with_wrong_metadata_is_named_with_what_is_wrong(project, metadata, reason):
    with zipfile.ZipFile(project.wheels / "bad-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("bad-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\n{metadata}".encode("latin-1"))
        archive.writestr("bad-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    said = refusal(project, "bad")
    assert said.startswith(f"requirements.txt:2: bad-1.0-py3-none-any.whl can't be used: {reason}")
    assert "pip 26" not in said


def test_a_wheel_of_a_version_that_pip_doesnt_know_isnt_blamed_for_its_metadata(project):
    with zipfile.ZipFile(project.wheels / "bad-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("bad-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
        archive.writestr("bad-1.0.dist-info/WHEEL", "Wheel-Version: 2.0\n")
    assert "can't be used: its WHEEL is invalid: bad's Wheel-Version (2.0) is not" in refusal(project, "bad")


def test_a_requirement_that_is_listed_twice_is_reported_once_with_both_places():
    links = {"six": [usable("six-1.17.0-py3-none-any.whl")]}
    error = error_of(error=failure(), requirements=[row("six==9", 2), row("six==9", 5)], links=links)
    assert str(error) == (
        "requirements.txt:2: no release satisfies six==9; there are 1.17.0 (the same at requirements.txt:5)."
    )
    lines = [{"requirement": "six six", "comes_from": f"-r requirements.txt (line {n})", "message": ""} for n in (1, 4)]
    assert str(error_of(error=failure(), malformed=lines)).count("'six six'") == 1
