"""What a build says that it is doing, and when a line of it is due."""

import threading

import pytest

from cdk_lambda_package.progress import Amount, Pace, Progress, Step, format_bytes, format_duration, name_file


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(clock):
    return Progress(clock)


def line(progress: Progress) -> str:
    step = progress.current
    assert step is not None
    return progress.describe(step)


def lines_by_second(progress: Progress, clock: Clock, pace: Pace, seconds: float) -> list[tuple[float, str]]:
    """Let time pass, a quarter of a second at once, and return the lines with the seconds since the beginning."""
    found = []
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 0.25
        if pace.is_due(progress.current, clock.now):
            found.append((clock.now - 100.0, line(progress)))
    return found


def test_a_line_names_the_package_the_step_and_for_how_long_it_runs(progress, clock):
    with progress.about("orders (python3.13, arm64)"), progress.step("merging files"):
        clock.now += 65
        assert line(progress) == "orders (python3.13, arm64): merging files (1 min 5 s)"


def test_bytes_are_counted_over_all_files_if_their_sizes_are_known(progress):
    with progress.step("checking", total=2, unit="wheels") as step:
        step.expect({"a.whl": 40_000_000, "b.whl": 57_000_000})
        assert line(progress) == "checking 0 of 2 wheels, 0.0 of 97.0 MB (0 s)"
        assert step.fraction == 0
        step.transfer("b.whl", 57_000_000, 57_000_000)
        assert line(progress) == "checking 1 of 2 wheels, 57.0 of 97.0 MB: b.whl (0 s)"


def test_bytes_are_those_of_the_current_file_if_not_all_sizes_are_known(progress):
    with progress.step("downloading", total=31, unit="wheels") as step:
        step.transfer("six 1.17.0", 11_050, 11_050)
        step.transfer("pandas 2.3.3", 7_140_000, 12_100_000)
        assert line(progress) == "downloading 1 of 31 wheels: pandas 2.3.3, 7.1 of 12.1 MB (0 s)"
        assert step.fraction == pytest.approx((1 + 7.14 / 12.1) / 31)


def test_a_file_of_unknown_size_is_whole_when_its_size_is_said_at_the_end(progress):
    with progress.step("downloading", total=2, unit="wheels") as step:
        step.transfer("six 1.17.0", 5_000, None)
        assert line(progress) == "downloading 0 of 2 wheels: six 1.17.0, 5.0 kB (0 s)"
        step.transfer("six 1.17.0", 11_050, 11_050)
        assert step.done == 1


def test_without_a_total_the_different_ones_are_counted(progress):
    with progress.step("resolving requirements", unit="packages") as step:
        assert line(progress) == "resolving requirements (0 s)"
        assert step.fraction is None
        step.update("pandas")
        assert line(progress) == "resolving requirements, 1 package so far: pandas (0 s)"
        for name in ("numpy", "pandas"):
            step.update(name)
        assert line(progress) == "resolving requirements, 2 packages so far: pandas (0 s)"


def test_the_innermost_step_is_shown_and_after_it_the_one_around_it(progress, clock):
    with progress.step("resolving requirements"):
        with pytest.raises(ValueError, match="failed"), progress.step("building demo 1.0 from source"):
            assert "building" in line(progress)
            clock.now += 3
            raise ValueError("failed")
        assert line(progress) == "resolving requirements (3 s)"
    assert progress.current is None


def test_a_step_that_ends_before_the_one_it_began_after_does_not_end_that_one(progress):
    # As steps of two threads may.
    first, second = progress.step("first"), progress.step("second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert "second" in line(progress)
    second.__exit__(None, None, None)
    assert progress.current is None


def test_what_takes_less_than_two_seconds_has_no_line(progress, clock):
    with progress.step("resolving requirements"):
        assert lines_by_second(progress, clock, Pace(last=clock.now), 1.75) == []


def test_a_step_has_a_line_after_two_seconds_and_every_ten_seconds(progress, clock):
    with progress.step("resolving requirements"):
        found = lines_by_second(progress, clock, Pace(last=clock.now), 33)
    assert [second for second, _ in found] == [2, 12, 22, 32]
    assert found[1][1] == "resolving requirements (12 s)"


def test_each_step_has_its_first_line_after_two_seconds(progress, clock):
    pace, found = Pace(last=clock.now), []
    for name in ("resolving", "downloading", "checking"):
        with progress.step(name):
            found += lines_by_second(progress, clock, pace, 5)
    assert [(second, text.split()[0]) for second, text in found] == [
        (2, "resolving"),
        (7, "downloading"),
        (12, "checking"),
    ]


def test_many_short_steps_are_never_silent_for_more_than_ten_seconds(progress, clock):
    pace, found = Pace(last=clock.now), []
    for number in range(25):
        with progress.about(f"package {number + 1} of 25"), progress.step("resolving"):
            found += lines_by_second(progress, clock, pace, 1)
    assert [second for second, _ in found] == [2, 12, 22]
    assert found[0][1].startswith("package 2 of 25: resolving")


def test_the_step_around_an_inner_one_is_not_said_again_at_once(progress, clock):
    pace = Pace(last=clock.now)
    with progress.step("resolving"):
        outer = lines_by_second(progress, clock, pace, 3)
        with progress.step("building demo"):
            inner = lines_by_second(progress, clock, pace, 3)
        after = lines_by_second(progress, clock, pace, 9)
    assert [second for second, _ in (*outer, *inner, *after)] == [2, 5, 15]


def test_between_two_steps_there_is_no_line():
    assert not Pace(last=0.0).is_due(None, 100.0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Amount(0, 11_050), "0.0 of 11.1 kB"),
        (Amount(7_140_000, 12_100_000), "7.1 of 12.1 MB"),
        (Amount(148_400_000, None), "148 MB"),
    ],
)
def test_amounts_are_in_megabytes_or_for_small_files_in_kilobytes(amount, text):
    assert format_bytes(amount) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (125, "2 min 5 s")])
def test_durations_are_in_minutes_and_seconds(seconds, text):
    assert format_duration(seconds) == text


def test_steps_are_different_whatever_they_say():
    assert Step("one", started=0.0) != Step("one", started=0.0)


@pytest.mark.parametrize(
    ("filename", "name"),
    [("six-1.17.0-py2.py3-none-any.whl", "six 1.17.0"), ("six-1.17.0.tar.gz", "six-1.17.0.tar.gz"), ("x.whl", "x.whl")],
)
def test_a_wheel_is_called_by_its_name_and_version(filename, name):
    assert name_file(filename) == name


def test_each_thread_has_its_own_steps_and_the_longest_is_shown(progress, clock):
    began, checked = threading.Event(), threading.Event()

    def work() -> None:
        with progress.about("orders"), progress.step("resolving requirements"):
            began.set()
            assert checked.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    assert began.wait(30)
    clock.now += 1
    assert progress.own is None
    with progress.about("mail"), progress.step("merging files") as step:
        assert progress.own is step
        assert line(progress) == "orders: resolving requirements (1 s)"
        assert progress.describe(step) == "mail: merging files (0 s)"
        checked.set()
        thread.join()
        assert line(progress) == "mail: merging files (0 s)"
