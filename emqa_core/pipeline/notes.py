"""What a run says in its log of values that are null or counted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.pipeline.metric_rows import SampleState
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.progress import Progress


def say_what_is_null(model: str, state: PartitionState, progress: Progress) -> None:
    """Count the images that gave nothing, and the frames at which users' functions raised errors."""
    for source, word in (("image", "images gave no pixels"), ("metric", "frames without a metric of yours")):
        found = state.quarantine.filter(pc.equal(state.quarantine["source"].cast(pa.string()), source))
        reasons = Counter(found["reason"].to_pylist())
        if reasons:
            listed = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common(3))
            progress.note(f"{model}: {found.num_rows:,} {word} ({listed}): table quarantine")


def say_what_is_folded(axes: Mapping[str, MetricAxis], sample: SampleState, progress: Progress) -> None:
    """Name the metrics whose rare categories are counted together."""
    for name, axis in axes.items():
        n_categories = len(sample.distinct[name].values)
        if axis.categories is not None and n_categories > len(axis.categories) > 0:
            kept = len(axis.categories) - 1
            progress.note(
                f"{name}: {n_categories:,} categories, all but the {kept} most frequent are `other`"
            )
