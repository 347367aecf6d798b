"""Values from JSON: in threads of a new process, too, which all decode a type for the first time."""

import subprocess
import sys

import msgspec
import pytest

from cdk_lambda_package.decoding import convert, decode

# Types that no thread has decoded before, a hundred times.
CODE = """
import sys, threading
from dataclasses import make_dataclass
from cdk_lambda_package.decoding import decode

sys.setswitchinterval(1e-6)
kinds = []
for number in range(200):
    inner = make_dataclass(f"Inner{number}", [(f"field{field}", "int | None", None) for field in range(9)])
    kinds.append(make_dataclass(f"Kind{number}", [("first", inner), ("second", dict[str, inner]), ("third", tuple[inner, ...])]))
barrier = threading.Barrier(8)

def decode_all():
    for kind in kinds:
        barrier.wait()
        assert decode(b'{"first": {}, "second": {"a": {}}, "third": [{}]}', kind).third

threads = [threading.Thread(target=decode_all) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_decode_a_type_for_the_first_time_get_it():
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_threads_that_convert_to_a_type_for_the_first_time_get_it():
    code = (
        CODE.replace("decode(b'{", "convert({")
        .replace("}', kind)", "}, kind)")
        .replace("import decode", "import convert")
    )
    assert code.count("convert") == 2
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_does_not_fit_the_type_is_an_error():
    assert decode("[1]", tuple[int, ...]) == (1,)
    assert convert([1], tuple[int, ...]) == (1,)
    for content in (b'["1"]', b"[", b"\xff"):
        with pytest.raises(msgspec.MsgspecError):
            decode(content, tuple[int, ...])
