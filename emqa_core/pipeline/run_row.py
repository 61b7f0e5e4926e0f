"""What a run's row in table `run` says, before it is committed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import emqa_core
from emqa_core import schema
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.plan import Plan
from emqa_core.storage.parts import Part


def run_row(
    plan: Plan,
    model: str,
    state: PartitionState,
    parts: Mapping[str, Sequence[Part]],
    description: str,
    n_quarantined: int,
) -> dict[str, object]:
    """Columns of table `run` that are known once the parts are written. description: of the executor."""
    config = plan.config
    return {
        "status": "complete",
        "digest": plan.digests[model],
        "code_version": emqa_core.__version__,
        "schema_version": schema.SCHEMA_VERSION,
        "matching": config.matching,
        "iou_threshold": config.iou_threshold,
        "score_threshold": config.score_threshold,
        "configuration": json.dumps(config.result_options(), sort_keys=True),
        "started_at": plan.started_at,
        "cpu_s": state.cpu_s,
        "bytes_read": plan.inputs.bytes_read,
        "bytes_written": sum(part.n_bytes for each in parts.values() for part in each),
        "n_frames": state.n_frames,
        "n_labels": state.n_labels,
        "n_predictions": state.n_predictions,
        "n_unlisted": state.n_unlisted,
        "n_quarantined": n_quarantined,
        "n_partitions": plan.n_partitions,
        "cluster": description,
    }
