"""Leases: one holder at a time, the dead are found without comparing clocks, the lost notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emqa_core.config import StorageConfig
from emqa_core.errors import RunBusyError, StorageError
from emqa_core.storage.lease import Claim, Lease, take_lease
from emqa_core.storage.location import Location
from emqa_core.storage.process_identity import ProcessIdentity
from tests.faults.nights import go_on, stop
from tests.processes import Process, running, wait_until

LEASE_S = 2.0


@pytest.fixture
def place(output: Location) -> Location:
    """An output whose holders may be silent for two seconds."""
    return Location.of(output.url, output.storage.model_copy(update={"lease_s": LEASE_S}))


def told(_text: str) -> None:
    pass


def claims(place: Location) -> list[str]:
    return [url for url in place.list() if "/claim-" in url]


def put_claim(place: Location, number: int, **said: object) -> None:
    """A claim as another machine would have left it."""
    elsewhere = {"host": "elsewhere", "machine": "another boot", "pid": os.getpid(), "started": "1"}
    since = "2026-01-01T00:00:00+00:00"
    claim = {"token": "theirs", "process": elsewhere, "since": since, "lease_s": LEASE_S}
    file = place.child("_emqa", "leases", "r1", f"claim-{number:06d}")
    file.write_bytes(json.dumps({**claim, **said}).encode())


class Beating:
    """A holder on another machine, as far as the store shows one."""

    def __init__(self, place: Location) -> None:
        self._file = place.child("_emqa", "leases", "r1", "beat-theirs")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        number = 0
        while not self._ended.wait(LEASE_S / 6):
            number += 1
            self._file.write_bytes(str(number).encode())


def test_a_lease_is_held_once_and_leaves_nothing(place: Location) -> None:
    lease = take_lease(place, "r1", told)
    with pytest.raises(RunBusyError) as caught:
        take_lease(place, "r1", told)
    assert f"process {os.getpid()} on " in str(caught.value)
    lease.require()
    take_lease(place, "r2", told).release()
    lease.release()
    assert place.list() == []
    take_lease(place, "r1", told).release()


@pytest.mark.parametrize("since", ["1999-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_a_living_holder_keeps_its_run_whatever_its_clock_says(place: Location, since: str) -> None:
    put_claim(place, 3, since=since)
    with Beating(place), pytest.raises(RunBusyError) as caught:
        take_lease(place, "r1", told)
    assert f"process {os.getpid()} on elsewhere, since {since} by its clock" in str(caught.value)
    assert len(claims(place)) == 1


@pytest.mark.parametrize("since", ["1999-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_a_silent_holder_elsewhere_is_waited_for_and_then_followed(place: Location, since: str) -> None:
    put_claim(place, 3, since=since)
    place.child("_emqa", "leases", "r1", "beat-theirs").write_bytes(b"77")
    notes: list[str] = []
    begun = time.monotonic()
    lease = take_lease(place, "r1", notes.append)
    assert time.monotonic() - begun >= LEASE_S
    assert "process" in notes[0] and "on elsewhere" in notes[0]
    assert [url.rpartition("/")[2] for url in claims(place)] == ["claim-000004"]
    lease.require()
    lease.release()
    assert place.list() == []


def test_the_holder_s_own_patience_counts(place: Location) -> None:
    """A holder that may be silent for a minute is not judged by somebody who allows himself two seconds."""
    put_claim(place, 1, lease_s=60.0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(take_lease, place, "r1", told)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=3 * LEASE_S)
        place.child("_emqa", "leases", "r1", "beat-theirs").write_bytes(b"1")
        with pytest.raises(RunBusyError):
            waiting.result(timeout=30)


def test_a_holder_that_was_followed_knows_and_takes_nothing_back(place: Location) -> None:
    first = take_lease(place, "r1", told)
    put_claim(place, 2)
    with pytest.raises(RunBusyError, match="lost run r1"):
        first.require()
    with pytest.raises(RunBusyError, match="lost run r1"):
        first.require_known()
    first.release()
    assert "claim-000002" in str(claims(place))


def test_a_holder_finds_out_by_itself(place: Location) -> None:
    lease = take_lease(place, "r1", told)
    lease.require_known()
    put_claim(place, 2)
    deadline = time.monotonic() + 30
    while not lease.is_lost:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lease.release()


def test_a_claim_of_the_same_number_is_not_the_own_one(place: Location) -> None:
    """After others came, finished and left, numbers begin anew."""
    lease = take_lease(place, "r1", told)
    put_claim(place, 1)
    with pytest.raises(RunBusyError):
        lease.require()
    lease.release()
    assert len(claims(place)) == 1


def test_of_many_that_want_a_run_one_gets_it(place: Location) -> None:
    put_claim(place, 5)
    n = 6
    barrier = threading.Barrier(n)

    def take(_: int) -> Lease | None:
        barrier.wait()
        try:
            return take_lease(place, "r1", told)
        except RunBusyError:
            return None

    with ThreadPoolExecutor(n) as threads:
        taken = [lease for lease in threads.map(take, range(n)) if lease is not None]
    assert len(taken) == 1
    taken[0].require()
    taken[0].release()


def test_a_file_that_is_no_lease_is_named(tmp_path: Path) -> None:
    place = Location.of(tmp_path)
    place.child("_emqa", "leases", "r1", "claim-000001").write_bytes(b"")
    with pytest.raises(StorageError, match="claim-000001.*remove the file"):
        take_lease(place, "r1", told)


HOLD = """
import sys, time
from emqa_core.config import StorageConfig
from emqa_core.storage.lease import take_lease
from emqa_core.storage.location import Location
lease = take_lease(Location.of(sys.argv[1], StorageConfig(lease_s=float(sys.argv[2]))), "r1", print)
print("holds", flush=True)
while True:
    time.sleep(0.05)
    lease.require()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Process]:
    """A process that holds r1, and ends when it has lost it."""
    with running([sys.executable, "-c", HOLD, tmp_path / "out", str(LEASE_S)], tmp_path / "log") as process:
        wait_until(lambda: "holds" in process.log.read_text(), process)
        yield process


