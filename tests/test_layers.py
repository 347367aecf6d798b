"""What is known of a function's layers."""

import os
import zipfile
from pathlib import Path

import pytest
from entries import HANDLER, package_request, write_files
from native import elf

from cdk_lambda_package import package
from cdk_lambda_package.errors import FindingsError, OptionError
from cdk_lambda_package.layers import Layer, LayerFiles, read_layers, stamp_layers

ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:pg:3"


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_files(tmp_path / "layer", {"python/pkg/__init__.py": "x = 1\n", "lib/libpq.so.5": b"1234"})


def zip_folder(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder, "./")
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def test_a_folder_and_a_zip_file_archive_say_the_same(folder, tmp_path):
    archive = zip_folder(folder, tmp_path / "layer.zip")
    (one, two) = read_layers([folder, str(archive)])
    assert one.files == two.files == {"python/pkg/__init__.py": 6, "lib/libpq.so.5": 4}
    assert (one.known, one.name, one.size) == (True, str(folder), 10)


def test_a_name_is_kept(folder):
    (layer,) = read_layers([LayerFiles(name="Shop/Common", path=folder)])
    assert (layer.name, layer.known) == ("Shop/Common", True)


@pytest.mark.parametrize(
    "arn", [ARN, ARN.replace("aws", "aws-cn"), ARN.replace("eu-west-1", "${Token[AWS.Region.12]}")]
)
def test_an_arn_names_what_nobody_can_see_into(arn):
    assert read_layers([arn]) == (Layer(name=arn, known=False),)
    given = Layer(name="Shop/Imported", known=False)
    assert read_layers([given]) == (given,)


@pytest.mark.parametrize("layer", ["nowhere", "arn:aws:lambda:eu-west-1:123456789012:layer:pg", "arn:aws:s3:::bucket"])
def test_what_is_none_of_these_is_refused_with_what_would_be_accepted(layer):
    with pytest.raises(
        OptionError, match=rf"layers: '{layer}' .*Give a directory or a \.zip file archive .* or the ARN"
    ):
        read_layers([layer])


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "layer.zip").write_bytes(b"PK, but not that")
    with pytest.raises(OptionError, match=r"can't be read: it is not a \.zip file archive"):
        read_layers([tmp_path / "layer.zip"])


def test_a_stamp_changes_with_what_is_in_a_layer(folder, tmp_path):
    archive = zip_folder(folder, tmp_path / "layer.zip")
    layers = [folder, archive, ARN]
    before = stamp_layers(layers)
    assert stamp_layers(layers) == before
    (folder / "lib/libpq.so.5").write_bytes(b"12345")
    assert [old == new for old, new in zip(before, stamp_layers(layers), strict=True)] == [False, True, True]
    (folder / "lib/more").write_bytes(b"")
    zip_folder(folder, archive)
    os.utime(archive, (1, 1))
    assert stamp_layers(layers)[1] != before[1]


@pytest.mark.parametrize("layers", ["layer", Path("layer"), [1], {"layer"}, [b"layer"]])
def test_layers_that_are_no_list_of_them_are_refused(layers, tmp_path):
    with pytest.raises(OptionError, match=r"layers is .*give a list of directories, \.zip file archives or ARNs"):
        package_request(entry=tmp_path, runtime="python3.13", layers=layers)


def test_a_library_in_a_layer_is_found_until_it_is_gone(folder, tmp_path, store):
    needing = elf(needed=("libpq.so.5",), symbols=("PyInit__x",))
    entry = write_files(tmp_path / "svc", {"app.py": f"import pkg._x\n{HANDLER}", "vendor/pkg/_x.so": needing})
    with_layer = package_request(entry=entry, runtime="python3.13", layers=(folder,))
    assert package(with_layer, store=store).findings == ()
    assert package(with_layer, store=store).findings == ()  # from the record
    (folder / "lib/libpq.so.5").unlink()
    with pytest.raises(FindingsError, match=r"needs libpq\.so\.5, which neither the package, its layers nor"):
        package(with_layer, store=store)


def test_a_layer_is_counted_in_what_lambda_takes(folder, tmp_path, store):
    with (folder / "python" / "data.bin").open("wb") as stream:
        stream.truncate(262_144_000)
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    request = package_request(entry=entry, runtime="python3.13", layers=(folder,))
    with pytest.raises(
        FindingsError, match=r"bytes unzipped with its layers.*Largest are layer .*layer \(262,144,010\)"
    ):
        package(request, store=store)
