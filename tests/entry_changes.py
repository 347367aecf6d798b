"""An entry directory with files in vendor/, and the ways in which these change between two builds."""

import os
from pathlib import Path

from entries import HANDLER, write_files

FILES = {
    "app.py": HANDLER,
    "chalicelib/db.py": "x = 1\n",
    "chalicelib/notes.md": "notes",
    "vendor/single.py": "x = 1\n",
    "vendor/pkg/__init__.py": "",
    "vendor/pkg/one.py": "one = 1\n",
    "vendor/pkg/two.py": "two = 2\n",
    "vendor/pkg/run.sh": "#!/bin/sh\n",
    "vendor/pkg/deep/three.py": "three = 3\n",
    "vendor/pkg/deep/data.json": "{}",
}


def edit(entry: Path) -> None:
    (entry / "vendor/pkg/one.py").write_text("one = 11\n")


def edit_of_the_same_size(entry: Path) -> None:
    path = entry / "vendor/pkg/one.py"
    before = path.stat()
    path.write_text("one = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def deletion(entry: Path) -> None:
    (entry / "vendor/pkg/one.py").unlink()


def deletion_of_a_folder(entry: Path) -> None:
    (entry / "vendor/pkg/deep/three.py").unlink()
    (entry / "vendor/pkg/deep/data.json").unlink()
    (entry / "vendor/pkg/deep").rmdir()


def rename(entry: Path) -> None:
    (entry / "vendor/pkg/one.py").rename(entry / "vendor/pkg/uno.py")


def swap(entry: Path) -> None:
    one, two = entry / "vendor/pkg/one.py", entry / "vendor/pkg/two.py"
    one.rename(entry / "kept")
    two.rename(one)
    (entry / "kept").rename(two)


def rename_of_a_folder(entry: Path) -> None:
    (entry / "vendor/pkg/deep").rename(entry / "vendor/pkg/low")


def move_to_another_folder(entry: Path) -> None:
    (entry / "vendor/pkg/one.py").rename(entry / "vendor/pkg/deep/one.py")


def new_mode(entry: Path) -> None:
    (entry / "vendor/pkg/one.py").chmod(0o755)


def first_line_that_names_a_program(entry: Path) -> None:
    (entry / "vendor/pkg/one.py").write_text("#!python\n")


def new_file(entry: Path) -> None:
    (entry / "vendor/pkg/three.py").write_text("")


def new_folder(entry: Path) -> None:
    write_files(entry, {"vendor/other/__init__.py": ""})


def new_folder_in_a_folder(entry: Path) -> None:
    write_files(entry, {"vendor/pkg/deep/er/x.py": ""})


def link_to_a_file(entry: Path) -> None:
    (entry / "vendor/pkg/link.py").symlink_to("one.py")


def link_in_place_of_a_file(entry: Path) -> None:
    deletion(entry)
    (entry / "vendor/pkg/one.py").symlink_to("two.py")


def link_to_a_folder(entry: Path) -> None:
    (entry / "vendor/pkg/link").symlink_to("deep")


def link_in_place_of_a_folder(entry: Path) -> None:
    (entry / "vendor/pkg/deep").rename(entry / "elsewhere")
    (entry / "vendor/pkg/deep").symlink_to("../../elsewhere")


def folder_in_place_of_a_file(entry: Path) -> None:
    deletion(entry)
    write_files(entry, {"vendor/pkg/one.py/x.py": ""})


def file_in_place_of_a_folder(entry: Path) -> None:
    deletion_of_a_folder(entry)
    (entry / "vendor/pkg/deep").write_text("")


def source_beside_bytecode(entry: Path) -> None:
    write_files(entry, {"vendor/pkg/late.pyc": b"c"})
    write_files(entry, {"vendor/pkg/late.py": ""})


def virtual_environment(entry: Path) -> None:
    write_files(entry, {"vendor/pkg/deep/pyvenv.cfg": ""})


def wheel(entry: Path) -> None:
    write_files(entry, {"vendor/demo-1.0-py3-none-any.whl": b""})


def metadata(entry: Path) -> None:
    write_files(entry, {"vendor/demo-1.0.dist-info/METADATA": ""})


def cache(entry: Path) -> None:
    write_files(entry, {"vendor/pkg/__pycache__/one.cpython-313.pyc": b"c" * 20})


def edit_of_the_apps_own_code(entry: Path) -> None:
    write_files(entry, {"chalicelib/db.py": "import chalice\n"})


def hard_link(entry: Path) -> None:
    deletion(entry)
    (entry / "vendor/pkg/one.py").hardlink_to(entry / "vendor/pkg/two.py")


CHANGES = [
    *(
        edit,
        edit_of_the_same_size,
        deletion,
        deletion_of_a_folder,
        rename,
        swap,
        rename_of_a_folder,
        move_to_another_folder,
    ),
    *(new_mode, first_line_that_names_a_program, new_file, new_folder, new_folder_in_a_folder, link_to_a_file),
    *(
        link_in_place_of_a_file,
        link_to_a_folder,
        link_in_place_of_a_folder,
        folder_in_place_of_a_file,
        file_in_place_of_a_folder,
    ),
    *(source_beside_bytecode, virtual_environment, wheel, metadata, cache, edit_of_the_apps_own_code, hard_link),
]
"""Each changes the entry directory of `FILES`."""
