"""The rows of metric_bin, metric_performance and metric_importance, less the columns common to all tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.bin_axis import N_COARSE, MetricAxis
from emqa_core.analysis.importance import adjust_p_values
from emqa_core.analysis.metric_counts import MetricCounts
from emqa_core.analysis.metric_measures import MetricMeasures
from emqa_core.analysis.performance import BinPerformance, Resolution, bin_performance
from emqa_core.classes import ClassList
from emqa_core.objects import Array

SIGNIFICANT = 0.05
CONFOUNDED_SHARE = 1 / 3
NOISE_CONTROL = {"prediction": "object_random", "label": "object_random", "frame": "frame_random"}
RANKED_APART = "confidence"  # a property of the model, not of the data
APART = frozenset({RANKED_APART, *NOISE_CONTROL.values()})


def metric_bin_table(axes: Sequence[MetricAxis], counts: Sequence[MetricCounts]) -> pa.Table:
    """Rows of metric_bin: every fine bin of every axis, in order.

    counts: of predictions and labels, all metrics; a bin's mean is that of all rows of both sides that
    count at the chosen T and fall in it.
    """
    tables = []
    for axis in axes:
        if not axis.n_bins:
            continue
        n = np.zeros(axis.n_bins, np.int64)
        total = np.zeros(axis.n_bins)
        for state in counts:
            if state.metric == axis.metric and state.fine is not None and state.fine_total is not None:
                n += state.fine.columns()["n"][0, -1]
                total += state.fine_total
        with np.errstate(invalid="ignore"):
            mean = axis.centre + total / n
        without_edges = pa.nulls(axis.n_bins, pa.float64())
        columns: dict[str, object] = {
            "metric": _coded([axis.metric], np.zeros(axis.n_bins, np.int32)),
            "bin": np.arange(axis.n_bins),
            "lower": without_edges if axis.is_categorical else axis.lower,
            "upper": without_edges if axis.is_categorical else axis.upper,
            "category": pa.array(axis.categories or [None] * axis.n_bins, pa.string()),
            "share": axis.share,
            "cumulative_share": axis.cumulative_share,
            "mean": _nullable(np.full(axis.n_bins, np.nan) if axis.is_categorical else mean),
            "bin_50": axis.coarse,
        }
        tables.append(_table(schema.METRIC_BIN, columns))
    return _concat(schema.METRIC_BIN, tables)


def metric_performance_table(
    axis: MetricAxis,
    predictions: MetricCounts | None,
    labels: MetricCounts | None,
    classes: ClassList,
    iou_thresholds: Array,
    chosen: int,
) -> pa.Table:
    """Rows of metric_performance of one metric, non-empty bins, by scope (all first), T, resolution, bin.

    predictions, labels: the metric's counts against either target, None where it has no such side.
    iou_thresholds (T,) float64; chosen: index of the chosen one.
    """
    if not axis.n_bins or (predictions is None and labels is None):
        return _concat(schema.METRIC_PERFORMANCE, [])
    at_all, at_chosen = np.arange(len(iou_thresholds)), np.array([chosen])
    resolutions = [
        Resolution(
            N_COARSE, at_all, predictions.coarse if predictions else None, labels.coarse if labels else None
        )
    ]
    if axis.fine_bins != N_COARSE:
        resolutions.append(
            Resolution(
                axis.fine_bins,
                at_chosen,
                predictions.fine if predictions else None,
                labels.fine if labels else None,
            )
        )
    rows = bin_performance(resolutions, len(classes), chosen)
    return _concat(schema.METRIC_PERFORMANCE, [_performance_rows(axis, rows, classes, iou_thresholds)])


def metric_importance_table(
    measures: Sequence[MetricMeasures],
    classes: ClassList,
    iou_thresholds: Array,
    chosen: int,
    score_threshold: float,
    nearest_neighbour: Mapping[tuple[str, str, str], tuple[float, str | None]] | None = None,
) -> pa.Table:
    """Rows of metric_importance in the order of `measures`, then scope (all first) and T ascending.

    score_threshold: at which the outcomes were taken.
    nearest_neighbour: estimate or reason by (metric, level, target), for scope all at the chosen T; None:
    not asked for. Significance is decided here, because it needs all metrics of a target, scope and T.
    """
    if not measures:
        return _concat(schema.METRIC_IMPORTANCE, [])
    floors = _noise_floors(measures)
    significant = significance_of(measures)
    n_thresholds, n_scopes = measures[0].p_value.shape
    scope = np.roll(np.arange(n_scopes), 1)
    is_estimated = np.zeros((n_thresholds, n_scopes), bool)
    is_estimated[chosen, -1] = True

    def rows(values: Array) -> Array:
        """From (T, K + 1) to the order of the rows."""
        return values[:, scope].T.reshape(-1)

    tables = []
    for index, measure in enumerate(measures):
        key = (measure.metric, measure.level, measure.target)
        is_categorical = measure.correlation.reason[0, 0] == "categorical"
        no_estimate = np.nan, "categorical" if is_categorical else "not_sampled"
        estimate, why = (nearest_neighbour or {}).get(key, no_estimate)
        knn_reason = np.full(is_estimated.shape, "not_requested", object)
        if nearest_neighbour is not None:
            knn_reason[:] = "only_for_all"
            knn_reason[is_estimated] = why
        importance, correlation = measure.importance, measure.correlation
        columns: dict[str, object] = {
            **{
                name: _coded([getattr(measure, name)], np.zeros(n_scopes * n_thresholds, np.int32))
                for name in ("metric", "level", "target")
            },
            **_scope_columns(classes, np.repeat(scope, n_thresholds)),
            "iou_threshold": np.tile(iou_thresholds, n_scopes),
            "score_threshold": np.full(n_scopes * n_thresholds, score_threshold),
            "importance": _nullable(rows(importance.value)),
            "importance_low": _nullable(rows(importance.low)),
            "importance_high": _nullable(rows(importance.high)),
            "bias_factor": _nullable(rows(importance.bias_factor)),
            "p_value": _nullable(rows(measure.p_value)),
            "is_significant": pa.array(
                rows(significant[index]), mask=np.isnan(rows(measure.p_value + importance.value))
            ),
            "is_confounded": _confounded(measure, significant[index], rows),
            "noise_floor": _nullable(rows(floors[index])),
            "mutual_information": _nullable(rows(importance.mutual_information)),
            "mutual_information_knn": _nullable(rows(np.where(is_estimated, estimate, np.nan))),
            "mutual_information_knn_reason": _reasons(rows(knn_reason)),
            "entropy": _nullable(rows(importance.entropy)),
            "correlation_reason": _reasons(rows(correlation.reason)),
            "n": rows(importance.n),
            "n_missing": rows(measure.n_missing),
            "n_bins": rows(importance.n_bins),
            "reason": _reasons(rows(importance.reason)),
        }
        for name, kind in (
            ("correlation", correlation.pearson),
            ("correlation_spearman", correlation.spearman),
            ("correlation_partial", correlation.partial),
        ):
            columns[name] = _nullable(rows(kind.value))
            columns[f"{name}_low"] = _nullable(rows(kind.low))
            columns[f"{name}_high"] = _nullable(rows(kind.high))
        tables.append(_table(schema.METRIC_IMPORTANCE, columns))
    return _concat(schema.METRIC_IMPORTANCE, tables)


def _confounded(measure: MetricMeasures, is_significant: Array, rows: Callable[[Array], Array]) -> pa.Array:
    """Significant, the partial correlation's interval holds 0, and it is under a third of the correlation."""
    pearson, partial = measure.correlation.pearson, measure.correlation.partial
    unknown = np.isnan(partial.low + pearson.value + measure.p_value + measure.importance.value)
    is_explained = (partial.low <= 0) & (partial.high >= 0)
    is_explained &= np.abs(partial.value) < CONFOUNDED_SHARE * np.abs(pearson.value)
    return pa.array(rows(is_significant & is_explained), mask=rows(unknown))


