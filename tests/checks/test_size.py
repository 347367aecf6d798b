"""What Lambda's limits say to a package, and what is proposed."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from cdk_lambda_package.checks import PackageContents, analyse_imports
from cdk_lambda_package.checks.size import check as check_size
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.layers import Layer
from cdk_lambda_package.paths import Patterns
from cdk_lambda_package.splicing import AFTER_PACKAGING, APP, VENDOR, Entry
from cdk_lambda_package.target import LARGEST_PACKAGE, LARGEST_UPLOAD, Target

MIB = 1 << 20


def check(
    files: Mapping[str, tuple[str, int]],
    *,
    layers: tuple[Layer, ...] = (),
    archive_size: int = 0,
    layer_archive_size: int = 0,
    is_slim: bool = False,
    required_by: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    sources: Mapping[str, bytes] = MappingProxyType({}),
) -> list[Finding]:
    """What is found in a package of these files, each with its owner and size."""
    target = Target.parse("python3.13")
    entries = {path: Entry(path, False, size, path, owner) for path, (owner, size) in sorted(files.items())}
    contents = PackageContents(
        target=target,
        index="app.py" if "app.py" in entries else "",
        handler="handler",
        entries=entries,
        imports=analyse_imports(entries, lambda path: sources.get(path, b""), target=target),
        layers=layers,
        archive_size=archive_size,
        layer_archive_size=layer_archive_size,
        is_slim=is_slim,
        required_by=required_by,
    )
    return list(check_size(contents))


def message(files: Mapping[str, tuple[str, int]], **options: object) -> str:
    (finding,) = check(files, **options)
    assert (finding.id, finding.severity) == ("package-too-large", Severity.ERROR)
    return finding.message


def test_the_limit_itself_is_fine_and_a_byte_more_is_not():
    assert check({"app.py": (APP, LARGEST_PACKAGE)}) == []
    told = message({"app.py": (APP, LARGEST_PACKAGE + 1)})
    assert told.startswith("The package has 262,144,001 bytes unzipped, and Lambda takes 262,144,000: 1 too many. ")


def test_the_ten_largest_are_named_by_what_people_call_them():
    files = {f"d{number}/x.bin": (f"d{number}==1.0", (30 - number) * MIB) for number in range(12)}
    files |= {
        "vendored/a.bin": (VENDOR, 50 * MIB),
        "vendored/b.bin": (VENDOR, 10 * MIB),
        "chalicelib/c.bin": (APP, 49 * MIB),
        "app.py": (APP, 48 * MIB),
        "made/d.bin": (AFTER_PACKAGING, 47 * MIB),
    }
    layer = Layer(name="Shop/Common", known=True, files={"python/x.py": 40 * MIB, "lib/y.so": 6 * MIB})
    told = message(files, layers=(layer,))
    names = ["vendor/vendored/", "chalicelib/", "app.py", "made/ of after_packaging", "layer Shop/Common"]
    sizes = [60, 49, 48, 47, 46]
    first = [f"{name} ({size * MIB:,})" for name, size in zip(names, sizes, strict=True)]
    rest = [f"d{number}==1.0 ({(30 - number) * MIB:,})" for number in range(5)]
    assert f"Largest are {', '.join(first + rest)}. " in told
    assert "bytes unzipped with its layers, and" in told


def test_layers_count_and_what_isnt_known_of_them_is_said():
    files = {"app.py": (APP, 200 * MIB)}
    known = Layer(name="big", known=True, files={"python/x.bin": 60 * MIB})
    unknown = Layer(name="arn:aws:lambda:eu-west-1:123456789012:layer:pg:1", known=False)
    assert check(files, layers=(unknown,)) == []
    assert f"with its layers (not counting {unknown.name})" in message(files, layers=(known, unknown))


def test_the_sdk_that_the_runtime_has_is_proposed_first():
    files = {"botocore/x.json": ("botocore==1.44.5", 30 * MIB), "boto3/x.py": ("boto3==1.44.5", MIB)}
    files["x.bin"] = ("x==1.0", 240 * MIB)
    told = message(files)
    assert f"provided=['boto3', 'botocore']) leaves out {31 * MIB:,} bytes" in told
    assert told.endswith(f"That leaves {240 * MIB:,}.")


def test_what_hardly_any_function_uses_is_proposed_with_what_it_saves():
    files = {
        "pandas/tests/x.py": ("pandas==3.0", 20 * MIB),
        "pandas/core.so": ("pandas==3.0", 100 * MIB),
        "pyarrow/include/tests/x.hpp": ("pyarrow==26.0.1", MIB),
        "pyarrow/include/x.hpp": ("pyarrow==26.0.1", 4 * MIB),
        "pyarrow/libarrow_flight.so.2600": ("pyarrow==26.0.1", 15 * MIB),
        "pyarrow/lib.so": ("pyarrow==26.0.1", 100 * MIB),
        "pyarrow/lib.pyi": ("pyarrow==26.0.1", 1000),
        "model/tests/x.bin": (VENDOR, 25 * MIB),
    }
    told = message(files)
    patterns = ["tests/", "pyarrow/include/", "pyarrow/*flight*"]
    assert f"exclude_from_requirements={patterns}) leaves out {40 * MIB:,} bytes" in told
    assert f"exclude=['tests/']) leaves out {25 * MIB:,} bytes" in told
    assert f"That leaves {200 * MIB + 1000:,}." in told
    # As the options themselves understand them.
    assert Patterns(patterns).match("pandas/tests/x.py")
    assert Patterns(("tests/",)).match("vendor/model/tests/x.bin")


def test_stubs_that_a_module_reads_when_it_is_imported_arent_proposed():
    files = {
        "demo/__init__.py": ("demo==1.0", 100),
        "demo/__init__.pyi": ("demo==1.0", 15 * MIB),
        "demo/core.so": ("demo==1.0", 260 * MIB),
    }
    assert "exclude_from_requirements=['*.pyi'])" in message(files)
    source = b"from lazy_loader import attach_stub\na, b, c = attach_stub(__name__, __file__)\n"
    assert "*.pyi" not in message(files, sources={"demo/__init__.py": source})


def test_who_requires_the_largest_is_said_and_how_to_leave_them_out():
    files = {
        "nvidia/nccl/lib.so": ("nvidia-nccl==2.27", 200 * MIB),
        "numpy/core.so": ("numpy==2.4", 50 * MIB),
        "xgboost/lib.so": ("xgboost==3.1", 100 * MIB),
    }
    told = message(files, required_by={"xgboost": ("",), "nvidia-nccl": ("xgboost",), "numpy": ("nvidia-nccl",)})
    largest = [
        f"nvidia-nccl==2.27 ({200 * MIB:,}, required by xgboost)",
        f"xgboost==3.1 ({100 * MIB:,})",
        f"numpy==2.4 ({50 * MIB:,}, required by xgboost → nvidia-nccl)",
    ]
    assert f"Largest are {', '.join(largest)}. " in told
    assert (
        f"exclude_distributions=['nvidia-nccl']) leaves out {200 * MIB:,} bytes, if the function works without it."
        in told
    )
    assert told.endswith(f"That leaves {150 * MIB:,}.")


def test_what_no_import_reaches_is_left_out_before_what_one_does():
    files = {
        "app.py": (APP, 20),
        "pandas/__init__.py": ("pandas==3.0", 200 * MIB),
        "numpy/__init__.py": ("numpy==2.4", 30 * MIB),
        "unused/__init__.py": ("unused==1.0", 60 * MIB),
    }
    requirers = {"pandas": ("",), "numpy": ("pandas",), "unused": ("pandas",)}
    told = message(
        files, required_by=requirers, sources={"app.py": b"import pandas", "pandas/__init__.py": b"import numpy"}
    )
    assert "No import of the function reaches unused. " in told
    assert f"exclude_distributions=['unused']) leaves out {60 * MIB:,} bytes" in told
    assert "exclude_distributions=['numpy'" not in told


def test_what_has_compiled_modules_alone_isnt_called_unreached():
    files = {
        "app.py": (APP, 20),
        "pandas/__init__.py": ("pandas==3.0", 200 * MIB),
        "fast/core.cpython-313-x86_64-linux-gnu.so": ("fast==1.0", 60 * MIB),
    }
    told = message(files, required_by={"pandas": ("",), "fast": ("pandas",)}, sources={"app.py": b"import pandas"})
    assert "No import of the function reaches" not in told
    assert "exclude_distributions=['fast']" in told


def test_without_a_handlers_module_nothing_is_called_unreached():
    files = {"pandas/__init__.py": ("pandas==3.0", 200 * MIB), "unused/__init__.py": ("unused==1.0", 60 * MIB)}
    told = message(files, required_by={"pandas": ("",), "unused": ("pandas",)})
    assert "No import of the function reaches" not in told


def test_where_nothing_helps_there_is_the_container_image():
    told = message({"torch/lib.so": ("torch==2.9", 900 * MIB), "torch/tests/x.py": ("torch==2.9", MIB)})
    assert "exclude_from_requirements=['tests/']" in told
    assert "DockerImageFunction" in told
    assert "That leaves" not in told


@pytest.mark.parametrize(("size", "noted"), [(LARGEST_UPLOAD, False), (LARGEST_UPLOAD + 1, True)])
def test_an_archive_that_goes_through_s3_is_a_note(size, noted):
    found = check({"app.py": (APP, 10)}, archive_size=size)
    assert [(finding.id, finding.severity) for finding in found] == [("archive-over-50-mb", Severity.NOTE)] * noted


@pytest.mark.parametrize(
    ("function", "layer", "noted"),
    [(LARGEST_UPLOAD, LARGEST_UPLOAD, []), (LARGEST_UPLOAD + 1, 1, [0]), (1, LARGEST_UPLOAD + 1, [1])],
)
def test_the_archives_of_a_function_and_its_layer_count_each_on_its_own(function, layer, noted):
    found = check({"app.py": (APP, 10), **SLIMMABLE}, archive_size=function, layer_archive_size=layer)
    assert [finding.id for finding in found] == ["archive-over-50-mb"] * len(noted)
    begins = ("The function's .zip file archive has", "The .zip file archive of the layer with its dependencies has")
    assert all(finding.message.startswith(begins[which]) for finding, which in zip(found, noted, strict=True))
    # Requirements are in the layer.
    assert ["slim=True" in finding.message for finding in found] == [which == 1 for which in noted]


SLIMMABLE = {
    "lib/__init__.py": ("lib==1.0", 10),
    "lib/tests/data.bin": ("lib==1.0", 60_000),
    "botocore/data/s3/2006-03-01/service-2.json.gz": ("botocore==1.0", 60_000),
    "own/tests/data.bin": (VENDOR, 60_000),
}


@pytest.mark.parametrize("size", [0, LARGEST_PACKAGE])
def test_slim_is_proposed_where_it_may_help(size):
    files = {**SLIMMABLE, "app.bin": (APP, size)}
    (found,) = check(files, archive_size=0 if size else LARGEST_UPLOAD + 1)
    assert "packaging=Packaging(slim=True) leaves out up to 120,000 bytes: tests, files for compilers" in found.message
    (found,) = check(files, archive_size=0 if size else LARGEST_UPLOAD + 1, is_slim=True)
    assert "slim=True" not in found.message


def test_slim_is_not_proposed_where_it_saves_little():
    (found,) = check({"app.py": (APP, 10), "lib/tests/a.py": ("lib==1.0", 99_999)}, archive_size=LARGEST_UPLOAD + 1)
    assert "slim" not in found.message
