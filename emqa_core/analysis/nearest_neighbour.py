"""scikit-learn's nearest-neighbour mutual information (Kraskov 2004, Ross 2014), on the row sample."""

from __future__ import annotations

import numpy as np

from emqa_core.objects import Array

MAX_ROWS = 60_000
MIN_OUTCOMES = 50


def nearest_neighbour_information(values: Array, outcome: Array) -> tuple[float, str | None]:
    """I(X;Y) in nats on at most 60,000 rows, or NaN and why there is none.

    values (m,) numbers, NaN where missing, of sampled rows in order of their hash; outcome (m,): the level
    of each at the chosen T. The estimate is scikit-learn's `mutual_info_classif` of one continuous feature
    with its default of 3 neighbours and random_state 0. It needs 50 rows of the most frequent outcome and
    50 of the others.
    """
    known = np.flatnonzero(np.isfinite(np.asarray(values, np.float64)))[:MAX_ROWS]
    x, y = np.asarray(values, np.float64)[known], np.asarray(outcome)[known]
    most_frequent = int(np.bincount(y).max(initial=0)) if len(y) else 0
    if len(y) and most_frequent == len(y):
        return float("nan"), "constant_outcome"
    if min(most_frequent, len(y) - most_frequent) < MIN_OUTCOMES:
        return float("nan"), "insufficient_support"
    if x.min() == x.max():
        return float("nan"), "constant_metric"
    from sklearn.feature_selection import mutual_info_classif

    estimate = mutual_info_classif(x[:, None], y, discrete_features=False, n_neighbors=3, random_state=0)
    return float(estimate[0]), None
