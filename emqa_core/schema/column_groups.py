"""Columns that several tables share: keys, classes, scopes."""

from __future__ import annotations

from emqa_core.schema.columns import FLOAT32, INT, LABEL, column

CLASS = (
    column("class_id", LABEL, "Id of the class, as a string."),
    column("class_name", LABEL, "Name of the class."),
)

SCOPE = (
    column("scope", LABEL, "`class` for one class, `all` for the selected classes together."),
    column("class_id", LABEL, "Id of the class; null for scope `all`.", nullable=True),
    column("class_name", LABEL, "Name of the class; null for scope `all`.", nullable=True),
)

BOX = (
    column("x_px", FLOAT32, "Left edge of the box.", "px"),
    column("y_px", FLOAT32, "Top edge of the box.", "px"),
    column("width_px", FLOAT32, "Width of the box.", "px"),
    column("height_px", FLOAT32, "Height of the box.", "px"),
)

OBJECT_KEY = (
    column("frame_id", LABEL, "Id of the frame, as a string."),
    column("frame_order", INT, "Rank of the frame by which ties are broken."),
    column("input_index", INT, "Order of the row within its source."),
)

METRIC_KEY = (
    column("metric", LABEL, "Name of the quality metric."),
    column("level", LABEL, "Where the metric is defined: `prediction`, `label` or `frame`."),
    column("target", LABEL, "Whose outcome it explains: `prediction`, `label` or `frame`."),
)
