"""Ctrl-C and SIGTERM as one exception that unwinds everything and says which signal it was."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The user or the machine wants the command to end. Not an Exception: nothing on the way keeps it.

    `next_step` is what the interrupted command says about going on.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.next_step: str | None = None

    @property
    def exit_code(self) -> int:
        """As shells count: 128 and the signal's number."""
        return 128 + self.number

    @property
    def problem(self) -> str:
        return f"stopped by {'Ctrl-C' if self.number == signal.SIGINT else signal.Signals(self.number).name}"


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within, the first signal raises Stopped; a second one ends the process at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
