"""Delay Ctrl-C until the current write is complete."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def delayed() -> Iterator[None]:
    """Delay the first Ctrl-C or SIGTERM until the block ends.

    A second one interrupts the block at once. Outside the main thread, which
    receives no signals, this does nothing.

    Raises:
        KeyboardInterrupt: A signal arrived; raised at the end of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        raise KeyboardInterrupt
