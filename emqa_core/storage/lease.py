"""A lease: one process at a time evaluates a run.

`_emqa/leases/<run_id>/` holds claims, numbered upwards, each created once by a conditional put and never
written again; the highest number holds the run. Its holder writes a beat beside it, a number that grows.
Who wants a run that is claimed watches the beat on a clock of its own, so that no clock of another machine
matters: a beat that changes is alive, one that stays as it is for as long as its holder allows itself is
not, and the next number is claimed. A process on the same machine that is gone is not waited for.
"""

from __future__ import annotations

import datetime
import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from emqa_core.errors import RunBusyError, StorageError
from emqa_core.storage.conditional_put import create_once
from emqa_core.storage.location import Location
from emqa_core.storage.process_identity import ProcessIdentity
from emqa_core.storage.store_errors import explain_errors

_LEASES = ("_emqa", "leases")
_CLAIM, _BEAT = "claim-", "beat-"
_BEATS = 6  # within lease_s: a few may be late or lost
_LOOKS = 4  # at a beat, while one is due
_JOIN_S = 5.0  # a beat that comes later hurts nobody
_WATCH_S = 2.0  # longest time between two looks


@dataclass(frozen=True)
class Claim:
    """What the holder of a run says of itself. since: by its own clock, for people. lease_s: how long it may
    be silent.
    """

    token: str
    process: ProcessIdentity
    since: str
    lease_s: float

    @classmethod
    def of_this_process(cls, lease_s: float) -> Claim:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return cls(uuid.uuid4().hex, ProcessIdentity.of_this_process(), now, lease_s)

    @classmethod
    def read(cls, file: Location) -> Claim | None:
        """The claim in a file; None where it is gone. Raises StorageError where it is none."""
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            found = json.loads(data)
            process = ProcessIdentity(**found["process"])
            return cls(str(found["token"]), process, str(found["since"]), float(found["lease_s"]))
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{file.where} is not a lease as emqa writes it",
                next_step="see that no process evaluates this run, then remove the file",
            ) from error

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Lease:
    """The claim of this process to a run, renewed by a thread until it is released.

    Made by `take_lease`. is_takeover: whether it followed a claim whose holder did not end it.
    """

    def __init__(self, folder: Location, run_id: str, number: int, claim: Claim) -> None:
        self.run_id = run_id
        self.is_lost = False
        self.is_takeover = number > 1
        self._folder = folder
        self._number = number
        self._claim = claim
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease of {run_id}", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Look whether this process still holds the run. Raises RunBusyError where another took it over."""
        if not self.is_lost:
            self.is_lost = not self._holds()
        self.require_known()

    def require_known(self) -> None:
        """As `require`, by what the last look saw: costs nothing."""
        if self.is_lost:
            raise RunBusyError(
                f"this process lost run {self.run_id} to another one, which found it silent for"
                f" {self._claim.lease_s:g} s",
                next_step="nothing is lost: see `emqa runs` for the run of the other process, or start this"
                " one again when that one has ended",
            )

    def release(self) -> None:
        """End the claim, so that nobody waits for it."""
        self._released.set()
        self._thread.join(_JOIN_S)
        claim = _claim_file(self._folder, self._number)
        # The claim first: a claim without its beat would be watched.
        own = [claim.url] if self._holds() else []
        self._folder.remove_files([*own, self._beat.url])
        _remove_empty(self._folder)

    @property
    def _beat(self) -> Location:
        return _beat_file(self._folder, self._claim)

    def _holds(self) -> bool:
        if max(_numbers(self._folder), default=0) != self._number:
            return False
        return Claim.read(_claim_file(self._folder, self._number)) == self._claim

    def _renew(self) -> None:
        beat = 0
        while not self._released.wait(self._claim.lease_s / _BEATS):
            beat += 1
            # The store may be away for a while. What counts is looked up before the commit.
            with suppress(StorageError):
                self._beat.write_bytes(str(beat).encode())
                self.is_lost = self.is_lost or not self._holds()


