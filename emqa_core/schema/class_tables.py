"""Tables of measures by class, and of what went wrong with classes."""

from __future__ import annotations

from emqa_core.schema.column_groups import CLASS, SCOPE
from emqa_core.schema.columns import FLOAT, INT, LABEL, STRING, Column, TableSchema, column


def _interval(name: str) -> tuple[Column, ...]:
    """The columns of a share's 95% interval."""
    return (
        column(f"{name}_low", FLOAT, "Lower end of its 95% interval.", "0..1", True),
        column(f"{name}_high", FLOAT, "Upper end of its 95% interval.", "0..1", True),
        column(f"{name}_reason", LABEL, "Why there is no interval.", "", True),
    )


CLASS_PERFORMANCE = TableSchema(
    "class_performance",
    "a class, or all, x IoU threshold x area range",
    (
        *SCOPE,
        column("iou_threshold", FLOAT, "IoU threshold; null: the mean over `iou_thresholds`.", "0..1", True),
        column("area_range", LABEL, "`all`, `small`, `medium`, `large`, or a range of the configuration."),
        column("n_labels", INT, "Labels that count in the range; for the mean: as at each T."),
        column(
            "n_frames_with_label",
            INT,
            "Area range `all`: frames with such a label; for scope `all` summed over classes.",
            "",
            True,
        ),
        column("n_predictions", INT, "Predictions that count; null for the mean over T.", "", True),
        column("n_true_positive", INT, "True positives; null for the mean over T.", "", True),
        column("n_false_positive", INT, "False positives; null for the mean over T.", "", True),
        column("n_missed", INT, "Missed labels; null for the mean over T.", "", True),
        column("average_precision", FLOAT, "101-point AP; for `all` the mean over classes.", "0..1", True),
        *_interval("average_precision"),
        column("average_precision_voc07", FLOAT, "VOC 2007 eleven-point AP.", "0..1", True),
        column("average_precision_all_point", FLOAT, "Area under the whole monotone curve.", "0..1", True),
        column("average_recall", FLOAT, "Recall at the largest max_dets; for `all` the mean.", "0..1", True),
        *_interval("average_recall"),
        column("precision", FLOAT, "Of the pooled rows at the score threshold.", "0..1", True),
        *_interval("precision"),
        column("recall", FLOAT, "Of the pooled rows at the score threshold.", "0..1", True),
        *_interval("recall"),
        column("f1", FLOAT, "Of the pooled rows at the score threshold.", "0..1", True),
        *_interval("f1"),
        column("best_score_threshold", FLOAT, "Score threshold of the highest F1.", "", True),
        column("best_precision", FLOAT, "Precision there.", "0..1", True),
        column("best_recall", FLOAT, "Recall there.", "0..1", True),
        column("best_f1", FLOAT, "The highest F1.", "0..1", True),
        column("macro_precision", FLOAT, "Scope `all`: mean of the classes' precision.", "0..1", True),
        column("macro_recall", FLOAT, "Scope `all`: mean of the classes' recall.", "0..1", True),
        column("macro_f1", FLOAT, "Scope `all`: mean of the classes' F1.", "0..1", True),
    ),
)


SUMMARY = TableSchema(
    "summary",
    "a measure of the run",
    (
        column("measure", STRING, "Name of the measure: AP, AP50, mAP, mAR, n_frames, ..."),
        column("value", FLOAT, "Its value; without support null, for the twelve COCO numbers -1.", "", True),
        column("low", FLOAT, "Lower end of its 95% interval.", "", True),
        column("high", FLOAT, "Upper end of its 95% interval.", "", True),
        column("reason", STRING, "Why value or interval is null.", "", True),
    ),
)


