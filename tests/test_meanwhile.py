"""Work that is done while something else is."""

import threading

import pytest

from cdk_lambda_package.meanwhile import Meanwhile


def test_both_go_on_at_the_same_time():
    begun, go_on = threading.Event(), threading.Event()

    def work():
        begun.set()
        return go_on.wait(30)

    with Meanwhile(work) as meanwhile:
        assert begun.wait(30)
        go_on.set()
        assert meanwhile.result() is True


def test_an_error_is_raised_where_the_result_is_asked_for():
    with Meanwhile(lambda: 1 // 0) as meanwhile, pytest.raises(ZeroDivisionError):
        meanwhile.result()


def test_the_block_ends_no_sooner_than_the_work():
    done = []
    go_on = threading.Event()

    def work():
        go_on.wait(30)
        done.append(True)

    with pytest.raises(KeyError), Meanwhile(work):
        threading.Timer(0.05, go_on.set).start()
        raise KeyError
    assert done == [True]
