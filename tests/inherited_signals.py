"""The signals that the tests send, as whatever started the tests left them."""

import signal


def heed_signals() -> None:
    """Give the signals that the tests send their default effects, which children inherit.

    nohup has one of them ignored, and shells the other in what a script starts in the background.
    """
    for name, handler in (("SIGHUP", signal.SIG_DFL), ("SIGINT", signal.default_int_handler)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
