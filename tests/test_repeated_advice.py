"""Advice that says the same of another metric is marked, by the rows that both are about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from emqa_core.analysis.advice import Advice
from emqa_core.analysis.repeated_advice import repeated_ranks
from emqa_core.storage.runs import Run
from tests.page.small_run import small_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("small"))


def rows_in_range(run: Run, row: dict[str, Any]) -> set[int]:
    """Places of the target's rows that a weak range is about, all classes together."""
    table = run.to_pandas(row["target"])
    table = table[table["outcome"].astype(str) != "ignored"]
    if row["level"] == "frame":
        frames = run.to_pandas("frame").set_index("frame_id")
        values = table["frame_id"].astype(str).map(frames[row["metric"]])
    else:
        values = table[row["metric"]]
    lower = -np.inf if pd.isna(row["lower"]) else row["lower"]
    upper = np.inf if pd.isna(row["upper"]) else row["upper"]
    return set(np.flatnonzero((values > lower) & (values <= upper)))


def test_ranges_that_share_most_rows_are_one(run: Run) -> None:
    table = run.to_pandas("recommendation")
    weak = table[(table["kind"] == "weak_range") & table["category"].isna()].to_dict("records")
    first: list[dict[str, Any]] = []
    for row in weak:
        own = rows_in_range(run, row)
        expected = None
        for earlier in first:
            same = all(str(row[name]) == str(earlier[name]) for name in ("target", "scope", "class_id"))
            other = rows_in_range(run, earlier)
            if same and 2 * len(own & other) > len(own | other):
                expected = earlier["rank"]
                break
        found = None if pd.isna(row["duplicate_of_rank"]) else row["duplicate_of_rank"]
        assert found == expected, row["text"]
        if expected is None:
            first.append(row)
    assert 0 < len(first) < len(weak)


def advice(kind: str, metric: str, **changed: Any) -> Advice:
    return Advice(kind, metric, "prediction", "prediction", "", **changed)


def test_metrics_of_one_order_are_one_where_there_is_no_range() -> None:
    rng = np.random.default_rng(1)
    one = rng.random(500)
    close, far = one + rng.normal(0, 0.1, 500), one + rng.normal(0, 0.5, 500)
    close[:50] = np.nan
    has = ~np.isnan(close)
    assert stats.spearmanr(one[has], close[has]).statistic > 0.9 > stats.spearmanr(one, far).statistic
    columns = {"one": one, "opposite": -(close**3), "far": far}
    said = [advice("confidence_by_metric", name) for name in columns]
    assert repeated_ranks(said, {"prediction": columns}) == [None, 1, None]
    # Nor is a metric of which the sample knows nothing.
    assert (
        repeated_ranks([*said, advice("confidence_by_metric", "weather")], {"prediction": columns})[3] is None
    )


def test_filters_are_one_by_what_they_drop() -> None:
    values = np.arange(100.0)
    columns = {"one": values, "two": values, "three": values}
    said = [
        advice("filter_predictions", "one", lower=9.0),  # drops 0 to 9
        advice("filter_predictions", "two", lower=19.0),  # 0 to 19: half of it
        advice("filter_predictions", "three", lower=18.0),
        advice("filter_predictions", "three", lower=18.0, scope=2),
        advice("weak_range", "three", upper=18.0),
    ]
    assert repeated_ranks(said, {"prediction": columns}) == [None, None, 1, None, None]