def test_a_killed_holder_on_this_machine_is_not_waited_for(holder: Process, tmp_path: Path) -> None:
    place = Location.of(tmp_path / "out", StorageConfig(lease_s=600))
    file = next(iter((tmp_path / "out").glob("_emqa/leases/r1/claim-*")))
    file.write_text(json.dumps({**json.loads(file.read_text()), "lease_s": 600.0}))
    holder.kill()
    notes: list[str] = []
    take_lease(place, "r1", notes.append).release()
    assert notes == []


def test_a_stopped_holder_is_followed_and_ends_when_it_goes_on(holder: Process, tmp_path: Path) -> None:
    stop(holder)
    lease = take_lease(Location.of(tmp_path / "out"), "r1", told)
    go_on(holder)
    assert holder.popen.wait(30) == 1
    assert "lost run r1 to another one" in holder.log.read_text()
    lease.require()
    lease.release()


def test_a_pid_that_is_used_again_is_another_process() -> None:
    own = ProcessIdentity.of_this_process()
    assert not own.is_dead()
    assert ProcessIdentity(own.host, own.machine, own.pid, "1").is_dead()
    assert not ProcessIdentity(own.host, "another boot", own.pid, "1").is_dead()
    assert not ProcessIdentity(own.host, "", own.pid, "1").is_dead()


def test_a_process_that_ended_is_dead_also_before_its_parent_looks() -> None:
    own = ProcessIdentity.of_this_process()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        there = ProcessIdentity(own.host, own.machine, child.pid, started)
        assert not there.is_dead()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert there.is_dead()
        child.wait()
        assert there.is_dead()


def test_claims_say_who_and_since_when() -> None:
    claim = Claim.of_this_process(30)
    assert claim.process == ProcessIdentity.of_this_process()
    assert claim.since.endswith("+00:00")
