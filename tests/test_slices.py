"""Slices: the worst regions of one metric or two, with counts, intervals and p-values of naive loops."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.reductions.slice_counts import RegionSums, SliceRows
from tests.oracles.slice_rows import Slice, is_wrong_at, one_sided_p, slice_of
from tests.oracles.synthetic import make_data_set

METRICS = ["object_area_px2", "object_aspect_ratio", "frame_darkness", "frame_weather", "visibility"]


@cache
def _run() -> Any:
    data = make_data_set(150, crowds=True)
    return evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        iou_thresholds=[0.5],
        metrics=[*METRICS, "object_random", "frame_random"],
    )


@cache
def _slices() -> list[tuple[dict[str, Any], Slice]]:
    return [(row, slice_of(_run(), row)) for row in _run().table("slice").to_pylist()]


def test_there_are_slices_of_one_metric_and_of_two_of_either_target() -> None:
    kinds = {(row["target"], row["metric_other"] is None) for row, _ in _slices()}
    assert {target for target, _ in kinds} == {"prediction", "label"}
    assert {is_single for _, is_single in kinds} == {True, False}


def test_outcomes_are_at_the_score_of_the_best_f1() -> None:
    performance = _run().to_pandas("class_performance")
    pooled = performance[(performance["scope"] == "all") & (performance["area_range"] == "all")]
    best = pooled["best_score_threshold"].dropna().unique()
    assert len(best) == 1 and best[0] > _run().to_pandas("prediction")["score"].min()
    assert {row["score_threshold"] for row, _ in _slices()} == set(best)
    assert all(f" at scores of {best[0]:.3g} and more, elsewhere" in row["text"] for row, _ in _slices())


def test_counts_rates_and_intervals_are_those_of_the_rows() -> None:
    for row, rows in _slices():
        n, wrong = len(rows.inside), sum(is_wrong for _, is_wrong in rows.inside)
        n_rest = len(rows.compared[0]) - n
        rest = (sum(is_wrong for _, is_wrong in rows.compared[0]) - wrong) / n_rest
        rate, (low, high) = wrong / n, rows.interval()
        whole = _run().table(row["target"]).to_pylist()
        all_wrong = sum(is_wrong_at(each, row["target"], row["score_threshold"]) or False for each in whole)
        hits = wrong
        if row["target"] == "prediction":
            hits, rate, rest, low, high = n - wrong, 1 - rate, 1 - rest, 1 - high, 1 - low
        assert (row["n"], row["n_hit"]) == (n, hits)
        expected = (rate, low, high, rest, rate - rest, wrong / all_wrong)
        names = ("rate", "rate_low", "rate_high", "rate_rest", "effect", "share")
        assert [row[name] for name in names] == pytest.approx(expected, rel=1e-9), row["text"]
        assert 25 <= n <= len(rows.compared[0]) / 2


def test_evidence_is_that_of_frames_and_of_both_ranges() -> None:
    for row, rows in _slices():
        assert row["z"] == pytest.approx(rows.z(), rel=1e-9)
        assert row["p_value"] == pytest.approx(one_sided_p(rows.z()), rel=1e-9)
        assert row["p_value"] <= row["p_adjusted"] <= min(1.0, row["p_value"] * row["n_tested"] * (1 + 1e-12))
        assert row["is_significant"] == (row["p_adjusted"] < 0.05)


def test_the_worst_come_first_and_none_twice() -> None:
    for target in ("prediction", "label"):
        own = [(row, rows) for row, rows in _slices() if row["target"] == target]
        assert [row["rank"] for row, _ in own] == list(range(1, len(own) + 1))
        least = []
        for row, _ in own:
            half = (row["effect_high"] - row["effect_low"]) / 2
            assert abs(row["effect"]) > half
            assert half / 1.96 <= abs(row["effect"]) / row["z"] * (1 + 1e-3)  # z is the least of several
            least.append(abs(row["effect"]) - 4 * half / 1.959963984540054)
        keys = [(not row["is_significant"], -each) for (row, _), each in zip(own, least, strict=True)]
        assert keys == sorted(keys)
        for index, (_, one) in enumerate(own):
            for _, other in own[:index]:
                assert 2 * len(one.keys & other.keys) <= min(len(one.keys), len(other.keys))


def _planted(n_frames: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Labels are missed where x is above 0.8 in frames whose z is below 0.2, else seldom."""
    rng = np.random.default_rng(4)
    frames = pd.DataFrame(
        {"frame_id": np.arange(n_frames), "width_px": 900.0, "height_px": 90.0, "z": rng.random(n_frames)}
    )
    n = 12 * n_frames
    of_frame, place = np.divmod(np.arange(n), 12)
    labels = pd.DataFrame(
        {
            "frame_id": of_frame, "class_id": 1, "label_id": np.arange(1, n + 1), "x_px": place * 70.0,
            "y_px": 5.0, "width_px": 50.0, "height_px": 50.0, "x": rng.random(n),
        }
    )  # fmt: skip
    is_bad = (labels["x"] > 0.8) & (frames["z"].to_numpy()[of_frame] < 0.2)
    found = labels[rng.random(n) > np.where(is_bad, 0.8, 0.2)].drop(columns="label_id")
    predictions = found.assign(score=0.9, prediction_id=np.arange(len(found)))
    return frames, labels, predictions


