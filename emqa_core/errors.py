"""What can go wrong, in words a user can act on.

Every error that a user can cause is an `EmqaError`: it names the thing, what was expected, what was
found and the next step, and carries the exit code of the command line. Anything else that escapes is
a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from typing import ClassVar

# Controls of a terminal (C0 but for tab and line feed, DEL, C1) that a name in the data may hold.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "�")


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey, of the same length."""
    return text.translate(_CONTROLS)


class EmqaError(Exception):
    """Base of all expected errors. The message alone must be enough to act on."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        problem: str,
        *,
        expected: object | None = None,
        found: object | None = None,
        next_step: str | None = None,
    ) -> None:
        self.problem = problem
        self.expected = expected
        self.found = found
        self.next_step = next_step
        parts = [problem]
        if expected is not None:
            parts.append(f"expected {expected}")
        if found is not None:
            parts.append(f"found {found}")
        if next_step is not None:
            parts.append(next_step)
        super().__init__("; ".join(parts))

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders on a cluster; keyword arguments would be lost otherwise.
        return _rebuild, (type(self), self.problem, self.expected, self.found, self.next_step)


def _rebuild(
    kind: type[EmqaError],
    problem: str,
    expected: object | None,
    found: object | None,
    next_step: str | None,
) -> EmqaError:
    return kind(problem, expected=expected, found=found, next_step=next_step)


class ConfigError(EmqaError):
    """An option is unknown, malformed or contradicts another."""

    exit_code = 2


class InputError(EmqaError):
    """An input file is missing, unreadable, truncated, lacks a column or has a wrong type."""

    exit_code = 3


class QuarantineError(EmqaError):
    """More rows of a source were bad than `max_quarantine_share` allows."""

    exit_code = 4


class PlanError(EmqaError):
    """The work as cut does not fit the promised memory."""

    exit_code = 5


class StorageError(EmqaError):
    """The output location cannot be reached, refuses the credentials or cannot commit safely."""

    exit_code = 6


class RunNotFoundError(EmqaError):
    """No committed run answers to the name given."""

    exit_code = 7


class SchemaError(EmqaError):
    """A table's columns and the run's columns cannot live together."""

    exit_code = 8


class ClusterError(EmqaError):
    """The Dask scheduler cannot be reached or lost its workers."""

    exit_code = 9


class RunBusyError(EmqaError):
    """Another process evaluates the same run, or took it over from this one."""

    exit_code = 10


class MetricError(EmqaError):
    """A metric of the user's own raised an error, and the configuration says that it must not."""

    exit_code = 11
