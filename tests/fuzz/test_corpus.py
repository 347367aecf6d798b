"""The readers of foreign files, on inputs that once ended them or that reach far into them."""

import random

import fuzz
import pytest
from fuzz_targets import TARGETS

from cdk_lambda_package.errors import PackageError


@pytest.mark.parametrize("target", TARGETS)
def test_a_reader_reads_or_refuses_every_input_of_its_corpus(target):
    paths = fuzz.corpus_of(target)
    assert paths
    faults = {path.name: fault for path in paths if (fault := fuzz.fault_of(TARGETS[target], path.read_bytes()))}
    assert not faults, "\n".join(f"{name}: {fault}" for name, fault in faults.items())


def test_a_crash_a_hang_and_an_endless_message_are_faults():
    def hang(_: bytes) -> None:
        while True:
            pass

    def crash(content: bytes) -> None:
        raise KeyError(content)

    def talk(_: bytes) -> None:
        error = PackageError("short")
        error.args = ("9" * 5000,)
        raise error

    assert "takes longer than 0.2 s" in fuzz.fault_of(hang, b"", limit=0.2)
    assert fuzz.fault_of(talk, b"") == "the message has 5,000 characters"
    assert "KeyError" in fuzz.fault_of(crash, b"")
    assert fuzz.fault_of(lambda _: None, b"") is None


def test_a_crash_is_kept_with_the_command_that_reproduces_it(tmp_path, capsys):
    def crash(content: bytes) -> None:
        if b"9" * 100 in content:
            raise KeyError("deep inside")

    fuzzer = fuzz.Fuzzer("urls", crash, random.Random(1), tmp_path)
    for _ in range(3000):
        fuzzer.step()
    (kept,) = tmp_path.iterdir()
    assert f"python tools/fuzz.py urls {kept}" in capsys.readouterr().out
    assert fuzz.fault_of(crash, kept.read_bytes())