def take_lease(location: Location, run_id: str, waiting: Callable[[str], None]) -> Lease:
    """Claim a run for this process; `waiting` is told in a sentence when another claim must be watched.

    Raises RunBusyError, naming the holder, where another process evaluates the run.
    """
    folder = location.child(*_LEASES, run_id)
    claim = Claim.of_this_process(location.storage.lease_s)
    while True:
        number = max(_numbers(folder), default=0)
        if number and not _is_free(folder, run_id, number, waiting):
            continue
        if not _create(folder, number + 1, claim):
            continue
        kept = {_claim_file(folder, number + 1).name, _beat_file(folder, claim).name}
        names = [name for name in _names(folder) if name.startswith((_CLAIM, _BEAT))]
        folder.remove_files([folder.child(name).url for name in names if name not in kept])
        return Lease(folder, run_id, number + 1, claim)


def remove_claims(location: Location, run_id: str) -> None:
    """Remove what is left of claims on a run that exists, and that nobody evaluates any more."""
    folder = location.child(*_LEASES, run_id)
    if names := _names(folder):
        folder.remove_files([folder.child(name).url for name in names])
        _remove_empty(folder)


def _create(folder: Location, number: int, claim: Claim) -> bool:
    file = _claim_file(folder, number)
    with explain_errors(folder):
        try:
            create_once(file, claim.to_bytes(), is_own=True)
        except FileExistsError:
            return False
    if max(_numbers(folder), default=0) == number:
        return True
    folder.remove_files([file.url])
    return False


def _is_free(folder: Location, run_id: str, number: int, waiting: Callable[[str], None]) -> bool:
    """Whether the holder of a claim is gone; False where the claim itself went meanwhile.

    Raises RunBusyError where the holder lives.
    """
    claim = Claim.read(_claim_file(folder, number))
    if claim is None:
        return False
    if claim.process.is_dead():
        return True
    holder = f"process {claim.process.pid} on {claim.process.host}, since {claim.since} by its clock"
    waiting(f"run {run_id} is claimed by {holder}; watching it for up to {claim.lease_s:g} s")
    seen, begun = _beat(folder, claim), time.monotonic()
    while time.monotonic() - begun < claim.lease_s:
        time.sleep(min(claim.lease_s / _BEATS / _LOOKS, _WATCH_S))
        if max(_numbers(folder), default=0) != number:
            return False
        if claim.process.is_dead():
            return True
        if _beat(folder, claim) != seen:
            raise RunBusyError(
                f"another process evaluates run {run_id}",
                found=holder,
                next_step="wait until it has ended, or end it, then start this command again",
            )
    return True


def _beat(folder: Location, claim: Claim) -> bytes | None:
    try:
        return _beat_file(folder, claim).read_bytes()
    except FileNotFoundError:
        return None


def _claim_file(folder: Location, number: int) -> Location:
    return folder.child(f"{_CLAIM}{number:06d}")


def _beat_file(folder: Location, claim: Claim) -> Location:
    return folder.child(f"{_BEAT}{claim.token}")


def _numbers(folder: Location) -> list[int]:
    return [int(name.removeprefix(_CLAIM)) for name in _names(folder) if name.startswith(_CLAIM)]


def _names(folder: Location) -> list[str]:
    if folder.store != "file":
        return [url.rpartition("/")[2] for url in folder.list()]
    # Names alone: a file that goes while its size is looked up would end fsspec's listing.
    with explain_errors(folder), suppress(FileNotFoundError):
        return os.listdir(folder.path)  # noqa: PTH208 - pathlib's way makes a value of each
    return []


def _remove_empty(folder: Location) -> None:
    """Remove the folders of a disk that are empty; in a store there are none."""
    if folder.store == "file":
        path = Path(folder.path)
        for each in [path, *list(path.parents)[: len(_LEASES)]]:
            with suppress(OSError):
                each.rmdir()
