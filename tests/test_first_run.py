"""README's quickstart, as it is read for `make benchmark-first-run`, and what that and `make benchmark-installed` write."""

import os
from pathlib import Path

import pytest
from matrix import dependencies
from offline import ROOT

from benchmarks import first_run, installed
from benchmarks.installed import Import, Installed
from benchmarks.quickstart import Quickstart, UnreadableError, installing, read_blocks, read_commands, read_quickstart

PAGE = """\
# A project

```python
# Quickstart: no heading, since this is code
from cdk_lambda_package import PythonFunction

PythonFunction(stack, "Orders", entry="orders")
app.synth()
```

## 3. Quick start

You need node (`npm install -g aws-cdk`).

```console
$ python3 -m venv .venv && . .venv/bin/activate
$ python -m pip install cdk-lambda-package   # until the first release: ./cdk-lambda-package
```

Save this as `orders/requirements.txt`:

```
requests==2.32.5
```

```console
$ cat > orders/app.py <<'END'
# A comment, and no heading:
## really

handler = print
END
$ cdk bootstrap
$ cdk synth \\
    --app "python stack.py"
Orders (a line that the command prints)
```

### A part of it

```console
$ cdk deploy --app "python stack.py"
```

## Later

```console
$ rm -r orders
```
"""
WRITTEN = "cat > orders/app.py <<'END'\n# A comment, and no heading:\n## really\n\nhandler = print\nEND"


def test_the_quickstart_of_readme_can_be_read():
    found = read_quickstart((ROOT / "README.md").read_text(encoding="utf-8"))
    assert "pip install" in found.install
    assert found.synth.startswith("cdk synth")
    assert any("PythonFunction(" in text for text in (*dict(found.files).values(), *found.prepare))


def test_a_quickstart_has_its_install_its_files_and_its_first_synthesis():
    found = read_quickstart(PAGE)
    assert found.install == "python -m pip install cdk-lambda-package"
    assert found.prepare == (WRITTEN,)
    assert found.synth == 'cdk synth \\\n    --app "python stack.py"'
    assert dict(found.files)["orders/requirements.txt"] == "requests==2.32.5\n"


def test_a_stack_without_a_name_is_the_file_that_the_synthesis_runs():
    stack = dict(read_quickstart(PAGE).files)["stack.py"]
    assert stack.startswith("# Quickstart")
    assert stack.endswith("app.synth()\n")


def test_a_quickstart_that_deploys_is_synthesized():
    page = (
        '## Quickstart\n\n```console\n$ pip install cdk-lambda-package\n$ cdk deploy --all --app "python app.py"\n```\n'
    )
    page += "\n`app.py`:\n\n```python\nPythonFunction(stack)\napp.synth()\n```\n"
    found = read_quickstart(page)
    assert found.synth == 'cdk synth --app "python app.py"'
    assert dict(found.files) == {"app.py": "PythonFunction(stack)\napp.synth()\n"}


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("# Project\n", "no heading"),
        ("## Quickstart\n\n```console\n$ cdk synth\n```\n", "installs"),
        ("## Quickstart\n\n```console\n$ pip install cdk-lambda-package\n```\n", "synthesizes"),
        ("## Quickstart\n\n```console\n$ pip install cdk-lambda-package\n$ cdk synth\n```\n", "no stack"),
    ],
)
def test_a_page_without_a_quickstart_is_an_error(page, told):
    with pytest.raises(UnreadableError, match=told):
        read_quickstart(page)


@pytest.mark.parametrize(
    ("line", "requirement", "result"),
    [
        (
            "python -m pip install ./cdk-lambda-package",
            "cdk-lambda-package",
            "python -m pip install cdk-lambda-package",
        ),
        (
            "pip install cdk-lambda-package aws-cdk-lib",
            "./cdk-lambda-package",
            "pip install ./cdk-lambda-package aws-cdk-lib",
        ),
        ("pip install 'cdk-lambda-package[sbom]'", "./cdk-lambda-package", "pip install './cdk-lambda-package[sbom]'"),
        (
            "pip install git+https://github.com/a/cdk-lambda-package",
            "cdk-lambda-package",
            "pip install cdk-lambda-package",
        ),
    ],
)
def test_the_install_line_is_rewritten_for_a_checkout_and_for_the_name(line, requirement, result):
    assert installing(line, requirement) == result


def test_blocks_in_lists_are_read_without_their_indentation():
    (block,) = read_blocks("1. Do:\n\n   ```console\n   $ one\n   $ two\n   ```\n")
    assert [*read_commands(block.code)] == ["one", "two"]


