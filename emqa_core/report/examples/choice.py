"""The worst objects of every group and the worst frames, found in one look through a run's tables.

Chosen by the rows' own numbers and keys, so that the choice is the same however a run was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.objects import Array
from emqa_core.reductions.worst_rows import WorstRows
from emqa_core.report.examples.groups import Groups, MetricGroups, Source

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

ObjectKey = tuple[Source, int, int]  # source, frame_order, input_index
_WRONG = {"prediction": "false_positive", "label": "missed"}
_VALUE = {"prediction": "score", "label": "area_px2"}
_FRAME_ORDER = (("f1", "ascending"), ("n_errors", "descending"), ("frame_order", "ascending"))


@dataclass(frozen=True)
class FoundObject:
    """An object among the worst of its source in a range or of a value, by its place there: 0 the worst.

    groups: number of the groups among those that were looked for; code: of the range or value in them.
    """

    place: int
    groups: int
    code: int
    source: Source
    frame_order: int
    input_index: int

    @property
    def key(self) -> ObjectKey:
        return self.source, self.frame_order, self.input_index


@dataclass(frozen=True)
class FrameCodes:
    """Where each frame is in the groups of every frame metric.

    order (F,) int64 ascending: frame_order. codes: by metric, (F,) int16, as `MetricGroups.codes_of` gives.
    """

    order: Array
    codes: dict[str, Array]

    def of(self, metric: str, frame_order: Array) -> Array:
        """Codes of the frames of some objects, (n,)."""
        return self.codes[metric][np.searchsorted(self.order, frame_order)]


def look_at_frames(run: Run, groups: Sequence[Groups], n_worst: int) -> tuple[FrameCodes, list[int]]:
    """What objects have to know of their frames, and the n_worst frames by their frame_order.

    Worst: by lowest F1, then most errors, then frame_order; frames without an error are not among them. Takes
    8 bytes for each frame of the run and 2 for each frame metric.
    """
    of_frames = [each for each in groups if isinstance(each, MetricGroups) and each.is_of_frames]
    columns = ["frame_order", "f1", "n_false_positive", "n_missed", *(each.column for each in of_frames)]
    orders: list[Array] = [np.empty(0, np.int64)]
    codes: dict[str, list[Array]] = {each.column: [np.empty(0, np.int16)] for each in of_frames}
    schema = pa.schema([("f1", pa.float64()), ("n_errors", pa.int64()), ("frame_order", pa.int64())])
    worst = schema.empty_table()
    for batch in run.batches("frame", columns):
        orders.append(combined(batch["frame_order"]).to_numpy())
        for each in of_frames:
            codes[each.column].append(each.codes_of(batch[each.column]).astype(np.int16))
        n_errors = pc.add(batch["n_false_positive"], batch["n_missed"])
        erring = batch.append_column("n_errors", n_errors).filter(pc.greater(n_errors, 0))
        candidates = pa.concat_tables([worst, erring.select(schema.names)])
        worst = candidates.sort_by(list(_FRAME_ORDER)).slice(0, n_worst)
    order = np.concatenate(orders)
    ascending = np.argsort(order, kind="stable")
    of_frame = {name: np.concatenate(some)[ascending] for name, some in codes.items()}
    return FrameCodes(order[ascending], of_frame), worst["frame_order"].to_pylist()


def look_at_objects(
    run: Run, source: Source, groups: Sequence[Groups], frames: FrameCodes
) -> list[FoundObject]:
    """The worst objects of each group: false positives by score, missed labels by area, both descending.

    Ties: the lower frame_order, then the lower input_index.
    """
    # Groups of the other source alone keep their number, and have no row.
    sizes = [each.n_groups if each.has(source) else 0 for each in groups]
    start = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    state = WorstRows.zero(max((each.n_kept for each in groups), default=0))
    in_rows = [each.column for each in groups if each.has(source) and not each.is_of_frames]
    columns = list(dict.fromkeys(["frame_order", "input_index", "outcome", _VALUE[source], *in_rows]))
    for batch in run.batches(source, columns) if groups else ():
        state += _worst_of(batch, source, groups, start, frames, state)
    found = []
    for group, place, frame_order, input_index in zip(
        state.group.tolist(),
        state.place.tolist(),
        state.frame_order.tolist(),
        state.input_index.tolist(),
        strict=True,
    ):
        of = int(np.searchsorted(start, group, side="right")) - 1
        if place < groups[of].n_kept:
            code = group - int(start[of])
            found.append(FoundObject(place, of, code, source, frame_order, input_index))
    return found


def _worst_of(
    batch: pa.Table,
    source: Source,
    groups: Sequence[Groups],
    start: Array,
    frames: FrameCodes,
    before: WorstRows,
) -> WorstRows:
    """The worst rows of a batch, without most of those that rows found before keep out."""
    is_wrong = pc.fill_null(pc.equal(batch["outcome"].cast(pa.string()), _WRONG[source]), False)
    rows = batch.filter(is_wrong)
    value = combined(rows[_VALUE[source]]).to_numpy(zero_copy_only=False)
    frame_order = combined(rows["frame_order"]).to_numpy()
    input_index = combined(rows["input_index"]).to_numpy()
    floor = before.floor(int(start[-1]))
    found = before.zero(before.k)
    for each, first, end in zip(groups, start[:-1].tolist(), start[1:].tolist(), strict=True):
        if first == end:
            continue
        # Equal values are kept: their keys decide.
        high = np.flatnonzero(~(value < floor[first:end].min()))
        if each.is_of_frames:
            code = frames.of(each.column, frame_order[high])
        else:
            code = each.codes_of(rows[each.column].take(pa.array(high)))
        kept = code >= 0
        high, group = high[kept], code[kept].astype(np.int64) + first
        kept = ~(value[high] < floor[group])
        high, group = high[kept], group[kept]
        found += WorstRows.of(before.k, group, value[high], frame_order[high], input_index[high])
    return found