def _noise_floors(measures: Sequence[MetricMeasures]) -> list[Array]:
    """Importance of the random control of each metric's level for its target, (T, K + 1); NaN without one."""
    importance = {(m.metric, m.level, m.target): m.importance.value for m in measures}
    nothing = np.full(measures[0].p_value.shape, np.nan)
    return [importance.get((NOISE_CONTROL[m.level], m.level, m.target), nothing) for m in measures]


def significance_of(measures: Sequence[MetricMeasures]) -> list[Array]:
    """What column is_significant says of each, (T, K + 1) bool."""
    return _significance(measures, _noise_floors(measures))


def _significance(measures: Sequence[MetricMeasures], floors: Sequence[Array]) -> list[Array]:
    """Adjusted p < 0.05 and importance above the noise floor, (T, K + 1) bool each.

    The family of a test is all metrics of the same target, scope and T, without the controls, which test
    nothing, and without `confidence`, which is ranked apart and would spend the others' error.
    """
    adjusted = [measure.p_value for measure in measures]
    for target in ("prediction", "label", "frame"):
        family = [i for i, m in enumerate(measures) if m.target == target and m.metric not in APART]
        if family:
            together = adjust_p_values(np.stack([measures[i].p_value for i in family]))
            for place, i in enumerate(family):
                adjusted[i] = together[place]
    return [
        (p < SIGNIFICANT) & (measure.importance.value > np.nan_to_num(floor, nan=0.0))
        for p, measure, floor in zip(adjusted, measures, floors, strict=True)
    ]


