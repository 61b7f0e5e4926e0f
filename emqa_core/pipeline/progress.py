"""Who is told how far a run is: a terminal, a log, a Prefect artifact, or nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listener to a run. `advance` may come from a few times to thousands of times per stage."""

    def start(self, stage: str, total: int) -> None:
        """A stage begins and consists of `total` equal steps."""

    def advance(self, stage: str, n: int = 1) -> None:
        """`n` more steps of the stage are done."""

    def finish(self, stage: str) -> None:
        """The stage is over; steps that were not reported are none of its work."""

    def note(self, text: str) -> None:
        """Something a person wants to know now, one sentence."""


class SilentProgress:
    """Tells nobody."""

    def start(self, stage: str, total: int) -> None:
        pass

    def advance(self, stage: str, n: int = 1) -> None:
        pass

    def finish(self, stage: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass
