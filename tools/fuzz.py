"""Give the readers of foreign files what nobody would write: `python tools/fuzz.py --seconds 120`.

Each target is a reader. It gets inputs of its corpus (tests/fuzz/corpus/<target>/), changed at random: bytes and words are replaced,
repeated, cut out and taken from other inputs. A reader may succeed, or raise the error of its subject, a `PackageError` of at most
2,000 characters. Anything else is a crash, and so is an input that takes longer than the limit. A crash is written to build/fuzz/ and
reproduced by `python tools/fuzz.py TARGET FILE`. An input that reaches lines of our code that no other did joins the corpus in memory.

No fuzzer with instrumentation is used: `sys.settrace` on our own modules says which lines were reached, on each Python that is
supported.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import math
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz_targets import LIMIT, LONGEST_MESSAGE, TARGETS, Allowed

ROOT = Path(__file__).parent.parent
CORPUS, CRASHES = ROOT / "tests" / "fuzz" / "corpus", ROOT / "build" / "fuzz"
PACKAGE = str(ROOT / "cdk_lambda_package")

# Values at which readers of binary files change their mind, and words at which those of text do.
NUMBERS = [bytes(size) for size in (1, 2, 4, 8)] + [b"\xff" * size for size in (1, 2, 4, 8)]
NUMBERS += [b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00\x01\x00\x00"]
WORDS = [
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b"(",
        b")",
        b'"',
        b"'",
        b"\n",
        b"\\",
        b"\0",
        b"=",
        b" ",
        b"#",
        b"://",
        b"@",
        b";",
        b"..",
        b"\xff",
    ),
    *(
        b"9" * 5000,
        b"(" * 400,
        b"[" * 400,
        b"http://[::1",
        b"extra == 'a'",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"${HOME}",
        b"-r ",
        b"a." * 200,
    ),
    *(
        b"==",
        b">=3.6.*",
        b"true",
        b"1",
        b'"x"',
        b"[1]",
        b"{}",
        b"1979-05-27",
        b"nan",
        b"\xf0\x9f\x98\x80",
        b"\xed\xa0\x80",
    ),
]


class TooLate(BaseException):
    """An input took longer than the limit."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooLate` in the block after that many seconds of CPU time."""

    def ring(*_: object) -> None:
        raise TooLate

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fault_of(read: Callable[[bytes], object], content: bytes, *, limit: float = LIMIT) -> str | None:
    """Return what is wrong with how a reader takes an input, None if nothing is; `limit` is in seconds."""
    try:
        with time_limit(limit):
            read(content)
    except Allowed as error:
        length = len(str(error))
        return f"the message has {length:,} characters" if length > LONGEST_MESSAGE else None
    except TooLate:
        return f"it takes longer than {limit} s\n{traceback.format_exc()[-2000:]}"
    except Exception:  # noqa: BLE001 - whatever else a reader raises is what is searched for
        return traceback.format_exc()[-3000:]
    return None


