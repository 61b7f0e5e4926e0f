"""Tables with a row for each prediction, label and frame."""

from __future__ import annotations

from emqa_core.schema.column_groups import BOX, CLASS, OBJECT_KEY
from emqa_core.schema.columns import BOOL, FLOAT, FLOAT32, INT, LABEL, STRING, TableSchema, column

PREDICTION = TableSchema(
    "prediction",
    "a prediction",
    (
        column("prediction_id", STRING, "Id of the prediction, unique in its frame."),
        *OBJECT_KEY,
        *CLASS,
        column("score", FLOAT, "The model's confidence, as given."),
        *BOX,
        column(
            "outcome", LABEL, "`true_positive`, `false_positive` or `ignored` at the chosen IoU threshold."
        ),
        column(
            "error_type", LABEL, "Why a false positive is one; table `error_type` has the words.", "", True
        ),
        column("iou", FLOAT, "IoU with its label; null without one (0 under `best_iou`).", "0..1", True),
        column(
            "iou_duplicate",
            FLOAT,
            "`best_iou` only: true positive at T exactly when iou_duplicate < T <= iou.",
            "-1..1",
            True,
        ),
        column(
            "label_id",
            STRING,
            "The label matched at the chosen IoU threshold (`best_iou`: attached to).",
            "",
            True,
        ),
        column("track_id", STRING, "Track of the prediction, where the source has one.", "", True),
    ),
    open=True,
)

LABEL_TABLE = TableSchema(
    "label",
    "a label",
    (
        column("label_id", STRING, "Id of the label, unique in its frame."),
        *OBJECT_KEY,
        *CLASS,
        *BOX,
        column("area_px2", FLOAT, "Area by which the label falls into an area range.", "px²"),
        column("is_crowd", BOOL, "The box covers a group of objects."),
        column("is_ignored", BOOL, "The label counts neither as found nor as missed."),
        column("outcome", LABEL, "`found`, `missed` or `ignored` at the chosen IoU threshold."),
        column(
            "error_type", LABEL, "Why a missed label was missed; table `error_type` has the words.", "", True
        ),
        column("iou", FLOAT, "IoU with the prediction that found it.", "0..1", True),
        column("iou_max", FLOAT, "`best_iou` only: missed at T exactly when iou_max < T.", "-1..1", True),
        column("prediction_id", STRING, "The prediction that found it at the chosen threshold.", "", True),
        column(
            "score", FLOAT, "The score of that prediction; null for a label that was not found.", "", True
        ),
        column("track_id", STRING, "Track of the label, where the source has one.", "", True),
    ),
    open=True,
)

FRAME = TableSchema(
    "frame",
    "a frame",
    (
        column("frame_id", STRING, "Id of the frame, as a string."),
        column("frame_order", INT, "Rank of the frame by which ties are broken."),
        column("width_px", FLOAT32, "Width of the image.", "px", True),
        column("height_px", FLOAT32, "Height of the image.", "px", True),
        column("image_uri", STRING, "Where the image lies.", "", True),
        column("sequence_id", STRING, "Sequence the frame belongs to.", "", True),
        column("frame_index", INT, "Position in the sequence.", "", True),
        column("content_hash", STRING, "Hash of the image's bytes, where the source has one.", "", True),
        column("n_predictions", INT, "Predictions that count at the chosen thresholds."),
        column("n_labels", INT, "Labels that count."),
        column("n_true_positive", INT, "True positives at the chosen thresholds."),
        column("n_false_positive", INT, "False positives at the chosen thresholds."),
        column("n_missed", INT, "Labels missed at the chosen thresholds."),
        column("precision", FLOAT, "n_true_positive / n_predictions.", "0..1", True),
        column("recall", FLOAT, "1 - n_missed / n_labels.", "0..1", True),
        column("f1", FLOAT, "2 TP / (n_predictions + n_labels); null for an empty frame.", "0..1", True),
    ),
    open=True,
)