STAND_IN = """\
#!/bin/sh
mkdir -p cdk.out && cp stack.py cdk.out/asset.1.zip && echo "$PIP_CACHE_DIR $PATH" > seen.txt
"""


@pytest.mark.needs("executable scripts")
def test_a_reader_has_a_new_environment_empty_caches_and_the_tools_of_readme(tmp_path, monkeypatch):
    checkout = tmp_path / "checkout"
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    for path, text in (
        (programs / "cdk", STAND_IN),
        (programs / "node", STAND_IN),
        (tmp_path / "python", '#!/bin/sh\nmkdir -p "$3/bin"\n'),
    ):
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setattr(first_run, "CHECKOUT", checkout)
    quickstart = Quickstart(
        install="test -d ./cdk-lambda-package",
        prepare=("mkdir orders",),
        synth="cdk synth",
        files=(("stack.py", "app"),),
    )
    place, python = tmp_path / "place", str(tmp_path / "python")
    sample = first_run.run_quickstart(first_run.FROM_CHECKOUT, quickstart, place, checkout, python=python, further={})
    assert sample.total == sample.environment + sample.install + sample.synth
    cache, path = (place / "work" / "seen.txt").read_text().split(" ", 1)
    assert cache == str(place / "pip")
    assert path.split(os.pathsep)[:2] == [str(place / "work" / ".venv" / "bin"), str(place / "tools")]
    assert (place / "work" / "orders").is_dir()


def test_the_variables_of_a_reader_have_no_other_index_and_no_cache_of_others(tmp_path):
    environ = {"PATH": "/bin", "PIP_FIND_LINKS": "/wheels", "PIP_CERT": "/certificates", "PIP_CACHE_DIR": "/old"}
    found = first_run.fresh_environment(tmp_path, environ)
    assert "PIP_FIND_LINKS" not in found
    assert (found["PIP_CERT"], found["PIP_CONFIG_FILE"]) == ("/certificates", os.devnull)
    assert {Path(value).parent for name, value in found.items() if "CACHE" in name} == {tmp_path}


def test_first_runs_are_judged_by_three_minutes():
    def sample(way, install):
        return first_run.Sample(way=way, environment=3.0, install=install, synth=20.0, again=4.0)

    samples = [sample(first_run.FROM_CHECKOUT, 60.0), sample(first_run.BY_NAME, 170.0)]
    lines = [*first_run.format_report(samples, 1, "3.13.0")]
    assert "| from a checkout: a synthesized function in under 3 minutes | 83 s | yes |" in lines
    assert "| by name: a synthesized function in under 3 minutes | 193 s | **no** |" in lines
    assert "| from a checkout | 3.00 | 60.00 | 20.00 | 83.00 | 4.00 |" in lines


def rows():
    def one(name, size, *needs):
        return Installed(name=name, version="1.0", size=size, files=10, needs=needs)

    found = (
        one("cdk-lambda-package", 2_000_000, "constructs", "jsii", "tomli-w"),
        one("constructs", 10_000, "jsii"),
        one("jsii", 3_000_000, "attrs"),
        one("attrs", 400_000),
        one("tomli-w", 20_000),
    )
    return {row.name: row for row in found}


def test_installed_distributions_are_listed_by_size_with_what_brings_them():
    timed = dict.fromkeys((*installed.IMPORTS.values(), *installed._alone()), Import(0.0124, 20))
    added = {"sbom": [Installed(name="cyclonedx-python-lib", version="11", size=5_000_000, files=1, needs=())]}
    lines = [*installed.format_report(rows(), timed, added, python="3.13.0", rounds=5)]
    first = lines.index("| jsii | 1.0 | 3.0 | 10 | 12 |")
    assert lines[first + 1 :][:3] == [
        "| **cdk-lambda-package** | 1.0 | 2.0 | 10 |  |",
        "| attrs (of jsii) | 1.0 | 0.4 | 10 |  |",
        "| tomli-w | 1.0 | 0.02 | 10 | 12 |",
    ]
    assert "Together, 5.4 MB in 5 distributions." in lines
    assert "| `sbom` | cyclonedx-python-lib 11 | 5.0 |" in lines


def test_every_dependency_has_a_reason_on_the_page_and_a_module_that_is_timed():
    text = (ROOT / "docs" / "explanation" / "installation.md").read_text(encoding="utf-8")
    names = {installed.normalize(one.partition(">")[0].partition("=")[0]) for one in dependencies()}
    reasons = {
        name for line in text.splitlines() if line.startswith("| ") for name in line.split("|")[1].strip().split(", ")
    }
    assert names <= reasons
    # These are run, not imported.
    assert names - {"pip", "ruff"} == installed.MODULES.keys()
