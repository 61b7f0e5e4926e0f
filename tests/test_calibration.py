"""Calibration: closed forms, and the table against counts made by pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.analysis.calibration import expected_calibration_error
from emqa_core.reductions.calibration_counts import SCORE_UNIT
from tests.command import emqa
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import make_data_set

N = 4_000


def detections(probability: np.ndarray, score: np.ndarray, seed: int = 1) -> dict[str, pd.DataFrame]:
    """A frame with one prediction each, right with the given probability."""
    rng = np.random.default_rng(seed)
    right = rng.uniform(size=len(score)) < probability
    rows = pd.DataFrame({"frame_id": range(len(score)), "class_id": rng.integers(0, 3, len(score))})
    rows = rows.assign(x_px=0.0, y_px=0.0, width_px=10.0, height_px=10.0)
    return {
        "labels": rows.assign(x_px=np.where(right, 0.0, 100.0)),
        "predictions": rows.assign(score=score),
        "frames": rows[["frame_id"]],
    }


def run(data: dict[str, pd.DataFrame], **options):
    return evaluate(**data, metrics=["none"], intervals=False, **{"cluster": {"address": "none"}, **options})


def error_of(result) -> float:
    return {row["measure"]: row["value"] for row in result.table("summary").to_pylist()}[
        "expected_calibration_error"
    ]


def test_scores_that_are_probabilities_have_no_error_but_chance() -> None:
    score = np.random.default_rng(0).uniform(size=N)
    assert error_of(run(detections(score, score))) < 0.03


def test_a_detector_that_is_too_sure_has_the_difference() -> None:
    assert error_of(run(detections(np.full(N, 0.5), np.full(N, 0.9)))) == pytest.approx(0.4, abs=0.02)
    assert error_of(run(detections(np.ones(N), np.ones(N)))) == 0
    assert error_of(run(detections(np.zeros(N), np.ones(N)))) == 1


def test_scores_that_are_no_probabilities_are_left_out() -> None:
    score = np.array([0.0, 1.0, 1.5, -0.1, 0.05, 0.0499])
    # A score threshold below all of them: -0.1 is left out for what it is, not as a low score.
    table = run(detections(np.ones(6), score), score_threshold=-1.0).to_pandas("calibration")
    of_all = table[table["scope"] == "all"]
    assert of_all["bin"].tolist() == [0, 1, 19] and of_all["n_predictions"].tolist() == [2, 1, 1]
    none = run(detections(np.ones(2), np.array([2.0, 3.0])))
    assert none.table("calibration").num_rows == 0 and error_of(none) is None


@pytest.mark.parametrize("score_threshold", [0.0, 0.3])
def test_the_table_equals_what_the_rows_say(score_threshold: float) -> None:
    data = make_data_set(60, crowds=True)
    options = {"metrics": ["none"], "intervals": False, "score_threshold": score_threshold}
    result = evaluate(labels=data.labels, predictions=data.predictions, frames=data.frames, **options)
    rows = result.to_pandas("prediction")
    rows = rows[(rows["outcome"] != "ignored") & rows["score"].between(0, 1)]
    rows["bin"] = np.minimum((rows["score"] * 20).astype(int), 19)
    table = result.to_pandas("calibration")
    for class_id, own in table.groupby(table["class_id"].astype(object).fillna("")):
        of_class = rows if class_id == "" else rows[rows["class_id"] == class_id]
        by_bin = of_class.groupby("bin")
        assert own["bin"].tolist() == sorted(by_bin.groups)
        assert own["n_predictions"].tolist() == by_bin.size().tolist()
        right = by_bin["outcome"].apply(lambda column: (column == "true_positive").sum())
        assert own["n_true_positive"].tolist() == right.tolist()
        np.testing.assert_allclose(own["mean_score"], by_bin["score"].mean(), atol=2 * SCORE_UNIT)
        error = (by_bin.size() / len(of_class) * (by_bin["score"].mean() - right / by_bin.size()).abs()).sum()
        np.testing.assert_allclose(own["expected_calibration_error"], error, atol=1e-8)


def of_rows(rows: list[dict], class_id: str | None) -> dict[int, tuple[int, int, float]]:
    """Predictions, right ones and the sum of scores by bin, one row after the other."""
    bins: dict[int, tuple[int, int, float]] = {}
    for row in rows:
        if row["outcome"] == "ignored" or class_id not in (None, row["class_id"]):
            continue
        for k in range(20):
            if k / 20 <= row["score"] < (k + 1) / 20 or (k == 19 and row["score"] == 1):
                n, right, total = bins.get(k, (0, 0, 0.0))
                bins[k] = (n + 1, right + (row["outcome"] == "true_positive"), total + row["score"])
    return bins


def test_every_bin_of_every_class_holds_the_scores_between_its_edges() -> None:
    """Scores at the edges and a bit beside them, and below 0 and above 1, which are in no bin."""
    edges = np.arange(21) / 20
    beside = [edges, np.nextafter(edges, -1), np.nextafter(edges, 2), np.linspace(-0.5, 1.5, 300)]
    score = np.concatenate(beside)
    data = detections(np.full(len(score), 0.6), score)
    result = run(data, score_threshold=-1.0, cluster={"address": "none", "partitions": 3})
    rows, table = result.table("prediction").to_pylist(), result.table("calibration").to_pylist()
    for class_id in (None, "0", "1", "2"):
        expected = of_rows(rows, class_id)
        own = {row["bin"]: row for row in table if row["class_id"] == class_id}
        assert own.keys() == expected.keys()
        total = sum(n for n, _, _ in expected.values())
        assert total < sum(class_id in (None, row["class_id"]) for row in rows)
        error = sum(abs(scores - right) for _, right, scores in expected.values()) / total
        for k, (n, right, scores) in expected.items():
            assert (own[k]["n_predictions"], own[k]["n_true_positive"]) == (n, right)
            assert own[k]["mean_score"] == pytest.approx(scores / n, abs=2 * SCORE_UNIT)
            assert (own[k]["lower"], own[k]["upper"]) == (k / 20, (k + 1) / 20)
            assert own[k]["expected_calibration_error"] == pytest.approx(error, abs=1e-8)


def test_the_terminal_says_how_far_scores_are_off(capsys, tmp_path) -> None:
    for score, words in ((0.9, "0.400: scores are 0.400 above"), (0.1, "0.400: scores are 0.400 below")):
        rows = detections(np.full(4, 0.0), np.full(4, score))
        rows["labels"]["x_px"] = [0.0, 0.0, 100.0, 100.0]
        run(rows, output=str(tmp_path / words[:5] / str(score)))
        text = " ".join(emqa(capsys, "show", tmp_path / words[:5] / str(score)).out.split())
        assert f"expected calibration error {words} precision on average" in text


def test_partitions_do_not_matter() -> None:
    score = np.random.default_rng(3).uniform(size=300)
    data = detections(score, score)
    whole = tables_of(run(data))
    assert "calibration" in whole
    assert differences(tables_of(run(data, cluster={"address": "none", "partitions": 7})), whole) == []


def test_the_formula_by_hand() -> None:
    """Two bins: 3 predictions with mean score 0.2 and 1 right, 1 with 0.9 and 1 right."""
    counts = np.array([[[3, 1]], [[1, 1]], [[round(0.6 / SCORE_UNIT), round(0.9 / SCORE_UNIT)]]])
    assert expected_calibration_error(counts)[0] == pytest.approx(0.75 * (1 / 3 - 0.2) + 0.25 * 0.1)
