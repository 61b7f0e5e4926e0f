"""Tasks that the tests of executors send to workers; at module level, as every task is."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emqa_core.errors import InputError


@dataclass(frozen=True)
class Nap:
    """A task that takes its time, so that tasks finish in another order than they were given."""

    number: int
    seconds: float


def sleep_and_square(nap: Nap) -> int:
    time.sleep(nap.seconds)
    return nap.number**2


def sleep_and_say(nap: Nap) -> str:
    time.sleep(nap.seconds)
    return str(nap.number)


def worker_pid(number: int) -> tuple[int, int]:
    time.sleep(0.05)
    return number, os.getpid()


def threads_of_worker(_number: int) -> dict[str, str | None]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: os.environ.get(name) for name in names}


def fail_at_three(number: int) -> int:
    if number == 3:
        raise InputError(
            "labels.json is truncated",
            expected="a closing bracket",
            found="its end",
            next_step="copy it again",
        )
    return number


def time_out(number: int) -> int:
    raise TimeoutError(f"the store did not answer task {number}")


def end_own_process(_number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end_own_process_once(marker: str) -> str:
    """The first worker that comes here dies; the task's second attempt succeeds."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def count_up(path: str) -> int:
    """Append a byte to a file: how often a task ran can be seen from outside."""
    with Path(path).open("ab") as file:
        file.write(b".")
    return Path(path).stat().st_size


def state_of(n_values: int) -> np.ndarray:
    return np.full(n_values, 7.0)
