"""The nightly flow against a real Prefect server: run, repeated, failing, deployed, and fired by cron."""

from __future__ import annotations

import datetime
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emqa_core.errors import ConfigError, InputError, StorageError
from emqa_core.storage.runs import read_run
from tests.flow_inputs import write_tiny
from tests.processes import BIN, prefect_server, running, wait_until

# Prefect's programs take seconds to start, and many times that on a busy machine.
pytestmark = [pytest.mark.prefect, pytest.mark.timeout(400)]
NIGHT = datetime.date(2026, 3, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with prefect_server(tmp_path_factory.mktemp("prefect")) as env:
        yield env


@pytest.fixture
def connected(server: dict[str, str]) -> Iterator[None]:
    """Flows of this process use the server."""
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    # Logs are sent in the background, when the server may have gone already.
    settings = {PREFECT_API_URL: server["PREFECT_API_URL"], PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(settings):
        yield


def ask(server: dict[str, str], path: str, body: object = None, method: str | None = None) -> Any:
    """The server's answer to a REST request: GET, or POST with a body."""
    data = None if body is None else json.dumps(body).encode()
    url = f"{server['PREFECT_API_URL']}/{path}"
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    for attempt in range(10):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
            return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            # SQLite was busy; Prefect's own clients try again too.
            if error.code != 503 or attempt == 9:
                raise
            time.sleep(0.5)
    raise AssertionError


def artifacts_of(server: dict[str, str], flow_run_id: str) -> dict[str, dict[str, Any]]:
    found = ask(server, "artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}})
    return {artifact["key"]: artifact for artifact in found}


def test_the_flow_commits_a_run_and_shows_it(connected: None, server: dict[str, str], tmp_path: Path) -> None:
    from flows.nightly import nightly

    state = nightly(config=str(write_tiny(tmp_path)), run_date=NIGHT, return_state=True)
    [run_id] = state.result()
    run = read_run(str(tmp_path / "eval"))
    assert run.run_id == run_id
    assert run.row()["run_date"] == NIGHT

    artifacts = artifacts_of(server, str(state.state_details.flow_run_id))
    assert artifacts["emqa-progress"]["data"] == 100.0
    text = artifacts["emqa-result-tiny-cat"]["data"]
    assert "# Tiny Cat on labels" in text
    # Three of four labels are found, three of five predictions are right.
    assert "| recall | 0.750 |" in text
    assert "| precision | 0.600 |" in text
    assert run_id in text
    assert str(tmp_path / "eval") in text
    rows = json.loads(artifacts["emqa-importance-tiny-cat"]["data"])
    assert {"metric", "importance", "correlation", "reason"} <= set(rows[0])
    assert {row["target"] for row in rows} == {"frame", "label", "prediction"}


def test_each_stage_is_one_task(connected: None, server: dict[str, str], tmp_path: Path) -> None:
    from flows.nightly import nightly

    config = str(write_tiny(tmp_path))
    state = nightly(config=config, overrides=["cluster.partitions=3"], run_date=NIGHT, return_state=True)
    names = [
        "plan",
        "take leases",
        "prepare output",
        "evaluate partitions",
        "reduce scores",
        "count metrics",
        "finalize tables",
        "commit runs",
        "write pages",
    ]
    assert task_names(server, str(state.state_details.flow_run_id)) == sorted([*names, "publish results"])


def task_names(server: dict[str, str], flow_run_id: str) -> list[str]:
    """Names of a flow run's tasks; the server records them a moment after they have ended."""
    chosen = {"task_runs": {"flow_run_id": {"any_": [flow_run_id]}}}
    names: list[str] = []
    for _ in range(100):
        found = [run["name"].rpartition("-")[0] for run in ask(server, "task_runs/filter", chosen)]
        if found and len(found) == len(names):
            break
        names = found
        time.sleep(0.3)
    return sorted(names)


def test_a_repeated_night_is_not_evaluated_again(
    connected: None, server: dict[str, str], tmp_path: Path
) -> None:
    from flows.nightly import nightly

    config = str(write_tiny(tmp_path))
    first = nightly(config=config, run_date=NIGHT)
    finished = read_run(str(tmp_path / "eval")).row()["finished_at"]
    state = nightly(config=config, run_date=NIGHT, return_state=True)
    assert state.result() == first
    assert read_run(str(tmp_path / "eval")).row()["finished_at"] == finished
    flow_run_id = str(state.state_details.flow_run_id)
    assert task_names(server, flow_run_id) == [
        "plan",
        "publish results",
        "read complete runs",
        "take leases",
        "write pages",
    ]
    assert "emqa-result-tiny-cat" in artifacts_of(server, flow_run_id)


def test_a_failed_flow_says_why(connected: None, server: dict[str, str], tmp_path: Path) -> None:
    from flows.nightly import nightly

    config = write_tiny(tmp_path)
    (tmp_path / "predictions.json").write_text("[{")
    state = nightly(config=str(config), return_state=True)
    assert state.is_failed()
    run = ask(server, f"flow_runs/{state.state_details.flow_run_id}")
    assert "InputError" in run["state"]["message"]
    assert str(tmp_path / "predictions.json") in run["state"]["message"]


def test_a_failed_command_leaves_with_its_exit_code(
    connected: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.nightly import main

    config = write_tiny(tmp_path)
    (tmp_path / "predictions.json").unlink()
    assert main(["--config", str(config)]) == InputError.exit_code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert str(tmp_path / "predictions.json") in last


def test_the_night_is_the_one_the_run_was_scheduled_for(tmp_path: Path) -> None:
    from flows.nightly import read_options

    config = str(write_tiny(tmp_path))
    scheduled = datetime.date(2026, 3, 2)
    assert read_options(config, [], None, scheduled).run_date == scheduled
    assert read_options(config, [], NIGHT, scheduled).run_date == NIGHT
    assert read_options(config, ["run_date=2026-02-28"], None, scheduled).run_date == datetime.date(
        2026, 2, 28
    )
    assert read_options(config, ["iou_threshold=0.75"], None, scheduled).iou_threshold == 0.75


def test_a_late_run_stands_for_the_night_it_was_scheduled_for(connected: None, tmp_path: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import Scheduled

    from flows.nightly import nightly

    parameters = {"config": str(write_tiny(tmp_path))}
    two_hours_to_midnight = datetime.datetime(2026, 2, 28, 22, tzinfo=datetime.UTC)
    with get_client(sync_client=True) as client:
        scheduled = client.create_flow_run(
            nightly, parameters=parameters, state=Scheduled(scheduled_time=two_hours_to_midnight)
        )
    run_flow(nightly, flow_run=scheduled, parameters=parameters)
    assert read_run(str(tmp_path / "eval")).row()["run_date"] == datetime.date(2026, 2, 28)


def test_an_absent_configuration_is_named() -> None:
    from flows.nightly import read_options

    with pytest.raises(ConfigError, match=r"cannot read the configuration absent\.yaml"):
        read_options("absent.yaml", [], None, NIGHT)


@pytest.mark.parametrize(
    ("error", "attempts"), [(StorageError("the store is away"), 3), (InputError("a bad file"), 1)]
)
def test_stages_are_repeated_after_trouble_with_the_store_only(
    connected: None, error: Exception, attempts: int
) -> None:
    from prefect import flow

    from flows.tasks import as_task

    calls: list[int] = []

    def fails_twice() -> str:
        calls.append(len(calls))
        if len(calls) < 3:
            raise error
        return "done"

    stage = as_task("fails twice", fails_twice, (0.0, 0.0))

    @flow(persist_result=False)
    def one_stage() -> str:
        return stage()

    state = one_stage(return_state=True)
    assert len(calls) == attempts
    assert state.is_completed() == (attempts == 3)


def test_progress_grows_through_the_stages() -> None:
    from flows.artifacts import STAGE_SHARES, ArtifactProgress

    assert sum(STAGE_SHARES.values()) == pytest.approx(1)

    class Recorder(ArtifactProgress):
        shown: list[float]

        def _show(self, stage: str) -> None:
            self.shown = [*getattr(self, "shown", []), self.percentage(stage)]

    progress = Recorder()
    steps = [("read", 1, 0), ("evaluate", 4, 4), ("reduce", 1, 1), ("count", 2, 2), ("slices", 1, 1)]
    steps += [("finalize", 2, 1), ("report", 1, 1)]
    for stage, total, advances in steps:
        progress.start(stage, total)
        for _ in range(advances):
            progress.advance(stage)
        progress.finish(stage)  # whether every step was reported or not
    assert progress.shown == sorted(progress.shown)
    assert progress.shown[0] == 0
    assert progress.shown[-1] == 100
    assert 24.5 in progress.shown  # read, and one of four partitions: 10 + 58 / 4


def test_models_get_artifact_keys_that_prefect_accepts() -> None:
    from flows.artifacts import artifact_key

    assert artifact_key("YOLO v8.1_large") == "yolo-v8-1-large"
    assert artifact_key("模型") == "model"


def test_the_deployment_fires_by_cron_and_completes(server: dict[str, str], tmp_path: Path) -> None:
    ask(server, "work_pools/", {"name": "emqa", "type": "process"})
    start_worker = [BIN / "prefect", "worker", "start", "--pool", "emqa", "--type", "process", "--limit", "1"]
    env = {**server, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with running(start_worker, tmp_path / "worker.log", env) as worker:
        with running([BIN / "prefect", "deploy", "--all"], tmp_path / "deploy.log", server) as deploy:
            assert deploy.popen.wait(timeout=120) == 0, deploy.log.read_text()
        deployment = ask(server, "deployments/name/nightly/nightly")
        assert [each["schedule"]["cron"] for each in deployment["schedules"]] == ["0 2 * * *"]

        # Of the six fields the last are seconds: spare the test the wait for a full minute.
        path = f"deployments/{deployment['id']}"
        ask(server, path, {"parameters": {"config": str(write_tiny(tmp_path))}}, "PATCH")
        often = {"schedule": {"cron": "* * * * * */5", "timezone": "UTC"}, "active": True}
        ask(server, f"{path}/schedules", [often])
        chosen = {
            "deployments": {"id": {"any_": [deployment["id"]]}},
            "flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        wait_until(lambda: bool(ask(server, "flow_runs/filter", chosen)), worker, timeout_s=120)
    fired = ask(server, "flow_runs/filter", chosen)[0]
    assert fired["state"]["type"] == "COMPLETED", worker.log.read_text()
    assert fired["auto_scheduled"]
    scheduled = datetime.datetime.fromisoformat(fired["expected_start_time"])
    assert scheduled.second % 5 == 0
    assert read_run(str(tmp_path / "eval")).row()["run_date"] == scheduled.date()
    assert {"emqa-progress", "emqa-result-tiny-cat", "emqa-importance-tiny-cat"} <= set(
        artifacts_of(server, fired["id"])
    )
