"""Promises of a delayed Ctrl-C: it waits, is not lost, and a second one interrupts."""

import signal
import threading

import pytest

from tuner.system import interrupts


@pytest.fixture(autouse=True)
def _a_terminals():
    """As in a terminal: a shell's background job ignores Ctrl-C, and so would these."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_one_waits_for_the_end_of_the_block(number):
    """What is under way is done, then it is raised."""
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.delayed():
        signal.raise_signal(number)
        done.append("written")
    assert done == ["written"]


def test_the_second_one_does_not_wait():
    """It interrupts the block at once."""
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.delayed():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append("written")
    assert done == []


def test_an_error_in_the_block_is_what_is_raised():
    """It says more than the Ctrl-C that came before it."""
    with pytest.raises(OSError, match="disk full"), interrupts.delayed():
        signal.raise_signal(signal.SIGINT)
        raise OSError("disk full")


def test_the_handlers_are_as_before_and_an_ignored_one_stays_ignored(monkeypatch):
    """Also in a thread, which receives no signals."""
    before = signal.getsignal(signal.SIGINT)
    with interrupts.delayed():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.delayed():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    ran = []

    def work():
        with interrupts.delayed():
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [True]
