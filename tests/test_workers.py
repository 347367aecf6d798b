"""Threads that work at the same time: how many, what one of them does for all, and how they end."""

import os
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from cdk_lambda_package.workers import Claims, EndedError, check_end, pause, run_all

# Seconds within which what is waited for has to happen; nothing is expected to take so long.
PATIENCE = 30


def meet(barrier: threading.Barrier, result: int) -> int:
    barrier.wait(PATIENCE)
    return result


def test_results_come_in_the_order_of_the_tasks():
    def work(number: int) -> int:
        time.sleep(0.02 * (number % 3))
        return number * number

    assert run_all([partial(work, number) for number in range(20)], most=4) == [number * number for number in range(20)]


def test_as_many_tasks_as_allowed_run_at_the_same_time():
    # Each waits for three others.
    barrier = threading.Barrier(4)
    assert run_all([partial(meet, barrier, number) for number in range(8)], most=4) == list(range(8))


def test_no_more_tasks_than_allowed_run_at_the_same_time():
    running, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.15)
        with lock:
            running[0] -= 1

    run_all([work] * 9, most=3)
    assert most[0] == 3


def test_short_tasks_are_done_by_one_thread():
    threads = set(run_all([threading.get_ident] * 200, most=4))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_single_task_runs_on_the_callers_thread():
    assert run_all([threading.get_ident]) == [threading.get_ident()]


def test_a_failure_reaches_the_caller_and_ends_the_others():
    ended = []

    def fail() -> None:
        time.sleep(0.2)
        raise ValueError("broken")

    def wait() -> None:
        try:
            while True:
                pause(0.01)
        except EndedError:
            ended.append(threading.get_ident())
            raise

    with pytest.raises(ValueError, match="broken"):
        run_all([wait, wait, fail], most=3)
    assert len(set(ended)) == 2


def test_nothing_ends_outside_of_such_threads():
    check_end()


def test_one_thread_makes_a_thing_and_the_others_find_it():
    claims, made, things = Claims(), [], {}

    def find_or_make(key: str) -> str:
        with claims.alone(("things", key)):
            if key not in things:
                time.sleep(0.1)
                made.append(key)
                things[key] = key.upper()
            return things[key]

    keys = ["a", "b", "a", "a", "b", "a"]
    assert run_all([partial(find_or_make, key) for key in keys], most=6) == [key.upper() for key in keys]
    assert sorted(made) == ["a", "b"]


def test_threads_that_wait_for_a_thing_leave_their_places_to_others():
    claims, is_free = Claims(), threading.Event()

    def make() -> str:
        with claims.alone("thing"):
            assert is_free.wait(PATIENCE)
            return "made"

    def let_go() -> str:
        is_free.set()
        return "others work"

    # With two places, the last task has one only if the second doesn't count.
    assert run_all([make, make, make, let_go], most=2) == ["made", "made", "made", "others work"]


def test_of_several_things_a_thread_takes_those_that_are_free():
    claims, is_taken, is_seen = Claims(), threading.Event(), threading.Event()

    def take_first() -> frozenset[str]:
        with claims.taking(["a", "b"]) as taken:
            is_taken.set()
            assert is_seen.wait(PATIENCE)
            return taken

    def take_rest() -> frozenset[str]:
        assert is_taken.wait(PATIENCE)
        with claims.taking(["b", "c"]) as taken:
            is_seen.set()
        claims.wait_for(["b", "c"])
        with claims.taking(["b", "c"]) as all_of_them:
            assert all_of_them == {"b", "c"}
        return taken

    assert run_all([take_first, take_rest], most=2) == [{"a", "b"}, {"c"}]


def test_threads_that_want_the_same_things_in_another_order_all_get_them():
    claims, made = Claims(), []

    def make(*things: str) -> None:
        with claims.alone(*things):
            time.sleep(0.01)
            made.append(things)

    run_all([partial(make, *order) for order in ("ab", "ba", "bc", "ca", "abc", "cba") * 5], most=6)
    assert len(made) == 30


def test_blocks_of_one_thread_may_be_nested():
    claims = Claims()
    with claims.alone("a", "b"), claims.alone("a"), claims.alone("b", "c"):
        pass
    with claims.taking(["a", "b", "c"]) as taken:
        assert taken == {"a", "b", "c"}


def test_a_thread_that_waits_for_a_thing_can_be_ended():
    claims, is_taken = Claims(), threading.Event()

    def keep() -> None:
        with claims.alone("thing"):
            is_taken.set()
            while True:
                pause(0.01)

    def want() -> None:
        assert is_taken.wait(PATIENCE)
        with claims.alone("thing"):
            pass

    def fail() -> None:
        assert is_taken.wait(PATIENCE)
        time.sleep(0.2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all([keep, want, fail], most=3)
    assert not [thread for thread in threading.enumerate() if thread.name == "packaging"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU sets")
def test_the_cores_are_those_that_the_process_may_use():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from cdk_lambda_package.workers import core_count; print(core_count())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"
