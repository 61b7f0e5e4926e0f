"""Which rows can be evaluated: one quick pass that asks whether all are good, and a closer look if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.id_places import index_by_place
from emqa_core.ingest import quarantine
from emqa_core.ingest.columns import BOX_COLUMNS, OBJECT_ID, Kind
from emqa_core.keys import hash_column, hash_objects

Validated = tuple[pa.Table, pa.Table]
Mask = np.ndarray  # (n,) bool
Fault = tuple[str, str, Mask]  # reason, column, the rows that have it
Check = Callable[[pa.Table, pa.Array | None], Iterator[Fault]]


def validate_labels(table: pa.Table, known_frames: pa.Array | None) -> Validated:
    """The good labels, and the quarantine rows of the others.

    table: canonical label columns. known_frames: ids of all frames (of the partition), None if any
    frame may be named. Good means: a known frame, a class, a whole and finite box without negative
    width or height, an id that the frame does not have at a lower `input_index`.
    """
    return _validate(table, "label", known_frames, (_frame_faults, _class_faults, _box_faults))


def validate_predictions(table: pa.Table, known_frames: pa.Array | None) -> Validated:
    """The good predictions, and the quarantine rows of the others: as labels, and with a finite score."""
    checks = (_frame_faults, _class_faults, _score_faults, _box_faults)
    return _validate(table, "prediction", known_frames, checks)


VALIDATE_OBJECTS = {"label": validate_labels, "prediction": validate_predictions}


def validate_frames(table: pa.Table, rows: np.ndarray | None = None) -> Validated:
    """The good frames, and the quarantine rows of the others.

    rows (n,) int64: row of the source of each row; its position by default. Good means: an id that no
    frame before it has, an order where others have one, and sizes null, or finite and not negative.
    """
    rows = np.arange(table.num_rows) if rows is None else rows
    indexed = table.append_column("input_index", pa.array(rows, pa.int64()))
    good, bad = _validate(indexed, "frame", None, (_frame_faults, _order_faults, _size_faults))
    return good.drop_columns("input_index"), bad


def _validate(
    table: pa.Table, kind: Kind, known_frames: pa.Array | None, checks: Sequence[Check]
) -> Validated:
    n = table.num_rows
    if n == 0:
        return table, quarantine.empty_quarantine()
    faults = [fault for check in checks for fault in check(table, known_frames)]
    if table[OBJECT_ID[kind]].null_count and kind != "frame":
        faults.append(_null_fault(table, OBJECT_ID[kind], quarantine.OBJECT_ID_MISSING))
    good = np.ones(n, bool)
    bad: list[pa.Table] = []
    for reason, column, mask in faults:  # a row is listed with its first fault
        bad.append(_quarantine_rows(table, kind, reason, column, np.flatnonzero(mask & good)))
        good &= ~mask
    repeated = _repeated_rows(table, kind, np.flatnonzero(good) if faults else None)
    if not faults and not len(repeated):
        return table, quarantine.empty_quarantine()
    good[repeated] = False
    bad.append(_quarantine_rows(table, kind, quarantine.DUPLICATE_ID, OBJECT_ID[kind], repeated))
    return table.filter(pa.array(good)), quarantine.combine_quarantine(bad).sort_by("row")


def _frame_faults(table: pa.Table, known_frames: pa.Array | None) -> Iterator[Fault]:
    column = table["frame_id"]
    if column.null_count:
        yield _null_fault(table, "frame_id", quarantine.FRAME_ID_MISSING)
    if known_frames is None:
        return
    if known_frames.type != column.type:
        known_frames, column = known_frames.cast(pa.string()), column.cast(pa.string())
    ids = combined(column)
    if (by_place := index_by_place(ids, known_frames)) is not None:
        if (by_place < 0).any():
            yield quarantine.UNKNOWN_FRAME, "frame_id", by_place < 0
        return
    # Rows of a frame mostly stand together: one look-up for each run of equal ids.
    starts = np.concatenate([[0], np.flatnonzero(_changes(ids)) + 1])
    is_known = pc.is_in(ids.take(pa.array(starts)), value_set=known_frames).to_numpy(zero_copy_only=False)
    if not is_known.all():
        lengths = np.diff(np.append(starts, len(ids)))
        yield quarantine.UNKNOWN_FRAME, "frame_id", np.repeat(~is_known, lengths)


def _changes(ids: pa.Array) -> Mask:
    """Whether each row after the first differs from the one before it, (n - 1,) bool."""
    if ids.null_count == 0 and pa.types.is_integer(ids.type):
        values = ids.to_numpy()
        return np.asarray(values[1:] != values[:-1])
    differs = pc.fill_null(pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)), True)
    return np.asarray(differs.to_numpy(zero_copy_only=False))


def _ascend(ids: pa.Array) -> bool:
    """Whether integer ids never descend; of text it is not asked."""
    if not pa.types.is_integer(ids.type):
        return False
    values = ids.to_numpy()
    return bool((values[1:] >= values[:-1]).all())


def _class_faults(table: pa.Table, _: pa.Array | None) -> Iterator[Fault]:
    name = "class_id" if "class_id" in table.column_names else "class_name"
    if table[name].null_count:
        yield _null_fault(table, name, quarantine.CLASS_MISSING)


def _score_faults(table: pa.Table, _: pa.Array | None) -> Iterator[Fault]:
    column = table["score"]
    if column.null_count:
        yield _null_fault(table, "score", quarantine.SCORE_MISSING)
    elif _are_finite(column):
        return
    values = column.to_numpy()
    is_nan = np.isnan(values) & pc.is_valid(column).to_numpy()
    yield quarantine.SCORE_NOT_A_NUMBER, "score", is_nan
    yield quarantine.SCORE_NOT_FINITE, "score", np.isinf(values)


def _box_faults(table: pa.Table, _: pa.Array | None) -> Iterator[Fault]:
    for name in BOX_COLUMNS:
        if table[name].null_count:
            yield _null_fault(table, name, quarantine.GEOMETRY_MISSING)
        yield from _number_faults(table, name, is_size=name in ("width_px", "height_px"))


def _size_faults(table: pa.Table, _: pa.Array | None) -> Iterator[Fault]:
    for name in ("width_px", "height_px"):
        yield from _number_faults(table, name, is_size=True)


def _order_faults(table: pa.Table, _: pa.Array | None) -> Iterator[Fault]:
    if "frame_order" in table.column_names and table["frame_order"].null_count:
        yield _null_fault(table, "frame_order", quarantine.FRAME_ORDER_MISSING)


def _number_faults(table: pa.Table, name: str, *, is_size: bool) -> Iterator[Fault]:
    """Values of a column that are not null but not finite, or negative where it is a size."""
    column = table[name]
    if column.null_count == 0 and (_are_sizes(column) if is_size else _are_finite(column)):
        return
    values = column.to_numpy()
    yield quarantine.GEOMETRY_NOT_FINITE, name, ~np.isfinite(values) & pc.is_valid(column).to_numpy()
    if is_size:
        yield quarantine.NEGATIVE_SIZE, name, values < 0


def _are_finite(column: pa.ChunkedArray) -> bool:
    # A sum is finite only if each term is; one that overflows costs a closer look, no more.
    with np.errstate(over="ignore", invalid="ignore"):
        return all(np.isfinite(chunk.to_numpy().sum()) for chunk in column.chunks)


def _are_sizes(column: pa.ChunkedArray) -> bool:
    arrays = [chunk.to_numpy() for chunk in column.chunks if len(chunk)]
    return all(values.min() >= 0 and values.max() < np.inf for values in arrays)


def _null_fault(table: pa.Table, name: str, reason: str) -> Fault:
    return reason, name, pc.is_null(table[name]).to_numpy()


def _repeated_rows(table: pa.Table, kind: Kind, candidates: np.ndarray | None) -> np.ndarray:
    """Rows whose key a row with a lower `input_index` has, among the candidates (None: all), (m,) int64."""
    ids = table[OBJECT_ID[kind]]
    frames = table["frame_id"]
    if candidates is not None:
        ids, frames = ids.take(pa.array(candidates)), frames.take(pa.array(candidates))
    ids, frames = combined(ids), combined(frames)
    if pa.types.is_integer(ids.type):
        values = ids.to_numpy()
        # Generated ids ascend, and most sources number their rows once through or in each frame.
        ascends = values[1:] > values[:-1]
        if ascends.all() or (_ascend(frames) and (ascends | _changes(frames)).all()):
            return np.empty(0, np.int64)
        keys = np.sort(values)
        if (keys[1:] != keys[:-1]).all():
            return np.empty(0, np.int64)
    hashes = hash_column(ids)
    if kind != "frame":
        hashes = hash_objects(hash_column(frames), np.arange(len(ids)), hashes)
    keys = np.sort(hashes)
    twice = keys[1:][keys[1:] == keys[:-1]]
    if not len(twice):
        return np.empty(0, np.int64)
    rows = np.flatnonzero(np.isin(hashes, twice))
    positions = rows if candidates is None else candidates[rows]
    order = table["input_index"].take(pa.array(positions)).to_numpy()
    frames_of_rows = [None] * len(rows) if kind == "frame" else frames.take(pa.array(rows)).to_pylist()
    keys_of_rows = zip(frames_of_rows, ids.take(pa.array(rows)).to_pylist(), strict=True)
    found: set[object] = set()
    repeated = []
    in_order = sorted(zip(order.tolist(), positions.tolist(), keys_of_rows, strict=True))
    for _, position, key in in_order:
        if key in found:
            repeated.append(position)
        found.add(key)
    return np.array(repeated, np.int64)


def _quarantine_rows(table: pa.Table, kind: Kind, reason: str, column: str, rows: np.ndarray) -> pa.Table:
    chosen = table.take(pa.array(rows))
    n = len(rows)
    value = chosen[column].cast(pa.string()) if column in chosen.column_names else pa.nulls(n, pa.string())
    object_id = pa.nulls(n, pa.string()) if kind == "frame" else chosen[OBJECT_ID[kind]].cast(pa.string())
    return pa.table(
        [
            pa.array([kind] * n, pa.string()).dictionary_encode(),
            chosen["input_index"],
            chosen["frame_id"].cast(pa.string()),
            object_id,
            pa.array([reason] * n, pa.string()).dictionary_encode(),
            pa.array([column] * n, pa.string()).dictionary_encode(),
            value,
        ],
        schema=quarantine.SCHEMA,
    )
