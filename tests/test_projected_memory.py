"""The projection of memory holds: a fresh process stays below it, and it is not three times too high."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

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


def _peak_and_projection(options: dict[str, object], n_partitions: int) -> tuple[int, int]:
    """Bytes that a fresh process took at most for a run, and what its plan projected."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(options), str(n_partitions)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak, projected = json.loads(done.stdout)
    return peak, projected


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
    peak, projected = _peak_and_projection(options, n_partitions)
    assert projected / 3 <= peak <= projected


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the peak in /proc")
def test_large_images_stay_within_the_projection(tmp_path: Path) -> None:
    """Images of 24 million pixels, one of them with 16 bits: decoded one at a time, as the plan says."""
    width, height = 6_000, 4_000
    ramp = np.add.outer(np.arange(height), np.arange(width)) % 251
    pixels = np.repeat(ramp.astype(np.uint8)[:, :, None], 3, axis=2)
    for name in ("a.jpg", "b.png", "c.webp"):
        Image.fromarray(pixels).save(tmp_path / name, quality=90, compress_level=1)
    Image.fromarray((ramp * 250).astype(np.uint16)).save(tmp_path / "d.png", compress_level=1)
    names = ["a.jpg", "b.png", "c.webp", "d.png"]
    pd.DataFrame(
        {"frame_id": range(4), "width_px": width, "height_px": height, "image_uri": names}
    ).to_parquet(tmp_path / "frames.parquet")
    box = {
        "frame_id": range(4),
        "class_id": 1,
        "x_px": 10.0,
        "y_px": 10.0,
        "width_px": 5_000.0,
        "height_px": 3_000.0,
    }
    pd.DataFrame(box).to_parquet(tmp_path / "labels.parquet")
    pd.DataFrame({**box, "score": 0.5}).to_parquet(tmp_path / "predictions.parquet")
    options = {
        "labels": str(tmp_path / "labels.parquet"),
        "predictions": {"m": str(tmp_path / "predictions.parquet")},
        "frames": str(tmp_path / "frames.parquet"),
        "images": {"root": str(tmp_path)},
        "output": str(tmp_path / "eval"),
        "metrics": ["all"],
        "cluster": {"address": "none"},
    }
    peak, projected = _peak_and_projection(options, 1)
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