def _performance_rows(
    axis: MetricAxis, part: BinPerformance, classes: ClassList, iou_thresholds: Array
) -> pa.Table:
    n = len(part.bin)
    columns: dict[str, object] = {
        "metric": _coded([axis.metric], np.zeros(n, np.int32)),
        **_scope_columns(classes, part.scope),
        "iou_threshold": iou_thresholds[part.threshold],
        "resolution": part.resolution,
        "bin": part.bin,
    }
    for side, values, names in (
        ("prediction", part.prediction, ("n_predictions", "n_true_positive", "tpr")),
        ("label", part.label, ("n_labels", "n_missed", "fnr")),
    ):
        n_name, hit_name, rate_name = names
        held = {
            n_name: "n",
            hit_name: "n_hit",
            **{f"{side}_{name}": name for name in ("sum_nn", "sum_ny", "sum_yy", "n_frames")},
        }
        rates = {rate_name: "rate", f"{rate_name}_low": "low", f"{rate_name}_high": "high"}
        for column, name in held.items():
            columns[column] = pa.nulls(n, pa.int64()) if values is None else values[name]
        for column, name in rates.items():
            columns[column] = pa.nulls(n, pa.float64()) if values is None else _nullable(values[name])
    columns["precision"] = columns["tpr"]
    nothing = pa.nulls(n, pa.float64())
    columns["recall"] = nothing if part.label is None else _nullable(1 - part.label["rate"])
    return _table(schema.METRIC_PERFORMANCE, columns)


def _scope_columns(classes: ClassList, scope: Array) -> dict[str, pa.Array]:
    """scope (r,): class code, or the number of classes for all."""
    is_all = scope == len(classes)
    codes = scope.astype(np.int32)
    return {
        "scope": _coded(["all", "class"], (~is_all).astype(np.int32)),
        "class_id": _coded(classes.ids, codes, is_all),
        "class_name": _coded(classes.names, codes, is_all),
    }


def _coded(values: Sequence[str], codes: Array, mask: Array | None = None) -> pa.DictionaryArray:
    indices = pa.array(codes, pa.int32(), mask=mask)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _reasons(values: Array) -> pa.DictionaryArray:
    return pa.array(values.tolist(), pa.string()).dictionary_encode()


def _nullable(values: Array) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _table(table: schema.TableSchema, columns: Mapping[str, object]) -> pa.Table:
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field, column in ((field, columns[field.name]) for field in table.own)
    ]
    return pa.Table.from_arrays(arrays, schema=table.own)


def _concat(table: schema.TableSchema, tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables([table.own.empty_table(), *tables]).unify_dictionaries()
