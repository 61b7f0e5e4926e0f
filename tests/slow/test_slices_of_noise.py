"""Metrics without effect give no slices, however luck is shared in frames."""

from __future__ import annotations

import pytest

from emqa_core import evaluate
from tests.oracles.clustered import CONTROLS, draw

DATA_SETS = 150


@pytest.mark.timeout(900)
def test_noise_gives_no_significant_slice() -> None:
    with_slice = 0
    for seed in range(DATA_SETS):
        frames, labels, predictions = draw(300, seed)
        run = evaluate(
            frames=frames.drop(columns="z"),
            labels=labels.drop(columns="x"),
            predictions=predictions.drop(columns="x"),
            iou_thresholds=[0.5],
            metrics=["noise", "frame_noise", *CONTROLS],
        )
        with_slice += any(run.table("slice")["is_significant"].to_pylist())
    assert with_slice <= 0.05 * DATA_SETS
