"""The stage that relates rows of all partitions: tracks in buckets, embeddings source by source."""

from __future__ import annotations

from collections.abc import Sequence

from emqa_core.pipeline.evaluate_partition import PartitionTask
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.progress import Progress
from emqa_core.pipeline.relations import (
    NeighbourTask,
    RelationTask,
    TrackTask,
    find_neighbours,
    follow_tracks,
    leave_rows_to_relate,
)

_INDEX_SHARE = 0.5  # of a worker's memory that vectors may take


def relate_partitions(
    tasks: Sequence[PartitionTask], plan: Plan, executor: Executor, progress: Progress
) -> None:
    """Leave what the metrics need to know over all partitions, for the evaluation of each."""
    relations = tasks[0].relations
    leave = [
        RelationTask(task.index, task.frames, task.labels, task.predictions, task.class_choice, relations)
        for task in tasks
    ]
    tracks = [
        TrackTask(source, bucket, len(tasks), relations)
        for source in relations.tracks
        for bucket in range(relations.n_buckets)
    ]
    max_bytes = _INDEX_SHARE * (plan.config.cluster.memory_per_worker_mib << 20)
    neighbours = [NeighbourTask(source, len(tasks), relations, max_bytes) for source in relations.vectors]
    progress.start("relate", len(leave) + len(tracks) + len(neighbours))
    executor.map(leave_rows_to_relate, leave, lambda n: progress.advance("relate", n))
    executor.map(follow_tracks, tracks, lambda n: progress.advance("relate", n))
    recalls = executor.map(find_neighbours, neighbours, lambda n: progress.advance("relate", n))
    progress.finish("relate")
    for task, recall in zip(neighbours, recalls, strict=True):
        if recall < 1.0:
            progress.note(f"nearest embeddings of {task.source}: approximate, recall {recall:.3f}")
