"""Which pieces of advice say again what one before them said: area, width and height are one thing.

Told from the row sample, where the values of all metrics lie side by side, in all classes together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emqa_core.analysis.advice import Advice
from emqa_core.objects import Array

MOST_SHARED = 0.5  # of the rows of either range: more, and the two are one
SAME_ORDER = 0.9  # Spearman's correlation of two metrics from which they are one
_ROWS_RANKED = 8192


def repeated_ranks(advice: Sequence[Advice], samples: Mapping[str, Mapping[str, Array]]) -> list[int | None]:
    """The rank, from 1, of the first piece of advice that says the same, None where none does.

    samples: by target of objects the values (m,) of numeric metrics, NaN for null, in the rows of its row
    sample. The same is said of one kind, target and scope: of ranges that share more than MOST_SHARED of
    the rows in either (of filters: the rows outside), else of metrics whose Spearman's correlation is
    SAME_ORDER or more, with either sign.
    """
    ranks: list[int | None] = []
    first: dict[tuple[str, str, int], list[int]] = {}
    for place, each in enumerate(advice):
        before = first.setdefault((each.kind, each.target, each.scope), [])
        found = next((earlier for earlier in before if _is_same(advice[earlier], each, samples)), None)
        ranks.append(None if found is None else found + 1)
        if found is None:
            before.append(place)
    return ranks


def _is_same(one: Advice, other: Advice, samples: Mapping[str, Mapping[str, Array]]) -> bool:
    """Of two of the same kind, target and scope."""
    # A frame's metrics lie in the rows of its labels.
    columns = samples.get(one.target, samples.get("label", {}))
    if one.metric not in columns or other.metric not in columns:
        return False
    values, others = (np.asarray(columns[each.metric], np.float64) for each in (one, other))
    if one.kind in ("weak_range", "filter_predictions"):
        rows, more = _rows_of(one, values), _rows_of(other, others)
        return bool((rows & more).sum() > MOST_SHARED * (rows | more).sum())
    return abs(_spearman(values[:_ROWS_RANKED], others[:_ROWS_RANKED])) >= SAME_ORDER


def _rows_of(advice: Advice, values: Array) -> Array:
    """Which rows advice is about, (m,) bool: in the weak range, or dropped for their metric."""
    lower = -np.inf if advice.lower is None else advice.lower
    upper = np.inf if advice.upper is None else advice.upper
    is_inside = (values > lower) & (values <= upper)
    return is_inside if advice.kind == "weak_range" else ~is_inside & ~np.isnan(values)


def _spearman(one: Array, other: Array) -> float:
    """Of the rows that have both; 0 where either is constant."""
    has_both = ~np.isnan(one) & ~np.isnan(other)
    if not has_both.any():
        return 0.0
    ranks = np.stack([_mid_ranks(one[has_both]), _mid_ranks(other[has_both])])
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=1).prod())
    return float((ranks[0] * ranks[1]).sum() / spread) if spread > 0 else 0.0


def _mid_ranks(values: Array) -> Array:
    """From 1; equal values share the mean of theirs. Without scipy.stats, which takes longer to load."""
    _, place, n = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(n) - (n - 1) / 2)[place])