class Lines:
    """The lines of our own modules that were reached so far."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.new = False

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """Note a line; for `sys.settrace`."""
        if event == "call":
            return self.trace if frame.f_code.co_filename.startswith(PACKAGE) else None
        if event == "line" and (place := (frame.f_code.co_filename, frame.f_lineno)) not in self.seen:
            self.seen.add(place)
            self.new = True
        return self.trace


def mutate(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return an input with one to six changes."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at, length = chance.randrange(len(changed) + 1), chance.choice((1, 2, 4, 16, 64))
        other = chance.choice(others)
        start = chance.randrange(len(other) + 1)
        match chance.randrange(8):
            case 0 if changed:
                changed[min(at, len(changed) - 1)] ^= 1 << chance.randrange(8)
            case 1:
                changed[at : at + length] = b""
            case 2:
                changed[at:at] = changed[at : at + length] * chance.choice((2, 10, 500))
            case 3:
                number = chance.choice(NUMBERS)
                changed[at : at + len(number)] = number
            case 4:
                changed[at : at + chance.choice((0, length))] = chance.choice(WORDS)
            case 5:
                changed[at : at + length] = other[start : start + length]
            case 6:
                changed[at:] = other[start:]
            case _:
                changed[at : at + length] = chance.randbytes(length)
    return bytes(changed[: chance.choice((4_000, 20_000, 20_000, 200_000))])


class Fuzzer:
    """One target with its inputs; crashes are written to a folder."""

    def __init__(
        self, name: str, read: Callable[[bytes], object], chance: random.Random, crashes: Path = CRASHES
    ) -> None:
        self.name, self._read, self._chance, self._folder = name, read, chance, crashes
        self.inputs = [path.read_bytes() for path in corpus_of(name)]
        self._lines, self.runs, self._faults = Lines(), 0, set[str]()
        for content in list(self.inputs):
            self._run(content)

    def step(self) -> None:
        """Try one input."""
        content = mutate(self._chance.choice(self.inputs), self.inputs, self._chance)
        self._run(content)
        if self._lines.new:
            self.inputs.append(content)

    def _run(self, content: bytes) -> None:
        self.runs += 1
        self._lines.new = False
        # Tracing is slow: most inputs reach nothing new, and one in eight shows what is within reach.
        traced = self.runs % 8 == 1
        if traced:
            sys.settrace(self._lines.trace)
        try:
            fault = fault_of(self._read, content, limit=LIMIT * 4 if traced else LIMIT)
        finally:
            sys.settrace(None)
        # The last lines name the exception and where it is from: one crash of each.
        kind = "\n".join((fault or "").strip().split("\n")[-4:-1])
        if fault is not None and kind not in self._faults:
            self._faults.add(kind)
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self.name}-{hashlib.sha256(content).hexdigest()[:12]}"
            path.write_bytes(content)
            print(f"{self.name}: {fault}\nReproduce it: python tools/fuzz.py {self.name} {path}", flush=True)

    @property
    def crashes(self) -> int:
        """How many kinds of crashes were found."""
        return len(self._faults)

    def save(self, most: int) -> None:
        """Write inputs that reached something new, and are small, into the corpus."""
        folder = CORPUS / self.name
        room = most - len(list(folder.iterdir()))
        fresh = sorted(self.inputs[len(corpus_of(self.name)) :], key=len)
        for content in fresh[: max(room, 0)]:
            (folder / f"reached-{hashlib.sha256(content).hexdigest()[:12]}").write_bytes(content)


def corpus_of(name: str) -> list[Path]:
    """Return the files of a target's corpus, sorted."""
    return sorted((CORPUS / name).iterdir())


def run_for(fuzzer: Fuzzer, *, seconds: float = math.inf, inputs: float = math.inf) -> None:
    """Try so many inputs, or for so long."""
    start, before = time.monotonic(), fuzzer.runs
    while time.monotonic() < start + seconds and fuzzer.runs < before + inputs:
        # Ends the process if a reader is stuck where no signal is handled.
        faulthandler.dump_traceback_later(60 * LIMIT, exit=True)
        for _ in range(10):
            fuzzer.step()


def main() -> int:
    """Fuzz for some seconds or inputs, or read one file; the status is 1 after a crash."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of foreign files.")
    parser.add_argument("target", nargs="?", choices=TARGETS, help="only this reader (default: all)")
    parser.add_argument("file", nargs="?", type=Path, help="read this file once")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--seconds", type=float, default=120, help="how long, for all targets together (default: 120)")
    amount.add_argument(
        "--inputs", type=int, help="how many for each target: with a seed, the same ones on each machine"
    )
    parser.add_argument("--seed", type=int, help="of the random changes (default: another one each time)")
    parser.add_argument(
        "--save", type=int, default=0, metavar="N", help="keep what reached new lines, up to N files a target"
    )
    arguments = parser.parse_args()
    if arguments.file is not None:
        fault = fault_of(TARGETS[arguments.target], arguments.file.read_bytes())
        print(fault or "It is read, or refused, as it should be.")
        return 1 if fault else 0
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    names = [arguments.target] if arguments.target else TARGETS
    fuzzers = [Fuzzer(name, TARGETS[name], random.Random(f"{seed} {name}")) for name in names]  # noqa: S311 - not for cryptography
    if arguments.inputs is not None:
        for fuzzer in fuzzers:
            run_for(fuzzer, inputs=arguments.inputs)
    else:
        end = time.monotonic() + arguments.seconds
        # In turns, by time: some readers are a hundred times faster than others.
        while (left := end - time.monotonic()) > 0:
            for fuzzer in fuzzers:
                run_for(fuzzer, seconds=min(0.5, left))
    faulthandler.cancel_dump_traceback_later()
    for fuzzer in fuzzers:
        fuzzer.save(arguments.save)
        print(f"{fuzzer.name:<16} {fuzzer.runs:>9,} inputs, {len(fuzzer.inputs):>5,} kept, {fuzzer.crashes} crashes")
    print(f"seed {seed}")
    return 1 if any(fuzzer.crashes for fuzzer in fuzzers) else 0


if __name__ == "__main__":
    sys.exit(main())
