"""Table `slice`: the regions in which most goes wrong, tested with the frame sums of their own.

A region is compared with all other rows that have its metrics; one of two metrics also with the rest of
either range, so that it must be worse than both: the largest p-value counts (intersection-union, Berger
1982). A difference of two shares of rows in frames has the variance of its linear part (Woodruff 1971):
Σ_f ((y_r - p n_r)/N_r - (y_s - p n_s)/N_s)² · m/(m - 1), p of both together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.advice_text import scores_text
from emqa_core.analysis.class_performance import table_of
from emqa_core.analysis.intervals import Z_95, design_effect, wilson_interval
from emqa_core.analysis.merged_bins import MIN_EFFECTIVE_FRAMES
from emqa_core.analysis.slice_search import Z_OF_MANY, Search, SliceAxis
from emqa_core.objects import Array
from emqa_core.reductions.score_levels import ScoreAxis
from emqa_core.reductions.slice_counts import REGION_SUMS, RegionSums

SIGNIFICANT = 0.05
MOST_SHARED = 0.5  # rows of the smaller of two regions: more, and they are one
MOST_SLICES = 20
_WORDS = {
    "prediction": ("predictions", "are false positives", "of all false positives"),
    "label": ("labels", "are missed", "of all missed labels"),
}


@dataclass(frozen=True)
class Tested:
    """C regions, float64 (C,) each: excess, how much more goes wrong than in all other rows; error, its
    standard error; z, how many standard errors worse, the least of all comparisons;
    p_value, one-sided, and p_adjusted by Benjamini-Hochberg over all regions that the search tested.
    """

    excess: Array
    error: Array
    z: Array
    p_value: Array
    p_adjusted: Array

    @property
    def is_significant(self) -> Array:
        return self.p_adjusted < SIGNIFICANT


def compare_regions(sums: RegionSums, search: Search) -> Tested:
    """Test every region against what it is compared with; without support z is -inf and p 1."""
    from scipy.special import ndtr

    held = {name: sums.sums[:, :, index].astype(np.float64) for index, name in enumerate(REGION_SUMS)}
    excess, error = _differences(held)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0, excess / error, -np.inf)
        is_large = held["n_r"][:, 0] ** 2 >= MIN_EFFECTIVE_FRAMES * held["nn_rr"][:, 0]
    z[search.regions[:, 3] < 0, 1:] = np.inf  # one metric: compared with all other rows alone
    least = np.where(is_large, z.min(axis=1, initial=np.inf), -np.inf)
    p_value = ndtr(-least)
    excess = np.where(is_large, excess[:, 0], -np.inf)
    return Tested(excess, error[:, 0], least, p_value, _adjusted(p_value, search.n_tested))


def _differences(held: Mapping[str, Array]) -> tuple[Array, Array]:
    """By how much more goes wrong in a region than in the rest of what it is compared with, and the standard
    error where nothing differs, (C, 3) each; the error 0 where there is no rest.
    """
    n_r, y_r, n_o, y_o, m = (held[name] for name in ("n_r", "y_r", "n_o", "y_o", "m_o"))
    n_s, y_s = n_o - n_r, y_o - y_r
    with np.errstate(divide="ignore", invalid="ignore"):
        p = y_o / n_o
        rr = held["yy_rr"] - 2 * p * held["ny_rr"] + p * p * held["nn_rr"]
        ro = held["yy_ro"] - p * (held["ny_ro"] + held["yn_ro"]) + p * p * held["nn_ro"]
        oo = held["yy_oo"] - 2 * p * held["ny_oo"] + p * p * held["nn_oo"]
        rs, ss = ro - rr, oo - 2 * ro + rr
        error = np.sqrt(m / (m - 1) * (rr / n_r**2 + ss / n_s**2 - 2 * rs / (n_r * n_s)))
        excess = y_r / n_r - y_s / n_s
    is_defined = np.isfinite(error) & np.isfinite(excess)
    return np.where(is_defined, excess, 0.0), np.where(is_defined, error, 0.0)


def _adjusted(p_value: Array, n_tested: int) -> Array:
    """Benjamini-Hochberg over n_tested tests of which these are the smallest p-values."""
    order = np.argsort(p_value, kind="stable")
    scaled = p_value[order] * n_tested / np.arange(1, len(order) + 1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def distinct_regions(tested: Tested, overlap: Array) -> list[int]:
    """Regions by how much worse they are at least, significant ones first; none that shares most of its rows
    with one before, nor one that may be no worse at all.
    """
    rows = np.diagonal(overlap)
    both = np.maximum(overlap, overlap.T)
    kept: list[int] = []
    least, is_worse = (tested.excess - z * tested.error for z in (Z_OF_MANY, Z_95))
    for place in np.lexsort((-least, ~tested.is_significant)):
        is_new = all(both[place, k] <= MOST_SHARED * min(rows[place], rows[k]) for k in kept)
        if is_worse[place] > 0 and is_new and len(kept) < MOST_SLICES:
            kept.append(int(place))
    return kept


def slice_rows(
    target: str, axes: Sequence[SliceAxis], levels: Mapping[str, str], search: Search, sums: RegionSums,
    n_wrong: int, scores: ScoreAxis,
) -> list[dict[str, object]]:  # fmt: skip
    """Rows of table `slice` of one target, the worst first.

    levels: of the metrics. n_wrong: all false positives or missed labels. Outcomes are at the score threshold
    `best_or_configured` of the scores.
    """
    tested = compare_regions(sums, search)
    rows = []
    for rank, place in enumerate(distinct_regions(tested, sums.overlap), 1):
        region = search.regions[place].tolist()
        row: dict[str, object] = {
            "rank": rank,
            "target": target,
            "n_tested": search.n_tested,
            "score_threshold": scores.best_or_configured,
        }
        row |= _range_columns(axes[region[0]], region[1], region[2], levels, "")
        if region[3] >= 0:
            row |= _range_columns(axes[region[3]], region[4], region[5], levels, "_other")
        held = dict(zip(REGION_SUMS, sums.sums[place, 0].tolist(), strict=True))
        row |= _rates(target, held, Z_95 * float(tested.error[place]))
        row |= {
            "share": int(sums.sums[place, 0, 1]) / n_wrong,
            "z": float(tested.z[place]),
            "p_value": float(tested.p_value[place]),
            "p_adjusted": float(tested.p_adjusted[place]),
            "is_significant": bool(tested.is_significant[place]),
        }
        rows.append(row | {"text": _text(row, scores_text(scores.best_or_configured, scores.lowest))})
    return rows


def slice_table(rows: list[dict[str, object]]) -> pa.Table:
    """Table `slice` without the common columns."""
    return table_of(schema.SLICE, rows)


def _range_columns(
    axis: SliceAxis, first: int, last: int, levels: Mapping[str, str], suffix: str
) -> dict[str, object]:
    name = axis.axis.metric
    columns: dict[str, object] = {f"metric{suffix}": name, f"level{suffix}": levels[name]}
    if axis.categories is not None:
        return columns | {f"category{suffix}": axis.categories[first]}
    lower, upper = axis.edges(first, last)
    return columns | {f"lower{suffix}": lower, f"upper{suffix}": upper}


def _rates(target: str, held: Mapping[str, int], half: float) -> dict[str, object]:
    """TPR of predictions or FNR of labels, in the region and elsewhere; half: of the effect's interval."""
    n, wrong = held["n_r"], held["y_r"]
    names = ("n_r", "y_r", "nn_rr", "ny_rr", "yy_rr", "m_r")
    delta = design_effect(*(np.array(held[name]) for name in names))
    low, high = (float(end) for end in wilson_interval(np.array(n), np.array(wrong), delta))
    rate, rest = wrong / n, (held["y_o"] - wrong) / (held["n_o"] - n)
    if target == "prediction":
        wrong, rate, rest, low, high = n - wrong, 1 - rate, 1 - rest, 1 - high, 1 - low
    return {
        "n": n,
        "n_hit": wrong,
        "rate": rate,
        "rate_low": low,
        "rate_high": high,
        "rate_rest": rest,
        "effect": rate - rest,
        "effect_low": rate - rest - half,
        "effect_high": rate - rest + half,
    }


