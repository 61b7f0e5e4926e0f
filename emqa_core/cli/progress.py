"""How far a run is: bars on a terminal, a line now and then elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from emqa_core.errors import printable
from emqa_core.pipeline.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_EVERY_S = 5.0


@contextmanager
def open_progress(*, quiet: bool) -> Iterator[Progress]:
    """What fits stderr; silent with `quiet`."""
    if quiet:
        yield SilentProgress()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        with Bars(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bars:
            yield BarProgress(bars)
    else:
        yield LineProgress(sys.stderr)


class BarProgress:
    """A bar per stage, gone when the run is over; notes stay above them."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, stage: str, total: int) -> None:
        if stage in self._tasks:
            self._bars.reset(self._tasks[stage], total=total)
        else:
            self._tasks[stage] = self._bars.add_task(stage, total=total)

    def advance(self, stage: str, n: int = 1) -> None:
        self._bars.advance(self._tasks[stage], n)

    def finish(self, stage: str) -> None:
        task = self._tasks[stage]
        total = next(t.total for t in self._bars.tasks if t.id == task)
        self._bars.update(task, completed=total or 1, total=total or 1)

    def note(self, text: str) -> None:
        self._bars.console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


class LineProgress:
    """A line when a stage is over, and every few seconds while it lasts."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = time.monotonic()
        self._stages: dict[str, tuple[float, int]] = {}
        self._done: dict[str, int] = {}
        self._last_line = self._begun

    def start(self, stage: str, total: int) -> None:
        self._stages[stage] = (time.monotonic(), total)
        self._done[stage] = 0

    def advance(self, stage: str, n: int = 1) -> None:
        self._done[stage] += n
        if time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._line(f"{stage}: {self._done[stage]} of {self._stages[stage][1]}")

    def finish(self, stage: str) -> None:
        begun, total = self._stages[stage]
        steps = f"{total} steps, " if total > 1 else ""
        self._line(f"{stage}: done ({steps}{time.monotonic() - begun:.1f} s)")

    def note(self, text: str) -> None:
        self._line(text)

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        print(f"[{self._last_line - self._begun:6.1f} s] {printable(text)}", file=self._stream, flush=True)
