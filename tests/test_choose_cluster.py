"""Where a run runs by itself: by size, and by what the machine has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emqa_core import evaluate
from emqa_core.config import ClusterConfig
from emqa_core.pipeline.choose_cluster import Machine, choose_cluster
from emqa_core.pipeline.cluster import open_executor
from emqa_core.pipeline.progress import SilentProgress
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import make_data_set

GIB = 1 << 30
LARGE = Machine(n_cores=8, memory_bytes=64 * GIB)


def chosen(machine: Machine, n: int, unclustered: int = 0, **options: Any) -> tuple[str, int | None, str]:
    cluster, reason = choose_cluster(ClusterConfig(**options), n, unclustered, lambda: machine)
    assert reason is not None and "\n" not in reason
    return cluster.address, cluster.workers, reason


@pytest.mark.parametrize(
    ("n", "unclustered", "options", "expected"),
    [
        (4_999_999, 0, {}, ("none", None)),
        (5_000_000, 0, {}, ("local", 8)),
        (700, 0, {"local_from_predictions": 700}, ("local", 2)),  # not more workers than partitions
        (700, 2 * GIB, {}, ("local", 2)),  # three times as much is not held in 4 GiB
        (700, 1 * GIB, {}, ("none", None)),
        (50_000_000, 0, {"workers": 3}, ("local", 3)),
        (50_000_000, 0, {"memory_per_worker_mib": 16 * 1024}, ("local", 3)),
        (50_000_000, 0, {"partitions": 4}, ("local", 4)),
    ],
)
def test_size_decides(
    n: int, unclustered: int, options: dict[str, Any], expected: tuple[str, int | None]
) -> None:
    *found, reason = chosen(LARGE, n, unclustered, **options)
    assert tuple(found) == expected
    assert f"--cluster {'none' if expected[0] == 'local' else 'local'}" in reason


@pytest.mark.parametrize(
    ("machine", "found"),
    [(Machine(1, 64 * GIB), "1 core and 65,536 MiB"), (Machine(8, 8 * GIB), "8 cores and 8,192 MiB")],
)
def test_without_room_for_two_workers_it_stays_here(machine: Machine, found: str) -> None:
    address, workers, reason = chosen(machine, 50_000_000)
    assert (address, workers) == ("none", None)
    assert "two workers need 9,216 MiB" in reason and found in reason


@pytest.mark.parametrize("address", ["none", "local", "tcp://host:8786"])
def test_what_is_said_is_done(address: str) -> None:
    cluster = ClusterConfig(address=address)
    assert choose_cluster(cluster, 10**9, 10**12, lambda: LARGE) == (cluster, None)


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.mark.cluster
@pytest.mark.slow
def test_both_ways_give_one_run(tmp_path: Path) -> None:
    """The same digest and tables; once it is committed nobody is told where it would run."""
    data = make_data_set(40)
    tables = {"frames": data.frames, "labels": data.labels, "predictions": data.predictions}
    runs, notes = [], Notes()
    for number, threshold in enumerate((10**9, 1)):
        cluster = {
            "local_from_predictions": threshold,
            "workers": 2,
            "memory_per_worker_mib": 1024,
            "partitions": 3,
        }
        options = {"run_date": "2026-03-01", "cluster": cluster, "progress": notes, "report": False}
        runs.append(evaluate(**tables, **options, output=str(tmp_path / str(number))))
    assert [run.row()["cluster"] for run in runs] == ["none", "local"]
    assert runs[0].run_id == runs[1].run_id
    assert differences(tables_of(runs[1]), tables_of(runs[0])) == []
    assert [text.partition(":")[0] for text in notes.texts] == [
        "runs in this process",
        "runs on 2 workers of this machine",
    ]
    again = evaluate(**tables, **options, output=str(tmp_path / "1"))
    assert again.run_id == runs[1].run_id
    assert len(notes.texts) == 3 and notes.texts[2].startswith("already complete")


@pytest.mark.cluster
def test_a_local_cluster_takes_what_the_machine_has() -> None:
    cluster = ClusterConfig(address="local", memory_per_worker_mib=512)
    with open_executor(cluster) as executor:
        assert executor.n_workers == max(1, Machine.here().n_workers(cluster))
