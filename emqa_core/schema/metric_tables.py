"""Tables of quality metrics: importance, bins, performance, and what follows from them."""

from __future__ import annotations

from emqa_core.schema.column_groups import METRIC_KEY, SCOPE
from emqa_core.schema.columns import BOOL, FLOAT, INT, LABEL, STRING, Column, TableSchema, column

METRIC_IMPORTANCE = TableSchema(
    "metric_importance",
    "a metric x level x target x class or all x IoU threshold x score threshold",
    (
        *METRIC_KEY,
        *SCOPE,
        column("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        column(
            "score_threshold",
            FLOAT,
            "The configured one; at the chosen T also that of the best F1 of all predictions.",
        ),
        column(
            "importance",
            FLOAT,
            "0: no dependency beyond chance; 1: the metric tells the outcome.",
            "0..1",
            True,
        ),
        column("importance_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        column("importance_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        column(
            "bias_factor",
            FLOAT,
            "f: how far the clustering of objects in frames multiplies the bias.",
            "",
            True,
        ),
        column("p_value", FLOAT, "Rao-Scott p-value of independence.", "0..1", True),
        column("is_significant", BOOL, "Adjusted p < 0.05 and importance above the noise floor.", "", True),
        column(
            "noise_floor",
            FLOAT,
            "Importance of the random control of the same level and target.",
            "0..1",
            True,
        ),
        column("mutual_information", FLOAT, "Plug-in I(X;Y), no correction.", "nat", True),
        column("mutual_information_knn", FLOAT, "scikit-learn's nearest-neighbour estimate.", "nat", True),
        column("mutual_information_knn_reason", LABEL, "Why there is no such estimate.", "", True),
        column("entropy", FLOAT, "Plug-in H(Y).", "nat", True),
        column("correlation", FLOAT, "Pearson between metric and outcome.", "-1..1", True),
        column("correlation_low", FLOAT, "Lower end of its 95% interval.", "-1..1", True),
        column("correlation_high", FLOAT, "Upper end of its 95% interval.", "-1..1", True),
        column("correlation_spearman", FLOAT, "Spearman, from mid-ranks of 50 bins.", "-1..1", True),
        column("correlation_spearman_low", FLOAT, "Lower end of its 95% interval.", "-1..1", True),
        column("correlation_spearman_high", FLOAT, "Upper end of its 95% interval.", "-1..1", True),
        column(
            "correlation_partial", FLOAT, "Pearson with the control's bin means taken out.", "-1..1", True
        ),
        column("correlation_partial_low", FLOAT, "Lower end of its 95% interval.", "-1..1", True),
        column("correlation_partial_high", FLOAT, "Upper end of its 95% interval.", "-1..1", True),
        column("correlation_reason", LABEL, "Why a correlation is null.", "", True),
        column(
            "is_confounded", BOOL, "Significant, and hardly anything is left without the control.", "", True
        ),
        column("n", INT, "Rows with the metric that count."),
        column("n_missing", INT, "Rows that count without the metric."),
        column("n_bins", INT, "Bins after merging."),
        column("reason", LABEL, "Why importance or its interval is null.", "", True),
    ),
)


METRIC_BIN = TableSchema(
    "metric_bin",
    "a metric x fine bin",
    (
        column("metric", LABEL, "Name of the quality metric."),
        column("bin", INT, "Index of the fine bin, from 0."),
        column("lower", FLOAT, "Lower edge, open (closed in bin 0); null for a category.", "", True),
        column("upper", FLOAT, "Upper edge, closed; null for a category.", "", True),
        column("category", STRING, "The category; null for a numeric metric.", "", True),
        column("share", FLOAT, "Weighted share of the values in the bin.", "0..1"),
        column("cumulative_share", FLOAT, "Weighted share of the values up to the bin's end.", "0..1"),
        column("mean", FLOAT, "Mean of the values in the bin; null for a category.", "", True),
        column("bin_50", INT, "Index of the bin when there are 50."),
    ),
)


METRIC_PERFORMANCE = TableSchema(
    "metric_performance",
    "a metric x class or all x IoU threshold x bin",
    (
        column("metric", LABEL, "Name of the quality metric."),
        *SCOPE,
        column("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        column("resolution", INT, "50: `bin` is a `bin_50`; otherwise the number of fine bins asked for."),
        column("bin", INT, "Index of the bin at this resolution."),
        column("n_predictions", INT, "Predictions in the bin that count.", "", True),
        column("n_true_positive", INT, "True positives among them.", "", True),
        column("n_labels", INT, "Labels in the bin that count.", "", True),
        column("n_missed", INT, "Missed labels among them.", "", True),
        column("prediction_sum_nn", INT, "Σ over frames of n², predictions.", "", True),
        column("prediction_sum_ny", INT, "Σ over frames of n·y, y true positives.", "", True),
        column("prediction_sum_yy", INT, "Σ over frames of y².", "", True),
        column("prediction_n_frames", INT, "Frames with a prediction in the bin.", "", True),
        column("label_sum_nn", INT, "Σ over frames of n², labels.", "", True),
        column("label_sum_ny", INT, "Σ over frames of n·y, y missed labels.", "", True),
        column("label_sum_yy", INT, "Σ over frames of y².", "", True),
        column("label_n_frames", INT, "Frames with a label in the bin.", "", True),
        column("tpr", FLOAT, "n_true_positive / n_predictions, at the chosen T.", "0..1", True),
        column("tpr_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        column("tpr_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        column("precision", FLOAT, "The same number as tpr under its other name.", "0..1", True),
        column("fnr", FLOAT, "n_missed / n_labels, at the chosen T.", "0..1", True),
        column("fnr_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        column("fnr_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        column("recall", FLOAT, "1 - fnr.", "0..1", True),
    ),
)


METRIC_SCORE = TableSchema(
    "metric_score",
    "a metric x class or all x bin x level of the score, at the chosen IoU threshold; cells with rows only",
    (
        column("metric", LABEL, "Name of the quality metric."),
        *SCOPE,
        column("resolution", INT, "50: `bin` is a `bin_50`, or a category; 10: it is bin_50 // 5."),
        column("bin", INT, "Index of the bin at this resolution."),
        column(
            "score_lower", FLOAT, "Lowest score of the level; a step, the configured or the best threshold."
        ),
        column("n_predictions", INT, "Predictions of the level that count.", "", True),
        column("n_true_positive", INT, "True positives among them.", "", True),
        column("n_found", INT, "Labels of the bin that were found by a prediction of the level.", "", True),
    ),
)


METRIC_ERROR = TableSchema(
    "metric_error",
    "a metric x class or all x bin x source x error type, at the chosen IoU threshold; cells with rows only",
    (
        column("metric", LABEL, "Name of the quality metric."),
        *SCOPE,
        column("resolution", INT, "50: `bin` is a `bin_50`, or a category; 10: it is bin_50 // 5."),
        column("bin", INT, "Index of the bin at this resolution."),
        column("source", LABEL, "`prediction`: of false positives; `label`: of missed labels."),
        column("error_type", LABEL, "As in table `error_type`, without its totals."),
        column("n", INT, "Rows in the bin with this error."),
    ),
)


def _region(suffix: str) -> tuple[Column, ...]:
    """The columns of a range of one metric of a slice; those of the other one may all be null."""
    nullable = suffix != ""
    return (
        column(f"metric{suffix}", LABEL, "Name of the quality metric.", "", nullable),
        column(f"level{suffix}", LABEL, "Where the metric is defined.", "", nullable),
        column(f"lower{suffix}", FLOAT, "Lower edge, open; null: none.", "", True),
        column(f"upper{suffix}", FLOAT, "Upper edge, closed; null: none.", "", True),
        column(f"category{suffix}", STRING, "The category, of a categorical metric.", "", True),
    )


SLICE = TableSchema(
    "slice",
    "a region of one or two metrics in which more goes wrong than elsewhere, at the chosen IoU threshold",
    (
        column(
            "rank", INT, "Place among the target's: significant ones first, then by how much worse at least."
        ),
        column("target", LABEL, "Whose outcome it is: `prediction` or `label`."),
        *_region(""),
        *_region("_other"),
        column("score_threshold", FLOAT, "Of the outcomes: that of the best F1, or the configured one."),
        column("n", INT, "Predictions, or labels, in the region that count."),
        column("n_hit", INT, "True positives, or missed labels, among them."),
        column("rate", FLOAT, "n_hit / n: TPR of predictions, FNR of labels.", "0..1"),
        column("rate_low", FLOAT, "Lower end of its 95% interval.", "0..1"),
        column("rate_high", FLOAT, "Upper end of its 95% interval.", "0..1"),
        column("rate_rest", FLOAT, "The rate of all other rows that have the metrics.", "0..1"),
        column("effect", FLOAT, "rate - rate_rest: below 0 for predictions, above 0 for labels.", "-1..1"),
        column("effect_low", FLOAT, "Lower end of its 95% interval.", "-1..1"),
        column("effect_high", FLOAT, "Upper end of its 95% interval.", "-1..1"),
        column("share", FLOAT, "Share of all false positives, or missed labels, in the region.", "0..1"),
        column("z", FLOAT, "How many standard errors worse than the rest; of a pair also than either range."),
        column("p_value", FLOAT, "One-sided p-value of that.", "0..1"),
        column("p_adjusted", FLOAT, "Adjusted by Benjamini-Hochberg over all regions tested.", "0..1"),
        column("is_significant", BOOL, "p_adjusted < 0.05."),
        column("n_tested", INT, "Regions of the target that were tested."),
        column("text", STRING, "The slice in plain words."),
    ),
)


RECOMMENDATION = TableSchema(
    "recommendation",
    "a piece of advice; all figures but correlations are of the half of the frames on which it was not found",
    (
        column("rank", INT, "Place in the list, from 1."),
        column(
            "kind",
            LABEL,
            "`filter_predictions`, `confidence_by_metric`, `weak_range` or `confounded`.",
        ),
        *METRIC_KEY,
        *SCOPE,
        column("duplicate_of_rank", INT, "Rank of the first that says the same of another metric.", "", True),
        column("measure", LABEL, "What the gain is of: `f1`, `precision` or `recall`.", "", True),
        column(
            "gain", FLOAT, "By how much the measure rises; of a weak range, were it like the rest.", "", True
        ),
        column("gain_low", FLOAT, "Lower end of its 95% interval.", "", True),
        column("gain_high", FLOAT, "Upper end of its 95% interval.", "", True),
        column("p_value", FLOAT, "That there is no gain, adjusted for all candidates tried.", "0..1", True),
        column(
            "lower", FLOAT, "Lower edge, open: of what is kept, or of the weak range; null: none.", "", True
        ),
        column("upper", FLOAT, "Upper edge, closed; null: none.", "", True),
        column("category", STRING, "The weak category.", "", True),
        column(
            "score_threshold",
            FLOAT,
            "With the filter; of a weak range that of its outcomes.",
            "",
            True,
        ),
        column("score_threshold_before", FLOAT, "The best single score threshold.", "", True),
        column(
            "score_thresholds",
            STRING,
            "`confidence_by_metric`: JSON, a list of lower, upper and score_threshold; null drops all.",
            "",
            True,
        ),
        column(
            "precision_before", FLOAT, "Precision at the best single score threshold, or now.", "0..1", True
        ),
        column("precision_after", FLOAT, "With the advice.", "0..1", True),
        column("recall_before", FLOAT, "Recall at the best single score threshold, or now.", "0..1", True),
        column("recall_after", FLOAT, "With the advice.", "0..1", True),
        column("f1_before", FLOAT, "F1 at the best single score threshold.", "0..1", True),
        column("f1_after", FLOAT, "With the advice.", "0..1", True),
        column("average_precision_before", FLOAT, "mAP at the best single score threshold.", "0..1", True),
        column("average_precision_after", FLOAT, "mAP with the advice.", "0..1", True),
        column("average_precision_all", FLOAT, "mAP without any score threshold.", "0..1", True),
        column("n_dropped", INT, "Predictions fewer than at the best single score threshold.", "", True),
        column("true_positives_lost", FLOAT, "Share of the true positives there; below 0: gained.", "", True),
        column("n", INT, "Rows in the weak range.", "", True),
        column("rate", FLOAT, "Share of them that are right, or found.", "0..1", True),
        column("rate_rest", FLOAT, "The same of the rows outside.", "0..1", True),
        column(
            "share_of_wrong", FLOAT, "Share of all false positives, or missed labels, in it.", "0..1", True
        ),
        column("correlation", FLOAT, "Of a confounded metric with the outcome.", "-1..1", True),
        column("correlation_partial", FLOAT, "The same with the control taken out.", "-1..1", True),
        column("text", STRING, "The advice in words."),
    ),
)
