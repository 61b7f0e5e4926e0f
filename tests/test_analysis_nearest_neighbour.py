"""The nearest-neighbour estimate is scikit-learn's, or says why there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.feature_selection import mutual_info_classif

from emqa_core.analysis.nearest_neighbour import MAX_ROWS, nearest_neighbour_information


def test_it_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    y = (rng.random(3000) < 1 / (1 + np.exp(-x))).astype(np.uint8)
    expected = mutual_info_classif(x[:, None], y, discrete_features=False, random_state=0)[0]
    assert nearest_neighbour_information(x, y) == (expected, None)
    with_missing = np.where(np.arange(3000) < 1000, np.nan, x)
    expected = mutual_info_classif(x[1000:, None], y[1000:], discrete_features=False, random_state=0)[0]
    assert nearest_neighbour_information(with_missing, y) == (expected, None)


def test_it_takes_the_first_60000_rows() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.random(MAX_ROWS + 500), rng.integers(0, 2, MAX_ROWS + 500)
    assert nearest_neighbour_information(x, y) == nearest_neighbour_information(x[:MAX_ROWS], y[:MAX_ROWS])


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (np.arange(200.0), np.arange(200) < 49, "insufficient_support"),
        (np.arange(200.0), np.arange(200) >= 49, "insufficient_support"),
        (np.arange(200.0), np.zeros(200), "constant_outcome"),
        (np.full(200, 3.0), np.arange(200) % 2, "constant_metric"),
        (np.full(200, np.nan), np.arange(200) % 2, "insufficient_support"),
    ],
)
def test_it_is_null_with_a_reason(x: np.ndarray, y: np.ndarray, reason: str) -> None:
    value, found = nearest_neighbour_information(x, y.astype(np.uint8))
    assert math.isnan(value)
    assert found == reason
