"""Names of the sources of a partition's rows: frames, labels, and each model's predictions."""

from __future__ import annotations

FRAME, LABEL = "frame", "label"


def prediction_source(model: str) -> str:
    """The name of a model's predictions among the sources; a model may be called `label`."""
    return f"prediction:{model}"


def model_of(source: str) -> str:
    """The model of a `prediction_source`."""
    return source.partition(":")[2]


def level_of(source: str) -> str:
    """`frame`, `label` or `prediction`."""
    return source.partition(":")[0]
