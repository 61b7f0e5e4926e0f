"""The rows of a plan checked as its workers would, with nothing evaluated and nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emqa_core.combined import combined
from emqa_core.ingest.class_columns import class_codes
from emqa_core.ingest.quarantine import check_quarantine_share, combine_quarantine
from emqa_core.ingest.validate import validate_labels, validate_predictions
from emqa_core.pipeline.inputs import RowSource
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.progress import Progress

Validate = Callable[[pa.Table, pa.Array], tuple[pa.Table, pa.Table]]


@dataclass(frozen=True)
class CheckedRows:
    """What a run of the plan would leave out.

    n_bad: rows per reason of each source (`frame`, `label`, `prediction:MODEL`). n_unlisted: predictions
    per model of classes that the labels do not list.
    """

    n_bad: Mapping[str, Mapping[str, int]]
    n_unlisted: Mapping[str, int]


def check_rows(plan: Plan, progress: Progress) -> CheckedRows:
    """Read every partition once, one after the other. Raises QuarantineError as a run would."""
    sources: list[tuple[str, str, RowSource, Validate]] = [
        ("label", "labels", plan.inputs.labels, validate_labels)
    ]
    for model, rows in plan.inputs.predictions.items():
        sources.append((f"prediction:{model}", f"predictions of model {model}", rows, validate_predictions))
    n_bad = {"frame": _reasons(plan.inputs.quarantine["frame"])}
    n_unlisted = {}
    progress.start("check", len(sources) * plan.n_partitions)
    for key, name, rows, validate in sources:
        bad, unlisted = [plan.inputs.quarantine[key]], 0
        for stretch in plan.stretches:
            piece = rows.cut(stretch)
            table = piece.read()
            if not piece.is_checked:
                frame_ids = combined(plan.inputs.frames.cut(stretch).read()["frame_id"])
                table, found = validate(table, frame_ids)
                bad.append(found)
            unlisted += int(np.count_nonzero(class_codes(table, plan.inputs.listed) < 0))
            progress.advance("check")
        every = combine_quarantine(bad)
        share = plan.config.max_quarantine_share
        check_quarantine_share(every.num_rows, plan.inputs.n_rows[key], name, share, every)
        n_bad[key] = _reasons(every)
        if key != "label":
            n_unlisted[key.partition(":")[2]] = unlisted
    progress.finish("check")
    return CheckedRows(n_bad, n_unlisted)


def _reasons(quarantine: pa.Table) -> dict[str, int]:
    return dict(Counter(quarantine["reason"].to_pylist()))
