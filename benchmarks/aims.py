"""What this package aims at, and whether a run met it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.cases import CASES
from benchmarks.measure import Summary
from benchmarks.ours import CAT, CONCATENATION, EDITED, KERNEL_CAT, RUNNING, UNRESOLVED
from benchmarks.peers import CHALICE, PIP, SAM, UV

_HEAVIEST = CASES[-1].name

# How many times faster than each peer.
_EDITED_AIMS = {CHALICE: 50, SAM: 50, PIP: 50, UV: 30}
_UNRESOLVED_AIM = 8
_MOST_TIMES_CAT = 1.5
_MOST_MEMORY = 80_000_000
_MOST_RUNNING_SECONDS = 0.005

Summaries = Mapping[tuple[str, str], Summary]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """An aim beside what was measured; `met` is None where there is nothing to compare with."""

    aim: str
    measured: str
    met: bool | None


def judge(summaries: Summaries) -> Iterator[Verdict]:
    """Yield a verdict on each aim."""
    seconds = {way: summary.seconds for (case, way), summary in summaries.items() if case == _HEAVIEST}
    for cat in (CAT, KERNEL_CAT):
        if cat in seconds:
            yield _at_most(seconds[CONCATENATION] / seconds[cat], f"the concatenation beside {cat}")
    for way, aims in ((EDITED, _EDITED_AIMS), (UNRESOLVED, dict.fromkeys(_EDITED_AIMS, _UNRESOLVED_AIM))):
        for peer, aim in aims.items():
            times = seconds[peer] / seconds[way] if peer in seconds else None
            yield _times_faster(times, aim, f"{way}: beside {peer}")
    yield _running(seconds[RUNNING])
    yield _memory(summaries)


def _at_most(times: float, what: str) -> Verdict:
    return Verdict(
        aim=f"{what}, at most {_MOST_TIMES_CAT} times its seconds",
        measured=f"{times:.2f} times",
        met=times <= _MOST_TIMES_CAT,
    )


def _times_faster(times: float | None, aim: int, what: str) -> Verdict:
    if times is None:
        return Verdict(aim=f"{what}, {aim} times faster", measured="the peer failed", met=None)
    return Verdict(aim=f"{what}, {aim} times faster", measured=f"{times:.1f} times", met=times >= aim)


def _running(seconds: float) -> Verdict:
    limit = _MOST_RUNNING_SECONDS
    return Verdict(
        aim=f"{RUNNING}: under {limit * 1000:.0f} ms", measured=f"{seconds * 1000:.2f} ms", met=seconds < limit
    )


def _memory(summaries: Summaries) -> Verdict:
    ours = {key: summary.memory for key, summary in summaries.items() if key[1].startswith("ours")}
    (case, way), most = max(ours.items(), key=lambda item: item[1])
    return Verdict(
        aim=f"peak memory of our own process, in any case: under {_MOST_MEMORY / 1e6:.0f} MB",
        measured=f"{most / 1e6:.1f} MB ({case}; {way})",
        met=most < _MOST_MEMORY,
    )