PRECISION_RECALL = TableSchema(
    "precision_recall",
    "a class x IoU threshold x recall point",
    (
        *CLASS,
        column("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        column("recall", FLOAT, "Recall point.", "0..1"),
        column("precision", FLOAT, "Highest precision at this recall or more.", "0..1"),
        column("score", FLOAT, "Score at which the recall is reached; 0 where it never is."),
    ),
)


CLASS_COOCCURRENCE = TableSchema(
    "class_cooccurrence",
    "a class x class, per source",
    (
        column("source", LABEL, "`prediction` or `label`."),
        *CLASS,
        column("other_class_id", LABEL, "Id of the other class."),
        column("other_class_name", LABEL, "Name of the other class."),
        column("sum_product", INT, "Σ over frames of n_class · n_other, rows that count at the chosen T."),
        column(
            "sum_product_ny",
            INT,
            "Σ over frames of n_class · y_other, y true positives or missed labels.",
        ),
        column("sum_product_yy", INT, "Σ over frames of y_class · y_other."),
        column("n_frames", INT, "Frames with rows of both that count."),
    ),
)


CLASS_GROUP = TableSchema(
    "class_group",
    "a class x IoU threshold x jackknife group, for intervals of a selection of classes; area range `all`",
    (
        *CLASS,
        column("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        column("group", INT, "Jackknife group of frames, 0 to 19, by hash of the resampling unit."),
        column("n_predictions", INT, "Predictions in the group that count, at the score threshold."),
        column("n_true_positive", INT, "True positives among them, as many as labels found."),
        column("n_labels", INT, "Labels in the group that count."),
        column(
            "average_precision_without",
            FLOAT,
            "101-point AP of the class without the group; null where no label is left.",
            "0..1",
            True,
        ),
        column(
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
        column("bin", INT, "Index of the bin, 0 to 19."),
        column("lower", FLOAT, "Lowest score of the bin.", "0..1"),
        column("upper", FLOAT, "Score below which the bin ends (1 belongs to the last one).", "0..1"),
        column("n_predictions", INT, "Predictions in the bin that count."),
        column("n_true_positive", INT, "True positives among them."),
        column("mean_score", FLOAT, "Mean of their scores.", "0..1"),
        column("precision", FLOAT, "n_true_positive / n_predictions.", "0..1"),
        column("expected_calibration_error", FLOAT, "Of the whole scope, in each of its rows.", "0..1"),
    ),
)


SCORE_PERFORMANCE = TableSchema(
    "score_performance",
    "a class or all x IoU threshold x score threshold",
    (
        *SCOPE,
        column("iou_threshold", FLOAT, "IoU threshold.", "0..1"),
        column(
            "score_threshold",
            FLOAT,
            "A step of the scores' range, the configured one, or that of the best F1 of `all`, chosen T.",
        ),
        column("n_predictions", INT, "Predictions with at least this score that count."),
        column("n_true_positive", INT, "True positives among them."),
        column("n_labels", INT, "Labels that count."),
        column("precision", FLOAT, "n_true_positive / n_predictions.", "0..1", True),
        column("recall", FLOAT, "n_true_positive / n_labels.", "0..1", True),
        column("f1", FLOAT, "2 TP / (n_predictions + n_labels).", "0..1", True),
    ),
)


ERROR_TYPE = TableSchema(
    "error_type",
    "a class or all x source x error type, at the chosen IoU threshold",
    (
        *SCOPE,
        column("source", LABEL, "`prediction`: of false positives; `label`: of missed labels."),
        column(
            "error_type",
            LABEL,
            "`localization`, `classification`, `duplicate`, `background`,"
            " `classification_and_localization`; of labels also `missed`. `false_positive`, `false_negative`:"
            " all of that side.",
        ),
        column("n", INT, "Rows with this error."),
        column(
            "share", FLOAT, "Of the false positives, or of the missed labels; null without any.", "0..1", True
        ),
        column(
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
        column("label_class_id", LABEL, "Id of the label's class; null: no label (background).", "", True),
        column("label_class_name", LABEL, "Its name.", "", True),
        column("predicted_class_id", LABEL, "Id of the predicted class; null: nothing predicted.", "", True),
        column("predicted_class_name", LABEL, "Its name.", "", True),
        column("iou_threshold", FLOAT, "IoU from which a label and a prediction are paired.", "0..1"),
        column(
            "score_threshold",
            FLOAT,
            "Score from which predictions are looked at: the configured one, else that of the best F1 of all"
            " classes together; null: all of them, as none is right.",
            "",
            True,
        ),
        column("n", INT, "Pairs; beside background labels or predictions without one."),
    ),
)