def test_a_planted_region_is_found() -> None:
    frames, labels, predictions = _planted(300)
    run = evaluate(
        frames=frames, labels=labels, predictions=predictions, iou_thresholds=[0.5],
        metrics=["x", "frame_z", "object_random", "frame_random"],
    )  # fmt: skip
    first = run.table("slice").to_pylist()[0]
    assert first["target"] == "label" and first["is_significant"]
    assert {first["metric"], first["metric_other"]} == {"x", "frame_z"}
    of_x, of_z = ("", "_other") if first["metric"] == "x" else ("_other", "")
    assert first[f"lower{of_x}"] == pytest.approx(0.8, abs=0.08) and first[f"upper{of_x}"] is None
    assert first[f"upper{of_z}"] == pytest.approx(0.2, abs=0.08) and first[f"lower{of_z}"] is None
    assert first["rate"] == pytest.approx(0.8, abs=0.08)
    assert first["text"].startswith(f"Of {first['n']} labels with") and "are missed" in first["text"]


@pytest.mark.parametrize("option", [{"slice_metrics": 0}, {"metrics": ["none"]}])
def test_no_search_no_slices(option: dict[str, Any]) -> None:
    frames, labels, predictions = _planted(40)
    run = evaluate(frames=frames, labels=labels, predictions=predictions, **option)
    assert run.table("slice").num_rows == 0


def test_sums_of_frames_of_any_length_are_those_of_a_loop_over_rows() -> None:
    """Empty frames, frames of one row and of more rows than a word has bits, rows without a metric."""
    rng = np.random.default_rng(4)
    n_of_frame = rng.choice([0, 1, 5, 63, 64, 65, 200], 60)
    frame = np.repeat(np.arange(60), n_of_frame)
    kind = rng.integers(0, 3, len(frame)).astype(np.uint8)
    bins = rng.integers(-1, 10, (len(frame), 3)).astype(np.int8)
    regions = np.array([(0, 2, 5, -1, 0, 0), (1, 0, 4, 0, 3, 3), (2, 9, 9, 1, 5, 9), (1, 7, 7, 2, 0, 2)])
    start = np.concatenate([[0], np.cumsum(n_of_frame)])
    found = RegionSums.of(SliceRows(start, kind, bins), regions)
    inside = []
    for region, sums in zip(regions.tolist(), found.sums, strict=True):
        own, first, last, other, other_first, other_last = region
        has = (kind > 0) & (bins[:, own] >= 0)
        in_own = (bins[:, own] >= first) & (bins[:, own] <= last)
        in_other = np.ones(len(frame), bool)
        if other >= 0:
            has &= bins[:, other] >= 0
            in_other = (bins[:, other] >= other_first) & (bins[:, other] <= other_last)
        inside.append(has & in_own & in_other)
        compared = (has, has & in_own, has & in_other) if other >= 0 else (has,)
        for rows, numbers in zip(compared, sums, strict=False):
            n_r, n_o = (np.bincount(frame[mask], minlength=60) for mask in (inside[-1], rows))
            y_r, y_o = (np.bincount(frame[mask & (kind == 2)], minlength=60) for mask in (inside[-1], rows))
            products = [(n_r, n_r), (n_r, y_r), (y_r, y_r), (n_r, n_o), (n_r, y_o), (y_r, n_o), (y_r, y_o)]
            products += [(n_o, n_o), (n_o, y_o), (y_o, y_o)]
            whole = [n_r.sum(), y_r.sum(), n_o.sum(), y_o.sum(), (n_r > 0).sum(), (n_o > 0).sum()]
            assert numbers.tolist() == [*whole, *((a * b).sum() for a, b in products)]
    together = [[int((a & b).sum()) for b in inside] for a in inside]
    assert found.overlap.tolist() == np.tril(together).tolist()


def test_a_region_above_a_frequent_lowest_value_says_so() -> None:
    """Three quarters are 0, and all of these are found: the worst region is what lies above."""
    frames, labels, predictions = _planted(120)
    rng = np.random.default_rng(6)
    depth = np.where(rng.random(len(labels)) < 0.75, 0.0, rng.random(len(labels)))
    labels = labels.drop(columns="x").assign(depth=depth)
    found = labels[(depth == 0) | (rng.random(len(labels)) < 0.4)].drop(columns="label_id")
    predictions = found.assign(score=0.9, prediction_id=np.arange(len(found)))
    run = evaluate(
        frames=frames, labels=labels, predictions=predictions, iou_thresholds=[0.5],
        metrics=["depth", "object_random"],
    )  # fmt: skip
    first = run.table("slice").to_pylist()[0]
    assert (first["metric"], first["metric_other"]) == ("depth", None)
    assert first["lower"] is not None and "with depth above " in first["text"]
    assert slice_of(run, first).counts() == (first["n"], first["n_hit"])
