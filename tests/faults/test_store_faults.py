"""A store that fails for a moment is waited for, one that fails for good is told in one error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emqa_core.errors import StorageError
from emqa_core.storage.delta import open_table
from emqa_core.storage.location import Location
from emqa_core.storage.runs import read_run
from tests.command import emqa
from tests.faults.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.faults.faulted_runs import (
    NAMES,
    FaultInputs,
    Undisturbed,
    assert_finished,
    assert_one_error,
    injected,
)
from tests.faults.polling_reader import PollingReader
from tests.oracles.same_run import OF_A_RUN, differences, tables_of
from tests.seaweed import S3Store

pytestmark = [pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENT_S, HASTY_S = 12.0, 2.0


@pytest.fixture(scope="module")
def proxy(s3: S3Store) -> Iterator[FaultProxy]:
    with fault_proxy(s3.endpoint) as started:
        yield started


def command(inputs: FaultInputs, output: str, proxy: FaultProxy, timeout_s: float, *more: str) -> list[str]:
    options = (f"storage.endpoint_url={proxy.endpoint}", f"storage.timeout_s={timeout_s}", *more)
    return inputs.command(output, *options)


A_PART = "PUT .*/prediction/run_id="
PASSING = {
    "a fifth of all requests answered 500": Fault("500", share=0.2),
    "a fifth of all connections reset": Fault("reset", share=0.2),
    "a tenth of all answers cut": Fault("cut", "GET", share=0.1),
    "the first puts of each commit answered 503": Fault("503", "PUT", "_delta_log", first_of_each=2),
    "puts without an answer": Fault(
        "stall", "PUT", "(label|prediction)/run_id=.*part-00001", first_of_each=1
    ),
}
LASTING = {
    "500": (Fault("500", begins=A_PART), "keeps answering with errors; found"),
    "503": (Fault("503", begins=A_PART), "keeps answering with errors; found"),
    "reset": (Fault("reset", begins=A_PART), "cannot be reached; found"),
    "stall": (Fault("stall", begins=A_PART), "cannot be reached; found"),
    "commits only": (
        Fault("stall", "PUT", "_delta_log", begins="PUT .*/frame/_delta_log"),
        "cannot be reached; found",
    ),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_waited_for(
    fault: Fault,
    s3: S3Store,
    proxy: FaultProxy,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = s3.folder()
    reader.watch(output, undisturbed.rows)
    with proxy.failing(fault):
        answer = emqa(capsys, *command(inputs, output, proxy, PATIENT_S))
    assert len(proxy.injected) > 1
    assert_finished(answer, output, undisturbed, reader)


def test_a_store_that_is_away_for_a_moment(
    s3: S3Store,
    proxy: FaultProxy,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = s3.folder()
    reader.watch(output, undisturbed.rows)

    def go_away_and_come_back() -> None:
        proxy.wait_for_fault()
        proxy.refuse()
        time.sleep(1.0)
        proxy.listen()

    with (
        proxy.failing(Fault("reset", path="/prediction/run_id=", first_of_each=1)),
        injected(go_away_and_come_back),
    ):
        answer = emqa(capsys, *command(inputs, output, proxy, PATIENT_S))
    assert_finished(answer, output, undisturbed, reader)


@pytest.mark.parametrize("answer", ["lose", "fail_after"])
def test_a_commit_whose_answer_is_lost_is_made_once(
    answer: str,
    s3: S3Store,
    proxy: FaultProxy,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every commit's first put arrives, in new tables and in tables that there are, and no answer says so."""
    output = s3.folder()
    filled = {name for name, n_rows in undisturbed.rows.items() if n_rows}
    nights = ("2026-02-27", "2026-02-28")
    reader.watch(output, undisturbed.rows)
    for n_before, night in enumerate(nights):
        with proxy.failing(Fault(answer, "PUT", f"_delta_log/{n_before:020d}.json", first_of_each=1)):
            words = command(inputs, output, proxy, PATIENT_S, f"run_date={night}")
            done = emqa(capsys, *words)
        assert done.code == 0, done.err
        assert {path.split("/")[-3] for path in proxy.injected} >= filled
    assert reader.problems(output, n_runs=2) == []
    for name, n_rows in undisturbed.rows.items():
        table = open_table(Location.of(output), name)
        assert table is not None
        assert table.version() == (1 if name in filled else 0)  # a transaction for each run that has rows
        assert table.to_pyarrow_table().num_rows == 2 * n_rows


@pytest.mark.parametrize(("fault", "message"), LASTING.values(), ids=LASTING.keys())
def test_what_lasts_is_one_error_and_no_run(
    fault: Fault,
    message: str,
    s3: S3Store,
    proxy: FaultProxy,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = s3.folder()
    reader.watch(output, undisturbed.rows)
    with proxy.failing(fault):
        failed = emqa(capsys, *command(inputs, output, proxy, HASTY_S))
    assert_one_error(failed, StorageError.exit_code, output, proxy.endpoint, message)
    assert reader.problems(output, n_runs=0) == []
    if "_delta_log" in fault.path:  # some tables have rows of this attempt
        reader.watch(output, undisturbed.rows)
        again = emqa(capsys, *command(inputs, output, proxy, PATIENT_S))
        assert_finished(again, output, undisturbed, reader)


def test_a_store_that_is_away_for_good_after_the_last_commit(
    s3: S3Store,
    proxy: FaultProxy,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command cannot know that the run is there; the next one finds it."""
    output = s3.folder()
    reader.watch(output, undisturbed.rows)

    def go_away() -> None:
        proxy.wait_for_fault()
        proxy.refuse()

    words = command(inputs, output, proxy, HASTY_S)
    try:
        with proxy.failing(Fault("lose", "PUT", "/run/_delta_log/")), injected(go_away):
            failed = emqa(capsys, *words)
    finally:
        proxy.listen()
    assert_one_error(failed, StorageError.exit_code, output, "cannot be reached")
    assert reader.problems(output, n_runs=1) == []
    reader.watch(output, undisturbed.rows)
    again = emqa(capsys, *words, "--json")
    assert again.json["runs"][0]["committed_before"]
    assert_finished(again, output, undisturbed, reader)


def test_inputs_in_the_store(
    s3: S3Store,
    proxy: FaultProxy,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Answers that break off are read again, for a time; then the store is named, and not the file."""
    stored = FaultInputs(s3.folder())
    for name in NAMES:
        Location.of(stored.path(name)).write_bytes(Path(inputs.path(name)).read_bytes())
    with proxy.failing(Fault("cut", "GET", r"\.parquet", share=0.4)):
        answer = emqa(capsys, *command(stored, str(tmp_path / "eval"), proxy, PATIENT_S))
    assert len(proxy.injected) > 1
    assert answer.code == 0, answer.err
    # The store's tags stand for the content of its files, so that the run has another id.
    run = read_run(str(tmp_path / "eval"))
    assert differences(tables_of(run), undisturbed.tables, apart=OF_A_RUN) == []
    with proxy.failing(Fault("cut", "GET", "labels.parquet")):
        failed = emqa(capsys, *command(stored, str(tmp_path / "none"), proxy, HASTY_S))
    assert_one_error(failed, StorageError.exit_code, stored.path("labels"), "cannot be reached; found")
    assert not (tmp_path / "none").exists()
