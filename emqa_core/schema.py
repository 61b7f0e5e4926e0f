"""Every column of every table, declared once: name, type, unit, nullability, meaning.

Tables are checked against these lines at the storage border, and `docs/tables.md` is printed from
them. Metric columns and the columns per IoU threshold depend on the run; `TableSchema.open` says which
tables may carry them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

SCHEMA_VERSION = 1

STRING = pa.string()
LABEL = pa.dictionary(pa.int32(), pa.string())  # few distinct values in many rows
INT = pa.int64()
FLOAT = pa.float64()
FLOAT32 = pa.float32()
BOOL = pa.bool_()
DATE = pa.date32()
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type in memory, unit, whether it may be null, and what it means."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.type, self.nullable)


@dataclass(frozen=True)
class TableSchema:
    """The declared columns of one output table; `open` tables carry metric columns besides."""

    name: str
    row: str
    columns: tuple[Column, ...]
    open: bool = False

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def own(self) -> pa.Schema:
        """The Arrow schema without the common columns."""
        return pa.schema([column.field for column in self.columns])

    @cached_property
    def _complete(self) -> pa.Schema:
        return pa.schema([column.field for column in (*COMMON, *self.columns)])

    def arrow(self) -> pa.Schema:
        """The Arrow schema, common columns first."""
        return self._complete


def _c(name: str, type_: pa.DataType, meaning: str, unit: str = "", nullable: bool = False) -> Column:
    return Column(name, type_, meaning, unit, nullable)


def _interval(name: str) -> tuple[Column, ...]:
    """The columns of a share's 95% interval."""
    return (
        _c(f"{name}_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        _c(f"{name}_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        _c(f"{name}_reason", LABEL, "Why there is no interval.", "", True),
    )


RUN_ID = _c("run_id", STRING, "The run: date, model and digest. The tables are partitioned by it.")
COMMON = (
    RUN_ID,
    _c("run_date", DATE, "The night the run stands for."),
    _c("model", LABEL, "The model whose predictions were evaluated."),
    _c("dataset", LABEL, "The data set they were evaluated on."),
)

CLASS = (
    _c("class_id", LABEL, "Id of the class, as a string."),
    _c("class_name", LABEL, "Name of the class."),
)
SCOPE = (
    _c("scope", LABEL, "`class` for one class, `all` for the selected classes together."),
    _c("class_id", LABEL, "Id of the class; null for scope `all`.", nullable=True),
    _c("class_name", LABEL, "Name of the class; null for scope `all`.", nullable=True),
)
BOX = (
    _c("x_px", FLOAT32, "Left edge of the box.", "px"),
    _c("y_px", FLOAT32, "Top edge of the box.", "px"),
    _c("width_px", FLOAT32, "Width of the box.", "px"),
    _c("height_px", FLOAT32, "Height of the box.", "px"),
)
OBJECT_KEY = (
    _c("frame_id", LABEL, "Id of the frame, as a string."),
    _c("frame_order", INT, "Rank of the frame by which ties are broken."),
    _c("input_index", INT, "Order of the row within its source."),
)

PREDICTION = TableSchema(
    "prediction",
    "a prediction",
    (
        _c("prediction_id", STRING, "Id of the prediction, unique in its frame."),
        *OBJECT_KEY,
        *CLASS,
        _c("score", FLOAT, "The model's confidence, as given."),
        *BOX,
        _c("outcome", LABEL, "`true_positive`, `false_positive` or `ignored` at the chosen IoU threshold."),
        _c("error_type", LABEL, "Why a false positive is one; table `error_type` has the words.", "", True),
        _c("iou", FLOAT, "IoU with its label; null without one (0 under `best_iou`).", "0..1", True),
        _c(
            "iou_duplicate",
            FLOAT,
            "`best_iou` only: true positive at T exactly when iou_duplicate < T <= iou.",
            "-1..1",
            True,
        ),
        _c(
            "label_id",
            STRING,
            "The label matched at the chosen IoU threshold (`best_iou`: attached to).",
            "",
            True,
        ),
        _c("track_id", STRING, "Track of the prediction, where the source has one.", "", True),
    ),
    open=True,
)

LABEL_TABLE = TableSchema(
    "label",
    "a label",
    (
        _c("label_id", STRING, "Id of the label, unique in its frame."),
        *OBJECT_KEY,
        *CLASS,
        *BOX,
        _c("area_px2", FLOAT, "Area by which the label falls into an area range.", "px²"),
        _c("is_crowd", BOOL, "The box covers a group of objects."),
        _c("is_ignored", BOOL, "The label counts neither as found nor as missed."),
        _c("outcome", LABEL, "`found`, `missed` or `ignored` at the chosen IoU threshold."),
        _c("error_type", LABEL, "Why a missed label was missed; table `error_type` has the words.", "", True),
        _c("iou", FLOAT, "IoU with the prediction that found it.", "0..1", True),
        _c("iou_max", FLOAT, "`best_iou` only: missed at T exactly when iou_max < T.", "-1..1", True),
        _c("prediction_id", STRING, "The prediction that found it at the chosen threshold.", "", True),
        _c("score", FLOAT, "The score of that prediction; null for a label that was not found.", "", True),
        _c("track_id", STRING, "Track of the label, where the source has one.", "", True),
    ),
    open=True,
)

FRAME = TableSchema(
    "frame",
    "a frame",
    (
        _c("frame_id", STRING, "Id of the frame, as a string."),
        _c("frame_order", INT, "Rank of the frame by which ties are broken."),
        _c("width_px", FLOAT32, "Width of the image.", "px", True),
        _c("height_px", FLOAT32, "Height of the image.", "px", True),
        _c("image_uri", STRING, "Where the image lies.", "", True),
        _c("sequence_id", STRING, "Sequence the frame belongs to.", "", True),
        _c("frame_index", INT, "Position in the sequence.", "", True),
        _c("content_hash", STRING, "Hash of the image's bytes, where the source has one.", "", True),
        _c("n_predictions", INT, "Predictions that count at the chosen thresholds."),
        _c("n_labels", INT, "Labels that count."),
        _c("n_true_positive", INT, "True positives at the chosen thresholds."),
        _c("n_false_positive", INT, "False positives at the chosen thresholds."),
        _c("n_missed", INT, "Labels missed at the chosen thresholds."),
        _c("precision", FLOAT, "n_true_positive / n_predictions.", "0..1", True),
        _c("recall", FLOAT, "1 - n_missed / n_labels.", "0..1", True),
        _c("f1", FLOAT, "2 TP / (n_predictions + n_labels); null for an empty frame.", "0..1", True),
    ),
    open=True,
)

CLASS_PERFORMANCE = TableSchema(
    "class_performance",
    "a class, or all, x IoU threshold x area range",
    (
        *SCOPE,
        _c("iou_threshold", FLOAT, "IoU threshold; null: the mean over `iou_thresholds`.", "0..1", True),
        _c("area_range", LABEL, "`all`, `small`, `medium`, `large`, or a range of the configuration."),
        _c("n_labels", INT, "Labels that count in the range; for the mean: as at each T."),
        _c(
            "n_frames_with_label",
            INT,
            "Area range `all`: frames with such a label; for scope `all` summed over classes.",
            "",
            True,
        ),
        _c("n_predictions", INT, "Predictions that count; null for the mean over T.", "", True),
        _c("n_true_positive", INT, "True positives; null for the mean over T.", "", True),
        _c("n_false_positive", INT, "False positives; null for the mean over T.", "", True),
        _c("n_missed", INT, "Missed labels; null for the mean over T.", "", True),
        _c("average_precision", FLOAT, "101-point AP; for `all` the mean over classes.", "0..1", True),
        *_interval("average_precision"),
        _c("average_precision_voc07", FLOAT, "VOC 2007 eleven-point AP.", "0..1", True),
        _c("average_precision_all_point", FLOAT, "Area under the whole monotone curve.", "0..1", True),
        _c("average_recall", FLOAT, "Recall at the largest max_dets; for `all` the mean.", "0..1", True),
        *_interval("average_recall"),
        _c("precision", FLOAT, "Of the pooled rows at the score threshold.", "0..1", True),
        *_interval("precision"),
        _c("recall", FLOAT, "Of the pooled rows at the score threshold.", "0..1", True),
        *_interval("recall"),
        _c("f1", FLOAT, "Of the pooled rows at the score threshold.", "0..1", True),
        *_interval("f1"),
        _c("best_score_threshold", FLOAT, "Score threshold of the highest F1.", "", True),
        _c("best_precision", FLOAT, "Precision there.", "0..1", True),
        _c("best_recall", FLOAT, "Recall there.", "0..1", True),
        _c("best_f1", FLOAT, "The highest F1.", "0..1", True),
        _c("macro_precision", FLOAT, "Scope `all`: mean of the classes' precision.", "0..1", True),
        _c("macro_recall", FLOAT, "Scope `all`: mean of the classes' recall.", "0..1", True),
        _c("macro_f1", FLOAT, "Scope `all`: mean of the classes' F1.", "0..1", True),
    ),
)

SUMMARY = TableSchema(
    "summary",
    "a measure of the run",
    (
        _c("measure", STRING, "Name of the measure: AP, AP50, mAP, mAR, n_frames, ..."),
        _c("value", FLOAT, "Its value; without support null, for the twelve COCO numbers -1.", "", True),
        _c("low", FLOAT, "Lower end of its 95% interval.", "", True),
        _c("high", FLOAT, "Upper end of its 95% interval.", "", True),
        _c("reason", STRING, "Why value or interval is null.", "", True),
    ),
)

PRECISION_RECALL = TableSchema(
    "precision_recall",
    "a class x IoU threshold x recall point",
    (
        *CLASS,
        _c("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        _c("recall", FLOAT, "Recall point.", "0..1"),
        _c("precision", FLOAT, "Highest precision at this recall or more.", "0..1"),
        _c("score", FLOAT, "Score at which the recall is reached; 0 where it never is."),
    ),
)

CLASS_COOCCURRENCE = TableSchema(
    "class_cooccurrence",
    "a class x class, per source",
    (
        _c("source", LABEL, "`prediction` or `label`."),
        *CLASS,
        _c("other_class_id", LABEL, "Id of the other class."),
        _c("other_class_name", LABEL, "Name of the other class."),
        _c("sum_product", INT, "Σ over frames of n_class · n_other, rows that count at the chosen T."),
        _c(
            "sum_product_ny",
            INT,
            "Σ over frames of n_class · y_other, y true positives or missed labels.",
        ),
        _c("sum_product_yy", INT, "Σ over frames of y_class · y_other."),
        _c("n_frames", INT, "Frames with rows of both that count."),
    ),
)

CLASS_GROUP = TableSchema(
    "class_group",
    "a class x IoU threshold x jackknife group, for intervals of a selection of classes; area range `all`",
    (
        *CLASS,
        _c("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        _c("group", INT, "Jackknife group of frames, 0 to 19, by hash of the resampling unit."),
        _c("n_predictions", INT, "Predictions in the group that count, at the score threshold."),
        _c("n_true_positive", INT, "True positives among them, as many as labels found."),
        _c("n_labels", INT, "Labels in the group that count."),
        _c(
            "average_precision_without",
            FLOAT,
            "101-point AP of the class without the group; null where no label is left.",
            "0..1",
            True,
        ),
        _c(
            "average_recall_without",
            FLOAT,
            "AR of the class without the group; null where no label is left.",
            "0..1",
            True,
        ),
    ),
)

CALIBRATION = TableSchema(
    "calibration",
    "a class or all x bin of the score, at the chosen IoU threshold; bins with predictions only",
    (
        *SCOPE,
        _c("bin", INT, "Index of the bin, 0 to 19."),
        _c("lower", FLOAT, "Lowest score of the bin.", "0..1"),
        _c("upper", FLOAT, "Score below which the bin ends (1 belongs to the last one).", "0..1"),
        _c("n_predictions", INT, "Predictions in the bin that count."),
        _c("n_true_positive", INT, "True positives among them."),
        _c("mean_score", FLOAT, "Mean of their scores.", "0..1"),
        _c("precision", FLOAT, "n_true_positive / n_predictions.", "0..1"),
        _c("expected_calibration_error", FLOAT, "Of the whole scope, in each of its rows.", "0..1"),
    ),
)

SCORE_PERFORMANCE = TableSchema(
    "score_performance",
    "a class or all x IoU threshold x score threshold",
    (
        *SCOPE,
        _c("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        _c(
            "score_threshold",
            FLOAT,
            "A step of the scores' range, the configured one, or that of the best F1 of `all`, chosen T.",
        ),
        _c("n_predictions", INT, "Predictions with at least this score that count."),
        _c("n_true_positive", INT, "True positives among them."),
        _c("n_labels", INT, "Labels that count."),
        _c("precision", FLOAT, "n_true_positive / n_predictions.", "0..1", True),
        _c("recall", FLOAT, "n_true_positive / n_labels.", "0..1", True),
        _c("f1", FLOAT, "2 TP / (n_predictions + n_labels).", "0..1", True),
    ),
)

ERROR_TYPE = TableSchema(
    "error_type",
    "a class or all x source x error type, at the chosen IoU threshold",
    (
        *SCOPE,
        _c("source", LABEL, "`prediction`: of false positives; `label`: of missed labels."),
        _c(
            "error_type",
            LABEL,
            "`localization`, `classification`, `duplicate`, `background`,"
            " `classification_and_localization`; of labels also `missed`. `false_positive`, `false_negative`:"
            " all of that side.",
        ),
        _c("n", INT, "Rows with this error."),
        _c(
            "share", FLOAT, "Of the false positives, or of the missed labels; null without any.", "0..1", True
        ),
        _c(
            "average_precision_cost",
            FLOAT,
            "AP at the chosen T gained if this error were fixed; for `all` the mean over classes. Null"
            " without labels, and for labels lost to an error of a prediction: it stands there.",
            "0..1",
            True,
        ),
    ),
)

CONFUSION = TableSchema(
    "confusion",
    "a class of labels x class of predictions, at the chosen IoU threshold; cells that are not empty only",
    (
        _c("label_class_id", LABEL, "Id of the label's class; null: no label (background).", "", True),
        _c("label_class_name", LABEL, "Its name.", "", True),
        _c("predicted_class_id", LABEL, "Id of the predicted class; null: nothing predicted.", "", True),
        _c("predicted_class_name", LABEL, "Its name.", "", True),
        _c("iou_threshold", FLOAT, "IoU from which a label and a prediction are paired.", "0..1"),
        _c(
            "score_threshold",
            FLOAT,
            "Score from which predictions are looked at: the configured one, else that of the best F1 of all"
            " classes together; null: all of them, as none is right.",
            "",
            True,
        ),
        _c("n", INT, "Pairs; beside background labels or predictions without one."),
    ),
)

METRIC_KEY = (
    _c("metric", LABEL, "Name of the quality metric."),
    _c("level", LABEL, "Where the metric is defined: `prediction`, `label` or `frame`."),
    _c("target", LABEL, "Whose outcome it explains: `prediction`, `label` or `frame`."),
)


def _region(suffix: str) -> tuple[Column, ...]:
    """The columns of a range of one metric of a slice; those of the other one may all be null."""
    nullable = suffix != ""
    return (
        _c(f"metric{suffix}", LABEL, "Name of the quality metric.", "", nullable),
        _c(f"level{suffix}", LABEL, "Where the metric is defined.", "", nullable),
        _c(f"lower{suffix}", FLOAT, "Lower edge, open; null: none.", "", True),
        _c(f"upper{suffix}", FLOAT, "Upper edge, closed; null: none.", "", True),
        _c(f"category{suffix}", STRING, "The category, of a categorical metric.", "", True),
    )


METRIC_IMPORTANCE = TableSchema(
    "metric_importance",
    "a metric x level x target x class or all x IoU threshold x score threshold",
    (
        *METRIC_KEY,
        *SCOPE,
        _c("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        _c(
            "score_threshold",
            FLOAT,
            "The configured one; at the chosen T also that of the best F1 of all predictions.",
        ),
        _c(
            "importance",
            FLOAT,
            "0: no dependency beyond chance; 1: the metric tells the outcome.",
            "0..1",
            True,
        ),
        _c("importance_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        _c("importance_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        _c(
            "bias_factor",
            FLOAT,
            "f: how far the clustering of objects in frames multiplies the bias.",
            "",
            True,
        ),
        _c("p_value", FLOAT, "Rao-Scott p-value of independence.", "0..1", True),
        _c("is_significant", BOOL, "Adjusted p < 0.05 and importance above the noise floor.", "", True),
        _c(
            "noise_floor",
            FLOAT,
            "Importance of the random control of the same level and target.",
            "0..1",
            True,
        ),
        _c("mutual_information", FLOAT, "Plug-in I(X;Y), no correction.", "nat", True),
        _c("mutual_information_knn", FLOAT, "scikit-learn's nearest-neighbour estimate.", "nat", True),
        _c("mutual_information_knn_reason", LABEL, "Why there is no such estimate.", "", True),
        _c("entropy", FLOAT, "Plug-in H(Y).", "nat", True),
        _c("correlation", FLOAT, "Pearson between metric and outcome.", "-1..1", True),
        _c("correlation_low", FLOAT, "Lower end of its 95% interval.", "-1..1", True),
        _c("correlation_high", FLOAT, "Upper end of its 95% interval.", "-1..1", True),
        _c("correlation_spearman", FLOAT, "Spearman, from mid-ranks of 50 bins.", "-1..1", True),
        _c("correlation_spearman_low", FLOAT, "Lower end of its 95% interval.", "-1..1", True),
        _c("correlation_spearman_high", FLOAT, "Upper end of its 95% interval.", "-1..1", True),
        _c("correlation_partial", FLOAT, "Pearson with the control's bin means taken out.", "-1..1", True),
        _c("correlation_partial_low", FLOAT, "Lower end of its 95% interval.", "-1..1", True),
        _c("correlation_partial_high", FLOAT, "Upper end of its 95% interval.", "-1..1", True),
        _c("correlation_reason", LABEL, "Why a correlation is null.", "", True),
        _c("is_confounded", BOOL, "Significant, and hardly anything is left without the control.", "", True),
        _c("n", INT, "Rows with the metric that count."),
        _c("n_missing", INT, "Rows that count without the metric."),
        _c("n_bins", INT, "Bins after merging."),
        _c("reason", LABEL, "Why importance or its interval is null.", "", True),
    ),
)

METRIC_BIN = TableSchema(
    "metric_bin",
    "a metric x fine bin",
    (
        _c("metric", LABEL, "Name of the quality metric."),
        _c("bin", INT, "Index of the fine bin, from 0."),
        _c("lower", FLOAT, "Lower edge, open (closed in bin 0); null for a category.", "", True),
        _c("upper", FLOAT, "Upper edge, closed; null for a category.", "", True),
        _c("category", STRING, "The category; null for a numeric metric.", "", True),
        _c("share", FLOAT, "Weighted share of the values in the bin.", "0..1"),
        _c("cumulative_share", FLOAT, "Weighted share of the values up to the bin's end.", "0..1"),
        _c("mean", FLOAT, "Mean of the values in the bin; null for a category.", "", True),
        _c("bin_50", INT, "Index of the bin when there are 50."),
    ),
)

METRIC_PERFORMANCE = TableSchema(
    "metric_performance",
    "a metric x class or all x IoU threshold x bin",
    (
        _c("metric", LABEL, "Name of the quality metric."),
        *SCOPE,
        _c("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        _c("resolution", INT, "50: `bin` is a `bin_50`; otherwise the number of fine bins asked for."),
        _c("bin", INT, "Index of the bin at this resolution."),
        _c("n_predictions", INT, "Predictions in the bin that count.", "", True),
        _c("n_true_positive", INT, "True positives among them.", "", True),
        _c("n_labels", INT, "Labels in the bin that count.", "", True),
        _c("n_missed", INT, "Missed labels among them.", "", True),
        _c("prediction_sum_nn", INT, "Σ over frames of n², predictions.", "", True),
        _c("prediction_sum_ny", INT, "Σ over frames of n·y, y true positives.", "", True),
        _c("prediction_sum_yy", INT, "Σ over frames of y².", "", True),
        _c("prediction_n_frames", INT, "Frames with a prediction in the bin.", "", True),
        _c("label_sum_nn", INT, "Σ over frames of n², labels.", "", True),
        _c("label_sum_ny", INT, "Σ over frames of n·y, y missed labels.", "", True),
        _c("label_sum_yy", INT, "Σ over frames of y².", "", True),
        _c("label_n_frames", INT, "Frames with a label in the bin.", "", True),
        _c("tpr", FLOAT, "n_true_positive / n_predictions, at the chosen T.", "0..1", True),
        _c("tpr_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        _c("tpr_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        _c("precision", FLOAT, "The same number as tpr under its other name.", "0..1", True),
        _c("fnr", FLOAT, "n_missed / n_labels, at the chosen T.", "0..1", True),
        _c("fnr_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        _c("fnr_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        _c("recall", FLOAT, "1 - fnr.", "0..1", True),
    ),
)

METRIC_SCORE = TableSchema(
    "metric_score",
    "a metric x class or all x bin x level of the score, at the chosen IoU threshold; cells with rows only",
    (
        _c("metric", LABEL, "Name of the quality metric."),
        *SCOPE,
        _c("resolution", INT, "50: `bin` is a `bin_50`, or a category; 10: it is bin_50 // 5."),
        _c("bin", INT, "Index of the bin at this resolution."),
        _c("score_lower", FLOAT, "Lowest score of the level; a step, the configured or the best threshold."),
        _c("n_predictions", INT, "Predictions of the level that count.", "", True),
        _c("n_true_positive", INT, "True positives among them.", "", True),
        _c("n_found", INT, "Labels of the bin that were found by a prediction of the level.", "", True),
    ),
)

METRIC_ERROR = TableSchema(
    "metric_error",
    "a metric x class or all x bin x source x error type, at the chosen IoU threshold; cells with rows only",
    (
        _c("metric", LABEL, "Name of the quality metric."),
        *SCOPE,
        _c("resolution", INT, "50: `bin` is a `bin_50`, or a category; 10: it is bin_50 // 5."),
        _c("bin", INT, "Index of the bin at this resolution."),
        _c("source", LABEL, "`prediction`: of false positives; `label`: of missed labels."),
        _c("error_type", LABEL, "As in table `error_type`, without its totals."),
        _c("n", INT, "Rows in the bin with this error."),
    ),
)

SLICE = TableSchema(
    "slice",
    "a region of one or two metrics in which more goes wrong than elsewhere, at the chosen IoU threshold",
    (
        _c("rank", INT, "Place among the target's: significant ones first, then by how much worse at least."),
        _c("target", LABEL, "Whose outcome it is: `prediction` or `label`."),
        *_region(""),
        *_region("_other"),
        _c("score_threshold", FLOAT, "Of the outcomes: that of the best F1, or the configured one."),
        _c("n", INT, "Predictions, or labels, in the region that count."),
        _c("n_hit", INT, "True positives, or missed labels, among them."),
        _c("rate", FLOAT, "n_hit / n: TPR of predictions, FNR of labels.", "0..1"),
        _c("rate_low", FLOAT, "Lower end of its 95% interval.", "0..1"),
        _c("rate_high", FLOAT, "Upper end of its 95% interval.", "0..1"),
        _c("rate_rest", FLOAT, "The rate of all other rows that have the metrics.", "0..1"),
        _c("effect", FLOAT, "rate - rate_rest: below 0 for predictions, above 0 for labels.", "-1..1"),
        _c("effect_low", FLOAT, "Lower end of its 95% interval.", "-1..1"),
        _c("effect_high", FLOAT, "Upper end of its 95% interval.", "-1..1"),
        _c("share", FLOAT, "Share of all false positives, or missed labels, in the region.", "0..1"),
        _c("z", FLOAT, "How many standard errors worse than the rest; of a pair also than either range."),
        _c("p_value", FLOAT, "One-sided p-value of that.", "0..1"),
        _c("p_adjusted", FLOAT, "Adjusted by Benjamini-Hochberg over all regions tested.", "0..1"),
        _c("is_significant", BOOL, "p_adjusted < 0.05."),
        _c("n_tested", INT, "Regions of the target that were tested."),
        _c("text", STRING, "The slice in plain words."),
    ),
)

RECOMMENDATION = TableSchema(
    "recommendation",
    "a piece of advice; all figures but correlations are of the half of the frames on which it was not found",
    (
        _c("rank", INT, "Place in the list, from 1."),
        _c(
            "kind",
            LABEL,
            "`filter_predictions`, `confidence_by_metric`, `weak_range` or `confounded`.",
        ),
        *METRIC_KEY,
        *SCOPE,
        _c("duplicate_of_rank", INT, "Rank of the first that says the same of another metric.", "", True),
        _c("measure", LABEL, "What the gain is of: `f1`, `precision` or `recall`.", "", True),
        _c("gain", FLOAT, "By how much the measure rises; of a weak range, were it like the rest.", "", True),
        _c("gain_low", FLOAT, "Lower end of its 95% interval.", "", True),
        _c("gain_high", FLOAT, "Upper end of its 95% interval.", "", True),
        _c("p_value", FLOAT, "That there is no gain, adjusted for all candidates tried.", "0..1", True),
        _c("lower", FLOAT, "Lower edge, open: of what is kept, or of the weak range; null: none.", "", True),
        _c("upper", FLOAT, "Upper edge, closed; null: none.", "", True),
        _c("category", STRING, "The weak category.", "", True),
        _c(
            "score_threshold",
            FLOAT,
            "With the filter; of a weak range that of its outcomes.",
            "",
            True,
        ),
        _c("score_threshold_before", FLOAT, "The best single score threshold.", "", True),
        _c(
            "score_thresholds",
            STRING,
            "`confidence_by_metric`: JSON, a list of lower, upper and score_threshold; null drops all.",
            "",
            True,
        ),
        _c("precision_before", FLOAT, "Precision at the best single score threshold, or now.", "0..1", True),
        _c("precision_after", FLOAT, "With the advice.", "0..1", True),
        _c("recall_before", FLOAT, "Recall at the best single score threshold, or now.", "0..1", True),
        _c("recall_after", FLOAT, "With the advice.", "0..1", True),
        _c("f1_before", FLOAT, "F1 at the best single score threshold.", "0..1", True),
        _c("f1_after", FLOAT, "With the advice.", "0..1", True),
        _c("average_precision_before", FLOAT, "mAP at the best single score threshold.", "0..1", True),
        _c("average_precision_after", FLOAT, "mAP with the advice.", "0..1", True),
        _c("average_precision_all", FLOAT, "mAP without any score threshold.", "0..1", True),
        _c("n_dropped", INT, "Predictions fewer than at the best single score threshold.", "", True),
        _c("true_positives_lost", FLOAT, "Share of the true positives there; below 0: gained.", "", True),
        _c("n", INT, "Rows in the weak range.", "", True),
        _c("rate", FLOAT, "Share of them that are right, or found.", "0..1", True),
        _c("rate_rest", FLOAT, "The same of the rows outside.", "0..1", True),
        _c("share_of_wrong", FLOAT, "Share of all false positives, or missed labels, in it.", "0..1", True),
        _c("correlation", FLOAT, "Of a confounded metric with the outcome.", "-1..1", True),
        _c("correlation_partial", FLOAT, "The same with the control taken out.", "-1..1", True),
        _c("text", STRING, "The advice in words."),
    ),
)

QUARANTINE = TableSchema(
    "quarantine",
    "a bad input row",
    (
        _c(
            "source",
            LABEL,
            "`frame`, `label`, `prediction`; `image` or `metric`: values are null, no row is out.",
        ),
        _c("row", INT, "Row of the source, from 0; of images and metrics the frame's place in frame order."),
        _c("frame_id", STRING, "Frame the row names, as found.", "", True),
        _c("object_id", STRING, "Label or prediction id, as found.", "", True),
        _c("reason", LABEL, "Why the row was left out."),
        _c("column", LABEL, "The column at fault."),
        _c("value", STRING, "What stood there.", "", True),
    ),
)

RUN = TableSchema(
    "run",
    "a run",
    (
        _c("status", STRING, "`complete`; a run without a row here does not exist."),
        _c("digest", STRING, "SHA-256 over options, inputs' content (of images their root) and versions."),
        _c("code_version", STRING, "Version of emqa."),
        _c("schema_version", INT, "Version of the tables."),
        _c("matching", STRING, "Matching protocol."),
        _c("iou_threshold", FLOAT, "The chosen IoU threshold.", "0..1"),
        _c("score_threshold", FLOAT, "The chosen score threshold."),
        _c("configuration", STRING, "The options that change results, as JSON."),
        _c("started_at", TIME, "When the run was started."),
        _c("finished_at", TIME, "When its last table was committed."),
        _c("wall_s", FLOAT, "Wall time.", "s"),
        _c("cpu_s", FLOAT, "CPU time of driver and workers.", "s"),
        _c("bytes_read", INT, "Bytes of input.", "B"),
        _c("bytes_written", INT, "Bytes of tables.", "B"),
        _c("n_frames", INT, "Frames evaluated."),
        _c("n_labels", INT, "Labels evaluated."),
        _c("n_predictions", INT, "Predictions evaluated."),
        _c("n_unlisted", INT, "Predictions of classes that the labels do not list, left out."),
        _c("n_quarantined", INT, "Bad rows left out."),
        _c("n_partitions", INT, "Partitions the frames were cut into."),
        _c("cluster", STRING, "Where it ran: `none`, `local` or the scheduler's address."),
    ),
)

TABLES: dict[str, TableSchema] = {
    table.name: table
    for table in (
        PREDICTION,
        LABEL_TABLE,
        FRAME,
        CLASS_PERFORMANCE,
        SUMMARY,
        PRECISION_RECALL,
        CLASS_COOCCURRENCE,
        CLASS_GROUP,
        CALIBRATION,
        SCORE_PERFORMANCE,
        ERROR_TYPE,
        CONFUSION,
        METRIC_IMPORTANCE,
        METRIC_BIN,
        METRIC_PERFORMANCE,
        METRIC_SCORE,
        METRIC_ERROR,
        SLICE,
        RECOMMENDATION,
        QUARANTINE,
        RUN,
    )
}
FACT_TABLES = ("prediction", "label", "frame")


def threshold_suffix(iou_threshold: float) -> str:
    """`50` for 0.5, `05` for 0.05; thousandths where hundredths do not tell thresholds apart: `555`."""
    thousandths = round(iou_threshold * 1000)
    return f"{thousandths // 10:02d}" if thousandths % 10 == 0 else f"{thousandths:03d}"


def true_positive_column(iou_threshold: float) -> str:
    return f"is_true_positive_{threshold_suffix(iou_threshold)}"


def found_column(iou_threshold: float) -> str:
    return f"is_found_{threshold_suffix(iou_threshold)}"