def _text(row: Mapping[str, object], at_scores: str) -> str:
    noun, goes_wrong, of_all = _WORDS[str(row["target"])]
    rates = [row[name] for name in ("rate", "rate_low", "rate_high", "rate_rest")]
    rate, low, high, rest = (float(each) for each in rates)  # type: ignore[arg-type]
    if row["target"] == "prediction":
        rate, low, high, rest = 1 - rate, 1 - high, 1 - low, 1 - rest
    where = _range_text(row, "")
    if "metric_other" in row:
        where += f" and {_range_text(row, '_other')}"
    text = (
        f"Of {row['n']:,} {noun} with {where}, {rate:.0%} {goes_wrong} [{low:.0%}, {high:.0%}]{at_scores},"
        f" elsewhere {rest:.0%}: {row['share']:.0%} {of_all}."
    )
    return text if row["is_significant"] else f"{text} That may be chance."


def _range_text(row: Mapping[str, object], suffix: str) -> str:
    name, category = row[f"metric{suffix}"], row.get(f"category{suffix}")
    if category is not None:
        return f"{name} {category}"
    lower, upper = row[f"lower{suffix}"], row[f"upper{suffix}"]
    above = "" if lower is None else f" above {lower:.4g}"
    at_most = "" if upper is None else f" at most {upper:.4g}"
    return f"{name}{above}{' and' if above and at_most else ''}{at_most}"
