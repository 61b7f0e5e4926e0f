"""Bad input rows: why each was left out, and how many are too many."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa

from emqa_core import schema
from emqa_core.errors import QuarantineError

DUPLICATE_ID = "duplicate_id"
CLASS_MISSING = "class_missing"
FRAME_ID_MISSING = "frame_id_missing"
FRAME_ORDER_MISSING = "frame_order_missing"
GEOMETRY_MISSING = "geometry_missing"
GEOMETRY_NOT_FINITE = "geometry_not_finite"
GEOMETRY_WRONG_TYPE = "geometry_wrong_type"
METRIC_FAILED = "metric_failed"
NEGATIVE_SIZE = "negative_size"
NOT_AN_OBJECT = "not_an_object"
OBJECT_ID_MISSING = "object_id_missing"
SCORE_MISSING = "score_missing"
SCORE_NOT_A_NUMBER = "score_not_a_number"
SCORE_NOT_FINITE = "score_not_finite"
UNKNOWN_CLASS = "unknown_class"
UNKNOWN_FRAME = "unknown_frame"
WRONG_TYPE = "wrong_type"

SCHEMA = schema.QUARANTINE.own
_GEOMETRY = {"box", "x_px", "y_px", "width_px", "height_px"}
_VALUE_LENGTH = 200


@dataclass
class BadRows:
    """Bad rows of one source, gathered while reading it.

    source: `frame`, `label`, `prediction`, `image` or `metric`. A row is listed once, with the first reason
    found.
    """

    source: str
    rows: list[int] = field(default_factory=list)
    frame_ids: list[str | None] = field(default_factory=list)
    object_ids: list[str | None] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    values: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def add(
        self,
        row: int,
        reason: str,
        column: str,
        value: object,
        frame_id: object = None,
        object_id: object = None,
    ) -> None:
        """List a row. `row` counts from 0 over all files of the source."""
        self.rows.append(row)
        self.reasons.append(reason)
        self.columns.append(column)
        self.values.append(shown(value))
        self.frame_ids.append(None if frame_id is None else str(frame_id))
        self.object_ids.append(None if object_id is None else str(object_id))

    def table(self) -> pa.Table:
        """The rows with the columns of `schema.QUARANTINE`, in row order."""
        n = len(self)
        table = pa.Table.from_arrays(
            [
                pa.array([self.source] * n, pa.string()).dictionary_encode(),
                pa.array(self.rows, pa.int64()),
                pa.array(self.frame_ids, pa.string()),
                pa.array(self.object_ids, pa.string()),
                pa.array(self.reasons, pa.string()).dictionary_encode(),
                pa.array(self.columns, pa.string()).dictionary_encode(),
                pa.array(self.values, pa.string()),
            ],
            schema=SCHEMA,
        )
        return table.sort_by("row")


def shown(value: object) -> str | None:
    """A value as the quarantine table shows it: text as it is, else JSON, cut at 200 characters."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 3] + "..."


@cache
def empty_quarantine() -> pa.Table:
    """A quarantine table without rows."""
    return SCHEMA.empty_table()


def combine_quarantine(tables: Sequence[pa.Table]) -> pa.Table:
    """Quarantine tables of several sources or partitions as one, in the order given."""
    filled = [table for table in tables if table.num_rows]
    if not filled:
        return empty_quarantine()
    return pa.concat_tables(filled).unify_dictionaries().combine_chunks()


def check_quarantine_share(
    n_quarantined: int, n_rows: int, source: str, max_share: float, quarantine_sample: pa.Table
) -> None:
    """Raise QuarantineError when more than `max_share` of the rows of a source are bad.

    source: the words that name it, such as `predictions of model yolox`. quarantine_sample: quarantine
    rows of that source, all or some; the message names their most frequent reasons and one row.
    """
    if n_quarantined <= max_share * n_rows:
        return
    reasons = Counter(quarantine_sample["reason"].to_pylist())
    listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(3))
    example = ""
    if quarantine_sample.num_rows:
        wanted = reasons.most_common(1)[0][0]
        first = next(row for row in quarantine_sample.to_pylist() if row["reason"] == wanted)
        where = f"row {first['row']}, column {first['column']!r}, value {first['value']}"
        frame = f", frame {first['frame_id']}" if first["frame_id"] is not None else ""
        example = f"; for example {where}{frame}"
    raise QuarantineError(
        f"{source}: {n_quarantined:,} of {n_rows:,} rows are bad ({n_quarantined / n_rows:.2%})",
        expected=f"at most {max_share:.2%} (max_quarantine_share)",
        found=f"{listed}{example}" if listed else None,
        next_step="correct the rows, or raise max_quarantine_share to go on without them",
    )


def misfit_reason(column: str) -> str:
    """The reason for a value of a canonical column that is not of the column's kind."""
    if column == "score":
        return SCORE_NOT_A_NUMBER
    return GEOMETRY_WRONG_TYPE if column in _GEOMETRY else WRONG_TYPE
