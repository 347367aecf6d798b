"""What is to be said of code that the constructs made: where it stands, and how often."""

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import Stack, Stage
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match
from entries import HANDLER, write_files
from wheel_factory import build_wheel

from cdk_lambda_package import Packaging, PythonCode, PythonFunction

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13


LOCK = """
lock-version = "1.0"
created-by = "somebody"

[[packages]]
name = "tiny"
version = "1.0"
marker = "{marker}"
wheels = [{{ url = "https://example.com/tiny-1.0-py3-none-any.whl", hashes = {{ sha256 = "00" }} }}]
"""


def write_unpinned(entry):
    """Write an entry whose requirements nothing pins; return it."""
    build_wheel(entry / "wheels", "tiny")
    requirements = "--no-index\n--find-links ./wheels\ntiny\n"
    return write_files(entry, {"app.py": HANDLER, "requirements.txt": requirements})


@pytest.fixture
def conflict(tmp_path):
    """An entry directory whose package has one warning: that two requirements have another LICENSE."""
    entry = tmp_path / "svc"
    for name in ("one", "two"):
        build_wheel(entry / "wheels", name, files={f"{name}.py": "", "LICENSE": name})
    return write_files(entry, {"app.py": HANDLER, "requirements.txt": "--no-index\n--find-links ./wheels\none\ntwo\n"})


def bind_by_hand(scope, code):
    place = code.bind(scope).s3_location
    resource = lambda_.CfnFunction(
        scope,
        "F",
        role="arn:aws:iam::123456789012:role/x",
        runtime="python3.13",
        handler="app.handler",
        code=lambda_.CfnFunction.CodeProperty(s3_bucket=place.bucket_name, s3_key=place.object_key),
    )
    code.bind_to_resource(resource)


def list_warnings(stack):
    return [warning.id for warning in Annotations.from_stack(stack).find_warning("*", Match.any_value())]


def test_broken_code_that_is_bound_by_hand_fails_the_synthesis(stack, tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, "requirements.txt": "a=>1\n"})
    bind_by_hand(stack, PythonCode(entry=entry))
    with pytest.raises(RuntimeError, match=r"\[Stack/F\] .*svc/requirements.txt:1: .*write 'a>=1'"):
        stack.node.root.synth()


def test_broken_code_is_said_once_where_a_function_has_it(stack, tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, "requirements.txt": "a=>1\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    with pytest.raises(RuntimeError) as raised:
        stack.node.root.synth()
    # jsii shows an exception twice: as node had it, and as Python has it.
    said = str(raised.value).partition("\n\n")[0]
    assert said.count("write 'a>=1'") == 1
    assert "[Stack/F/Resource]" in said


def test_warnings_about_code_that_is_bound_by_hand_are_on_the_resource(stack, conflict):
    bind_by_hand(stack, PythonCode(entry=conflict))
    assert list_warnings(stack) == ["/Stack/F"]


def test_functions_of_one_package_warn_once(stack, conflict):
    for name in ("F", "G"):
        PythonFunction(stack, name, entry=conflict, runtime=RUNTIME)
    assert list_warnings(stack) == ["/Stack/F/Resource"]


def test_each_stack_warns_of_its_functions(stack, conflict):
    # The CDK CLI shows the warnings of the stacks that it is asked for.
    other = Stack(stack.node.root, "Other")
    for scope in (stack, other):
        PythonFunction(scope, "F", entry=conflict, runtime=RUNTIME)
    assert (list_warnings(stack), list_warnings(other)) == (["/Stack/F/Resource"], ["/Other/F/Resource"])


def test_an_acknowledgement_for_one_function_leaves_the_warning_to_the_other(stack, conflict):
    PythonFunction(stack, "F", entry=conflict, runtime=RUNTIME, packaging=Packaging(acknowledge=["path-conflict-data"]))
    PythonFunction(stack, "G", entry=conflict, runtime=RUNTIME)
    assert list_warnings(stack) == ["/Stack/G/Resource"]


def list_notes(*stacks):
    notes = [note for stack in stacks for note in Annotations.from_stack(stack).find_info("*", Match.any_value())]
    return [(note.id, str(note.entry.data)) for note in notes]


def test_unlocked_requirements_are_one_note_for_all_stages_with_one_command(app, tmp_path):
    orders, mail = write_unpinned(tmp_path / "orders"), write_unpinned(tmp_path / "mail")
    stacks = [Stack(Stage(app, name), "Shop") for name in ("Test", "Live")]
    for stack, architecture in zip(stacks, (lambda_.Architecture.ARM_64, lambda_.Architecture.X86_64), strict=True):
        PythonFunction(stack, "Orders", entry=orders, runtime=RUNTIME, architecture=architecture)
        PythonFunction(stack, "Mail", entry=mail, runtime=RUNTIME)
    ((place, text),) = list_notes(*stacks)
    assert (place, text.count("\n")) == ("/Live/Shop", 0)
    assert text == (
        "4 functions have requirements that aren't pinned by hashes, so a later synth may package other versions. Write locks for the "
        "whole app with `cdk-lambda-package lock --app`. [requirements-not-locked]"
    )
    assert [*map(list_warnings, stacks)] == [[], []]


def test_an_empty_requirements_file_is_no_note(stack, tmp_path):
    for name, files in {"empty": {"requirements.txt": ""}, "none": {}}.items():
        entry = write_files(tmp_path / name, {"app.py": HANDLER, **files})
        PythonFunction(stack, name, entry=entry, runtime=RUNTIME)
    assert list_notes(stack) == []


@pytest.mark.parametrize("name", ["requirements.txt", "pylock.toml"])
def test_a_marker_that_nobody_can_evaluate_is_a_fault_of_the_content(stack, tmp_path, name):
    content = {
        "requirements.txt": "--no-index\ntiny; platform_release > '5'\n",
        "pylock.toml": LOCK.format(marker="platform_release > '5'"),
    }
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, name: content[name]})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    with pytest.raises(RuntimeError, match="platform_release"):
        stack.node.root.synth()
