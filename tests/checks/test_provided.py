"""What is said of a package that has a part of the AWS SDK and leaves the rest to Lambda."""

import re
from importlib import metadata

import pytest
from entries import HANDLER, package_request, write_files
from package_contents import package_contents
from packaging.requirements import Requirement

from cdk_lambda_package.checks.provided import check
from cdk_lambda_package.layers import Layer
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.splicing import Decision
from cdk_lambda_package.target import PREINSTALLED, RELEASED_TOGETHER

BOTOCORE = {"botocore==1.44.8: botocore/__init__.py": ""}
TRANSFER = {"s3transfer==0.19.3: s3transfer/__init__.py": ""}
JMESPATH = {"jmespath==1.1.0: jmespath/__init__.py": ""}
BOTO3 = {"boto3==1.44.8: boto3/__init__.py": ""}
EDGES = {"botocore": ("boto3", "s3transfer"), "s3transfer": ("boto3",), "jmespath": ("boto3", "botocore")}
ALL = "provided=['boto3', 'botocore', 'jmespath', 's3transfer'])"


def told(files, *, provided=("boto3",), **options):
    contents = package_contents({"app.py": "import boto3\n", **files}, provided=provided, **options)
    return [str(finding) for finding in check(contents)]


def test_the_rest_of_the_sdk_is_named_with_all_that_belongs_together():
    [said] = told({**BOTOCORE, **TRANSFER, **JMESPATH}, required_by=EDGES)
    assert "boto3 is left out of the package, which has botocore 1.44.8 and s3transfer 0.19.3." in said
    assert (
        f"Leave them all to Lambda with packaging=Packaging({ALL}. To package your own, require boto3, and name it neither"
        in said
    )
    [said] = told({**BOTOCORE, **JMESPATH}, required_by=EDGES | {"jmespath": ("botocore", "")})
    # The app requires it itself, and any release of it goes with any of the others.
    assert "provided=['boto3', 'botocore'])" in said
    [said] = told(BOTOCORE, provided=("boto3", "pandas"))
    assert "provided=['boto3', 'botocore', 'pandas'])" in said


def test_the_other_direction_is_the_same():
    [said] = told({**BOTO3, **TRANSFER}, provided=("botocore",), required_by=EDGES)
    assert "botocore is left out of the package, which has boto3 1.44.8 and s3transfer 0.19.3" in said
    [said] = told(TRANSFER, provided=("boto3", "botocore"))
    assert "boto3 and botocore are left out of the package, which has s3transfer 0.19.3" in said


@pytest.mark.parametrize("files", [{}, JMESPATH, {"urllib3==2.8.0: urllib3/__init__.py": ""}])
def test_what_goes_with_any_release_is_no_concern(files):
    assert told(files, required_by={"jmespath": ("boto3", "botocore")}) == []


def test_a_part_that_the_package_has_after_all_is_no_concern():
    assert told({**BOTOCORE, "vendor: boto3/__init__.py": ""}) == []
    assert told({**BOTO3, **BOTOCORE}, provided=()) == []


def test_a_part_in_vendor_is_packaged_too():
    assert "which has vendor/botocore/__init__.py." in told({"vendor: botocore/__init__.py": ""})[0]


def test_an_own_module_of_the_name_is_told_as_a_file():
    [said] = told({"botocore.py": ""})
    assert "which has botocore.py" in said


def test_what_else_requires_the_packaged_part_is_named():
    [said] = told(BOTOCORE, required_by={"botocore": ("aiobotocore", "boto3")})
    assert said.partition("in exclude_distributions. ")[2].startswith(
        "aiobotocore may need that, with the botocore of certain"
    )


def test_a_distribution_that_is_excluded_is_left_out_as_well():
    decision = Decision("distribution-left-out", "boto3==1.44.8", "excluded")
    assert "boto3 is left out" in told(BOTOCORE, provided=(), decisions=(decision,))[0]


@pytest.mark.parametrize("folder", ["python", "python/lib/python3.13/site-packages"])
def test_a_layer_that_was_made_to_go_with_the_package_is_no_concern(folder):
    part = Layer(name="part", known=True, files={f"{folder}/boto3/__init__.py": 1})
    assert told(BOTOCORE, layers=(part,)) == []
    # The package's comes before that of a layer which has all.
    whole = Layer(name="whole", known=True, files={**part.files, f"{folder}/botocore/__init__.py": 1})
    assert len(told(BOTOCORE, layers=(whole,))) == 1
    assert len(told(BOTOCORE, layers=(Layer(name="arn", known=False),))) == 1


def test_the_table_is_what_boto3_requires():
    """Those of which boto3 takes a single minor series."""
    narrow = set()
    for requirement in map(Requirement, metadata.requires("boto3") or ()):
        bounds = {one.operator: re.findall(r"\d+", one.version) for one in requirement.specifier}
        if requirement.marker is None and bounds["<"][0] == bounds[">="][0]:
            narrow.add(requirement.name)
    assert {"boto3", *narrow} == {*RELEASED_TOGETHER}
    assert {*RELEASED_TOGETHER} < {row.module for row in PREINSTALLED if row.of_sdk}


def test_a_requirements_file_with_a_line_for_each_is_noticed_and_the_cure_is_complete(project, store):
    for name, requires in (("boto3", ["botocore"]), ("botocore", ["jmespath"]), ("jmespath", [])):
        project.build(name, files={f"{name}/__init__.py": ""}, requires_dist=requires)
    write_files(project.entry, {"app.py": f"import boto3\n{HANDLER}"})
    project.write("boto3\nbotocore")

    def made(*provided, **options):
        request = package_request(entry=project.entry, runtime="python3.13", provided=provided, **options)
        found = package(request, store=store)
        return {one.id: one.message for one in found.findings if one.id != "requirements-not-locked"}

    said = made("boto3")
    assert "provided=['boto3', 'botocore', 'jmespath'])" in said["partly-provided"]
    assert made("boto3", "botocore", "jmespath") == {}
    assert made("boto3", acknowledge=["partly-provided:boto3"]) == {}
