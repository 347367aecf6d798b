"""Listing a directory: links that multiply, deep nests and names that the system hardly takes end in an error, or a listing."""

import os
import time

import pytest
from entries import HANDLER, names_in, write_files
from offline import RUNTIME, run_cli

from cdk_lambda_package.app_directory import SymlinkFollowMode, list_files
from cdk_lambda_package.errors import ContentError

ALL = SymlinkFollowMode.ALWAYS


def fan_out(root, levels, links=("a", "b")):
    """Make folders l0, l1, …, each with links to the next: twice as many paths lead to each as to the one before."""
    for level in range(levels + 1):
        write_files(root / f"l{level}", {"x.txt": ""})
        for link in links if level < levels else ():
            (root / f"l{level}" / link).symlink_to(root / f"l{level + 1}")
    return root


def list_all(root, **options):
    values = {"starts": None, "wanted": lambda _: True, "mode": SymlinkFollowMode.BLOCK_EXTERNAL} | options
    return list_files(root, **values)


@pytest.mark.parametrize("levels", [14, 40])
def test_links_that_fan_out_are_an_error_that_names_one(tmp_path, levels):
    fan_out(tmp_path / "svc", levels)
    began = time.monotonic()
    with pytest.raises(
        ContentError, match=r"l\d+' is in more than 1,000 places by symbolic links such as '.*/l\d+/[ab]': "
    ):
        list_all(tmp_path / "svc")
    assert time.monotonic() - began < 10


def test_links_to_a_large_folder_are_an_error_before_all_is_listed(tmp_path):
    write_files(tmp_path / "svc" / "large", {f"{index}.txt": "" for index in range(500)})
    for index in range(250):
        (tmp_path / "svc" / f"link{index}").symlink_to("large")
    with pytest.raises(ContentError, match="are more than 100,000 paths by symbolic links such as"):
        list_all(tmp_path / "svc")


def test_links_to_one_folder_from_many_places_are_followed(tmp_path):
    write_files(tmp_path / "svc" / "shared", {"x.txt": ""})
    for index in range(300):
        (tmp_path / "svc" / f"link{index}").symlink_to("shared")
    assert len(list_all(tmp_path / "svc").files) == 301


def test_a_link_that_is_left_out_multiplies_nothing(tmp_path):
    fan_out(tmp_path / "svc", 14)
    found = list_all(tmp_path / "svc", wanted=lambda path: not path.startswith("l0/a") and "/b" not in path)
    assert [file.path for file in found.checked() if "l14" in file.source and file.path.startswith("l0/")] == []
    assert len(list_all(tmp_path / "svc", mode=SymlinkFollowMode.NEVER).files) == 15


def test_a_build_of_links_that_fan_out_ends_soon_with_the_fix(tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    fan_out(entry / "chalicelib", 14)
    began = time.monotonic()
    build = ["build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip"]
    done = run_cli(*build, cache=tmp_path / "cache")
    assert time.monotonic() - began < 20
    assert done.returncode == 1
    assert "Remove or exclude links, so that fewer paths lead there" in done.stderr
    done = run_cli(*build, "--exclude", "b", cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("links", [("up",), ("up", "self")])
def test_links_in_circles_are_faults_however_they_are_reached(tmp_path, links):
    write_files(tmp_path / "svc" / "a" / "b", {"x.txt": ""})
    (tmp_path / "svc" / "a" / "b" / "up").symlink_to(tmp_path / "svc" / "a")
    if "self" in links:
        (tmp_path / "svc" / "a" / "self").symlink_to(".")
    (tmp_path / "svc" / "other").symlink_to("a/b")
    faults = list_all(tmp_path / "svc").faults
    assert faults
    assert all("a folder that it lies in: following it would never end" in fault for fault in faults)


def test_two_folders_with_links_to_each_other_are_a_fault(tmp_path):
    write_files(tmp_path / "svc", {"a/x.txt": "", "b/y.txt": ""})
    (tmp_path / "svc" / "a" / "b").symlink_to("../b")
    (tmp_path / "svc" / "b" / "a").symlink_to("../a")
    assert all("would never end" in fault for fault in list_all(tmp_path / "svc").faults)


def nest(folder, depth, name="d"):
    """Make folders that are nested more deeply than a path can name; return a descriptor of the last."""
    opened = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=opened)
        below = os.open(name, os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = below
    return opened


@pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="folders can't be made relative to others")
@pytest.mark.parametrize("options", [[], ["--before-packaging", "true"], ["--after-packaging", "true"]])
def test_400_nested_folders_are_packaged(tmp_path, options):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, "chalicelib/x.txt": ""})
    last = nest(entry / "chalicelib", 400)
    os.close(os.open("x.txt", os.O_CREAT, 0o644, dir_fd=last))
    os.close(last)
    done = run_cli("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", *options, cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert f"chalicelib/{'d/' * 400}x.txt" in names_in(tmp_path / "x.zip")


@pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="folders can't be made relative to others")
def test_a_path_that_is_too_long_for_the_system_is_a_fault(tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, "chalicelib/x.txt": ""})
    os.close(nest(entry / "chalicelib", 25, "d" * 200))
    done = run_cli("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", cache=tmp_path / "cache")
    assert done.returncode == 1
    assert "can't be read: File name too long" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="all names are Unicode")
@pytest.mark.parametrize(("place", "status"), [("chalicelib", 1), ("", 0)], ids=["packaged", "left out"])
def test_a_name_that_isnt_unicode_is_a_fault_only_if_it_is_packaged(tmp_path, place, status):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, "chalicelib/x.txt": ""})
    (entry / place / "\udcff.py").write_text("")
    done = run_cli("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", cache=tmp_path / "cache")
    assert done.returncode == status, done.stderr
    assert ("it isn't Unicode. Rename or exclude it" in done.stderr) is bool(status)
