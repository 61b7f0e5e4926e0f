"""Tables about the run itself: what was left out, and that it is there."""

from __future__ import annotations

from emqa_core.schema.columns import FLOAT, INT, LABEL, STRING, TIME, TableSchema, column

QUARANTINE = TableSchema(
    "quarantine",
    "a bad input row",
    (
        column(
            "source",
            LABEL,
            "`frame`, `label`, `prediction`; `image` or `metric`: values are null, no row is out.",
        ),
        column(
            "row", INT, "Row of the source, from 0; of images and metrics the frame's place in frame order."
        ),
        column("frame_id", STRING, "Frame the row names, as found.", "", True),
        column("object_id", STRING, "Label or prediction id, as found.", "", True),
        column("reason", LABEL, "Why the row was left out."),
        column("column", LABEL, "The column at fault."),
        column("value", STRING, "What stood there.", "", True),
    ),
)

RUN = TableSchema(
    "run",
    "a run",
    (
        column("status", STRING, "`complete`; a run without a row here does not exist."),
        column(
            "digest", STRING, "SHA-256 over options, inputs' content (of images their root) and versions."
        ),
        column("code_version", STRING, "Version of emqa."),
        column("schema_version", INT, "Version of the tables."),
        column("matching", STRING, "Matching protocol."),
        column("iou_threshold", FLOAT, "The chosen IoU threshold.", "0..1"),
        column("score_threshold", FLOAT, "The chosen score threshold."),
        column("configuration", STRING, "The options that change results, as JSON."),
        column("started_at", TIME, "When the run was started."),
        column("finished_at", TIME, "When its last table was committed."),
        column("wall_s", FLOAT, "Wall time.", "s"),
        column("cpu_s", FLOAT, "CPU time of driver and workers.", "s"),
        column("bytes_read", INT, "Bytes of input.", "B"),
        column("bytes_written", INT, "Bytes of tables.", "B"),
        column("n_frames", INT, "Frames evaluated."),
        column("n_labels", INT, "Labels evaluated."),
        column("n_predictions", INT, "Predictions evaluated."),
        column("n_unlisted", INT, "Predictions of classes that the labels do not list, left out."),
        column("n_quarantined", INT, "Bad rows left out."),
        column("n_partitions", INT, "Partitions the frames were cut into."),
        column("cluster", STRING, "Where it ran: `none`, `local` or the scheduler's address."),
    ),
)
