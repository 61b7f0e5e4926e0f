"""The projection of memory holds: a fresh process stays below it, and it is not three times too high."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.generate import write
from emqa_core.pipeline.partitioning import PartitionRows, RowDensity, evaluate_bytes
from tests.data import ROOT

PROGRAM = """
import json, sys
from emqa_core.config import config_from
from emqa_core.pipeline.evaluate import evaluate_plan
from emqa_core.pipeline.plan import plan_run
from emqa_core.pipeline.progress import SilentProgress

plan = plan_run(config_from(json.loads(sys.argv[1])))
assert plan.n_partitions == int(sys.argv[2]), plan.n_partitions
evaluate_plan(plan, SilentProgress())
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps([peak * 1024, plan.projected_bytes]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the peak in /proc")
@pytest.mark.parametrize(
    ("partition_predictions", "n_partitions", "metrics"),
    [(60_000, 4, "all"), (250_000, 1, "all"), (250_000, 1, "none")],
)
def test_a_fresh_process_stays_within_its_projection(
    tmp_path_factory: pytest.TempPathFactory, partition_predictions: int, n_partitions: int, metrics: str
) -> None:
    data = write("S", tmp_path_factory.getbasetemp(), as_json=(), clustered=True)
    options = {
        "labels": str(data / "label.parquet"),
        "predictions": {"m": str(data / "prediction.parquet")},
        "frames": str(data / "frame.parquet"),
        "output": str(tmp_path_factory.mktemp("eval")),
        "metrics": [metrics],
        "cluster": {"address": "none", "partition_predictions": partition_predictions},
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(options), str(n_partitions)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak, projected = json.loads(done.stdout)
    assert projected / 3 <= peak <= projected


def test_rows_of_other_partitions_in_a_row_group_and_wide_rows_take_memory() -> None:
    """A partition of 1,000 rows in a row group of 1,000,000 rows of 56 bytes reads all of it."""
    none = PartitionRows(np.array([0.0]), np.array([0]))
    alone = PartitionRows(np.array([1_000.0]), np.array([56_000]))
    shared = PartitionRows(np.array([1_000.0]), np.array([56_000_000]))
    few, many = (float(evaluate_bytes([rows], none, 0)[0]) for rows in (alone, shared))
    assert 50e6 < many - few < 150e6


def test_a_density_is_the_highest_of_all_models() -> None:
    """Frames 0-3 and 4-7 with 8 and 0 rows of one model, 4 and 4 of another: 8 and 4."""
    one = RowDensity(np.array([0, 4, 8]), np.array([0.0, 8.0, 8.0]))
    two = RowDensity(np.array([0, 8]), np.array([0.0, 8.0]))
    assert RowDensity.highest([one, two], 8).before(np.array([0, 2, 4, 6, 8])).tolist() == [0, 4, 8, 10, 12]
