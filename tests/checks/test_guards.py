"""Names and conditions that tell whether an import succeeded."""

import pytest
from package_contents import package_contents

from cdk_lambda_package.checks.imports import check as check_imports

FOUND_OR_NOT = {
    "bound in both ways": "try:\n    import {0}\n    HAVE = True\nexcept ImportError:\n    HAVE = False\n",
    "bound before": "HAVE = False\ntry:\n    import {0}\n    HAVE = True\nexcept ImportError:\n    pass\n",
    "bound in else": "try:\n    import {0}\nexcept ImportError:\n    HAVE = 0\nelse:\n    HAVE = 1\n",
    "the module itself": "try:\n    import {0} as HAVE\nexcept ImportError:\n    HAVE = None\n",
    "a name out of it": "try:\n    from {0} import HAVE\nexcept ImportError:\n    HAVE = None\n",
    "bound with others": "try:\n    import {0}\nexcept ImportError:\n    x = HAVE = False\nelse:\n    HAVE = True\n",
    "the other way round": "try:\n    import {0}\nexcept ImportError:\n    LACKS = True\nelse:\n    LACKS = False\n",
    "before, the other way round": "LACKS = False\ntry:\n    import {0}\nexcept ImportError:\n    LACKS = True\n",
}


def told(source):
    found = check_imports(package_contents({"app.py": source}))
    return [f"{finding.id}:{finding.subject}" for finding in found]


def conditions(source):
    have, lacks = ("not LACKS", "LACKS") if "LACKS" in source else ("HAVE", "not HAVE")
    return (have, lacks)


@pytest.mark.parametrize("before", FOUND_OR_NOT.values(), ids=FOUND_OR_NOT)
def test_what_is_imported_where_a_missing_module_is_there_is_never_imported(before):
    have, lacks = conditions(before)
    source = before.format("orjson")
    for guarded in (
        f"if {have}:\n    import orjson.z",
        f"if {have} and anything:\n    import orjson.z",
        f"if {lacks}:\n    pass\nelse:\n    import orjson.z",
        f"def f():\n    if {have}:\n        from orjson import y",
        f"def f():\n    if {lacks}:\n        raise RuntimeError\n    import orjson.z",
        f"def f():\n    if {lacks}:\n        return None\n    import orjson.z",
        f"class A:\n    if {have}:\n        import orjson.z",
    ):
        assert told(f"{source}{guarded}\n") == [], guarded


@pytest.mark.parametrize("before", FOUND_OR_NOT.values(), ids=FOUND_OR_NOT)
def test_what_takes_the_place_of_a_missing_module_is_certain(before):
    have, lacks = conditions(before)
    for fallback in (f"if {lacks}:\n    import gone", f"if {have}:\n    pass\nelse:\n    import gone"):
        assert told(f"{before.format('orjson')}{fallback}\n") == ["import-not-found:gone"]
        assert told(f"{before.format('json')}{fallback}\n") == []


@pytest.mark.parametrize("before", FOUND_OR_NOT.values(), ids=FOUND_OR_NOT)
def test_what_goes_with_a_module_that_is_there_is_imported(before):
    have, _ = conditions(before)
    assert told(f"{before.format('json')}if {have}:\n    import gone\n") == ["import-not-found:gone"]
    assert told(f"{before.format('json')}if {have} and anything:\n    import gone\n") == ["import-uncertain:gone"]
    # Something else in the `try` may fail.
    tried = before.replace("import {0}", "import json\n    json.check()")
    assert told(f"{tried}if {have}:\n    import gone\n") == ["import-uncertain:gone"]
    # Of a module that Lambda may have, so may its parts.
    assert told(f"{before.format('tkinter')}if {have}:\n    import tkinter.ttk\n") == []


@pytest.mark.parametrize(
    "condition", ["HAVE is not None", "HAVE != None", "not HAVE is None", "(HAVE)", "not (not HAVE)"]
)
def test_a_name_may_be_asked_in_several_ways(condition):
    source = FOUND_OR_NOT["the module itself"].format("orjson")
    assert told(f"{source}if {condition}:\n    import orjson.z\nelse:\n    import gone") == ["import-not-found:gone"]


@pytest.mark.parametrize(
    "between",
    ["HAVE = anything()\n", "from anything import HAVE\n", "for HAVE in range(2): pass\n", "del HAVE\n"],
)  # fmt: skip
def test_a_name_that_is_bound_anew_tells_nothing(between):
    source = FOUND_OR_NOT["bound before"].format("orjson") + between
    assert "import-uncertain:orjson" in told(f"{source}if HAVE:\n    import orjson.z\n")


@pytest.mark.parametrize(
    "source",
    [
        "from importlib.util import find_spec\nHAVE = find_spec('orjson') is not None\nif HAVE:\n    import orjson",
        "import importlib.util as u\nHAVE = bool(u.find_spec('orjson'))\ndef f():\n    if HAVE:\n        import orjson",
        (
            "def has(name):\n    from importlib.util import find_spec\n    return find_spec(name)\nif has('orjson'):\n"
            "    import orjson"
        ),
        "import pkgutil\ndef f():\n    if not pkgutil.find_loader('orjson'):\n        return\n    import orjson",
        (
            "def f():\n    try:\n        import orjson\n    except ImportError:\n        orjson = None\n"
            "    if orjson is not None:\n        import orjson.z"
        ),
    ],
)
def test_who_asks_for_a_module_knows_that_it_may_be_missing(source):
    assert told(source) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("False and __import__('gone')", []),
        ("x = __import__('gone') if False else None", []),
        ("import sys\nx = 1 if sys.platform == 'linux' else __import__('gone')", []),
        ("import sys\nsys.platform == 'linux' or __import__('gone')", []),
        ("True and __import__('gone')", ["import-not-found:gone"]),
        ("x = anything or __import__('gone')", ["import-uncertain:gone"]),
    ],
)
def test_what_a_known_condition_leaves_out_is_no_import(source, expected):
    assert told(source) == expected
