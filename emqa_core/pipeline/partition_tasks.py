"""The tasks of the evaluate stage: what each partition reads, and where it leaves what.

Rows travel through storage, never through the scheduler: rows that only the driver has are laid out
beside the output first, rows that are not clustered by frame are shuffled there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emqa_core.pipeline.evaluate_partition import PartitionTask
from emqa_core.pipeline.execute import DaskExecutor, Executor
from emqa_core.pipeline.inputs import RowSlice, RowSource, UnclusteredRows
from emqa_core.pipeline.known_pixels import PixelOptions
from emqa_core.pipeline.partition_states import attempt_key, scratch_folder
from emqa_core.pipeline.partitioning import are_rows_kept, is_scratch_held
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.progress import Progress
from emqa_core.pipeline.relations import Relations
from emqa_core.pipeline.row_sources import FRAME, LABEL, prediction_source
from emqa_core.pipeline.scratch import MemoryScratch, Scratch, StoredScratch
from emqa_core.pipeline.shuffle import frame_homes, shuffle_rows
from emqa_core.pipeline.staging import stage
from emqa_core.pixels.decode import DecodeOptions
from emqa_core.pixels.images import ImageRoot
from emqa_core.quality.chosen import ChosenMetrics
from emqa_core.quality.metric import LEVELS, Level
from emqa_core.storage.parts import work_location
from emqa_core.storage.pixel_cache import PixelCache


def partition_tasks(
    plan: Plan,
    executor: Executor,
    scratch: Mapping[str, Scratch],
    progress: Progress,
    indices: Sequence[int],
) -> list[PartitionTask]:
    """One task for each partition of `indices`, in order; all that a worker needs and no rows."""
    if not indices:
        return []
    shuffled = _shuffle(plan, executor, progress)
    relations = relations_of(plan)
    pixels = pixel_options(plan)
    return [_partition_task(plan, index, scratch, executor, shuffled, relations, pixels) for index in indices]


def relations_of(plan: Plan) -> Relations:
    """What the pending models' metrics need to know over all partitions; left beside the output."""
    levels: dict[str, tuple[Level, list[ChosenMetrics]]] = {
        FRAME: ("frame", [plan.metrics[model] for model in plan.pending]),
        LABEL: ("label", [plan.metrics[model] for model in plan.pending]),
        **{prediction_source(model): ("prediction", [plan.metrics[model]]) for model in plan.pending},
    }

    def needing(need: str) -> tuple[str, ...]:
        return tuple(
            source for source, (level, some) in levels.items() if any(each.need(need, level) for each in some)
        )

    model = plan.pending[0]
    scratch = StoredScratch(plan.location, plan.runs[model].run_id, _folder(plan, model))
    n_rows = max([plan.inputs.labels.n_rows, *(source.n_rows for source in plan.inputs.predictions.values())])
    return Relations(needing("tracks"), needing("embeddings"), Relations.n_buckets_for(n_rows), scratch)


def pixel_options(plan: Plan) -> PixelOptions | None:
    """How images are read, with the cache as it is now; None where no metric looks at pixels."""
    config = plan.config.images
    if config.root is None or not any(
        plan.metrics[model].need("pixels", level) for model in plan.pending for level in LEVELS
    ):
        return None
    root = ImageRoot.of(config.root, plan.location, allow_http=config.allow_http)
    cache = None
    if config.cache:
        listed = work_location(plan.location, plan.runs[plan.pending[0]].run_id).child("pixel-cache.json")
        cache = PixelCache.open(plan.location, plan.config.dataset_name).list_in(listed)
    return PixelOptions(root, DecodeOptions(config.max_pixels, config.exif_orientation), cache)


def scratch_of(plan: Plan, executor: Executor, model: str) -> Scratch:
    """Memory for a run in this process that fits, else the folder of the run's attempt."""
    if executor.description == "none" and is_scratch_held(plan.config.cluster, *_rows_and_metrics(plan)):
        return MemoryScratch()
    return StoredScratch(plan.location, plan.runs[model].run_id, _folder(plan, model))


def keeps_rows(plan: Plan, scratch: Scratch) -> bool:
    """Whether the count keeps prepared rows for its next metrics."""
    return isinstance(scratch, MemoryScratch) and are_rows_kept(plan.config.cluster, *_rows_and_metrics(plan))


def _rows_and_metrics(plan: Plan) -> tuple[int, int]:
    rows = plan.inputs.labels.n_rows + sum(s.n_rows for s in plan.inputs.predictions.values())
    return rows, max(map(len, plan.metrics.values()), default=0)


def _folder(plan: Plan, model: str) -> str:
    return scratch_folder(attempt_key(plan, model))


def _shuffle(plan: Plan, executor: Executor, progress: Progress) -> dict[str, list[RowSlice]]:
    """The partitions' rows of sources that are not clustered by frame, by `label` and model."""
    sources = {
        "label": plan.inputs.labels,
        **{model: plan.inputs.predictions[model] for model in plan.pending},
    }
    unclustered = {key: rows for key, rows in sources.items() if isinstance(rows, UnclusteredRows)}
    if not unclustered:
        return {}
    assert isinstance(executor, DaskExecutor)  # without a cluster such sources are held
    progress.start("shuffle", len(unclustered))
    shuffled = {}
    for key, rows in unclustered.items():
        # Labels are laid out once for all models, in the folder of the first.
        model = plan.pending[0] if key == "label" else key
        run = plan.runs[model]
        prefix = f"{_folder(plan, model)}/input-{'label' if key == 'label' else 'prediction'}"
        homes = frame_homes(rows, plan.stretches, plan.location, run.run_id)
        shuffled[key] = shuffle_rows(rows, homes, executor, plan.location, run.run_id, prefix)
        progress.advance("shuffle")
    progress.finish("shuffle")
    return shuffled


def _partition_task(
    plan: Plan,
    index: int,
    scratch: Mapping[str, Scratch],
    executor: Executor,
    shuffled: Mapping[str, list[RowSlice]],
    relations: Relations,
    pixels: PixelOptions | None,
) -> PartitionTask:
    stretch = plan.stretches[index]

    def slice_of(key: str, rows: RowSource) -> RowSlice:
        return shuffled[key][index] if key in shuffled else rows.cut(stretch)

    frames = plan.inputs.frames.cut(stretch)
    labels = slice_of("label", plan.inputs.labels)
    predictions = {model: slice_of(model, plan.inputs.predictions[model]) for model in plan.pending}
    runs = {model: plan.runs[model] for model in plan.pending}
    if executor.description != "none":
        shared = plan.pending[0]
        run_id, folder = runs[shared].run_id, _folder(plan, shared)
        frames = stage(frames, plan.location, run_id, f"{folder}/input-frame-{index:05d}")
        labels = stage(labels, plan.location, run_id, f"{folder}/input-label-{index:05d}")
        predictions = {
            model: stage(
                rows,
                plan.location,
                runs[model].run_id,
                f"{_folder(plan, model)}/input-prediction-{index:05d}",
            )
            for model, rows in predictions.items()
        }
    return PartitionTask(
        index,
        plan.config,
        plan.inputs.listed,
        plan.classes,
        plan.metrics,
        frames,
        labels,
        predictions,
        runs,
        plan.location,
        scratch,
        {model: attempt_key(plan, model) for model in plan.pending},
        stretch.first,
        relations,
        pixels,
    )
