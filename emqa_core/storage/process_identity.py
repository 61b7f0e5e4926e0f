"""Which process holds something: named for people, and told dead or alive from the same machine."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_START = 22 - 3  # field of the start time in /proc/PID/stat, counted after the name and its bracket
_DEAD = ("Z", "X")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process on a machine.

    host: its name, for people. machine: what tells machines, boots and pid namespaces apart; empty where the
    system does not say. started: ticks from the machine's boot to the process's start, which no clock that
    is set changes; pids are used again, a pid and its start are not.
    """

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def of_this_process(cls) -> ProcessIdentity:
        return cls(socket.gethostname(), _machine(), os.getpid(), _stat(os.getpid())[1])

    def is_dead(self) -> bool:
        """Whether the process surely is gone: it ran on this machine, and does no more."""
        if not self.machine or self.machine != _machine():
            return False
        state, started = _stat(self.pid)
        if not state:
            return _is_unknown(self.pid)
        return state in _DEAD or started != self.started


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str]:
    """State and start of a process of this machine; empty where there is none."""
    try:
        # The name, in brackets, may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[_START]


def _is_unknown(pid: int) -> bool:
    """Whether there is no such process: /proc may hide those of other users."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
