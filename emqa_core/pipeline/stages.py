"""The stages of a run, in order, one call each.

Values between stages are small: locations, counts, curves. A Prefect flow and `evaluate` call the same
functions.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from emqa_core import schema
from emqa_core.analysis.advice import Advice
from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.class_performance import table_of
from emqa_core.analysis.recommendation import held_rules
from emqa_core.ingest.quarantine import check_quarantine_share, combine_quarantine
from emqa_core.pipeline.count_metrics import CountTask, decide_axes
from emqa_core.pipeline.count_sections import units_at_best
from emqa_core.pipeline.evaluate_partition import PartitionTask, evaluate_partition
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.finalize import class_tables, quarantine_table
from emqa_core.pipeline.find_slices import find_slices
from emqa_core.pipeline.held_runs import HeldRuns
from emqa_core.pipeline.metric_results import (
    WRITTEN_BY_TASKS,
    MeasuredMetrics,
    MeasureTask,
    measure_all,
    measure_tasks,
    metric_tables,
)
from emqa_core.pipeline.metric_rows import SampleState
from emqa_core.pipeline.notes import say_what_is_folded, say_what_is_null
from emqa_core.pipeline.partition_states import (
    PartitionState,
    TakenPartition,
    add_states,
    attempt_key,
    finished_partitions,
    part_name,
)
from emqa_core.pipeline.partition_tasks import keeps_rows, partition_tasks, relations_of, scratch_of
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.progress import Progress
from emqa_core.pipeline.reduce_scores import RankedScores
from emqa_core.pipeline.reduce_scores import reduce_scores as reduce_scores_of
from emqa_core.pipeline.relate_partitions import relate_partitions
from emqa_core.pipeline.reused_memory import reused_memory
from emqa_core.pipeline.rule_precision import with_precision
from emqa_core.pipeline.run_row import run_row
from emqa_core.pipeline.scratch import Scratch, StoredScratch
from emqa_core.storage.commit import commit_run, files_left, remove_left
from emqa_core.storage.parts import Part, write_part
from emqa_core.storage.pixel_cache import PixelCache
from emqa_core.storage.runs import Run, read_run

# Partitions that an earlier attempt finished, by index.
Finished = Mapping[int, TakenPartition]
# The predictions of each model by score.
Ranked = Mapping[str, RankedScores]


@dataclass(frozen=True)
class Evaluated:
    """What all partitions of each model left, added up in partition order."""

    states: Mapping[str, PartitionState]
    scratch: Mapping[str, Scratch]
    description: str


@dataclass(frozen=True)
class Counted:
    """The sample that the bins were decided from, every metric's measures, the rules that hold, and table
    `slice`, by model.
    """

    samples: Mapping[str, SampleState]
    measured: Mapping[str, MeasuredMetrics]
    rules: Mapping[str, Sequence[Advice]]
    slices: Mapping[str, pa.Table]


@dataclass(frozen=True)
class Finalized:
    """The parts of every table of each model, and what its row in `run` says."""

    parts: Mapping[str, Mapping[str, list[Part]]]
    schemas: Mapping[str, Mapping[str, pa.Schema]]
    run_rows: Mapping[str, dict[str, object]]


def prepare_output(plan: Plan, executor: Executor, progress: Progress) -> Finished:
    """Remove what earlier attempts of the same runs left, except partitions that they finished.

    Rows that an attempt committed before it died are taken out of the tables in any case. A partition stays
    where every pending model has it, cut the same way, and its scratch is stored.
    """
    left = {model: files_left(plan.location, plan.runs[model].run_id) for model in plan.pending}
    scratch = {model: scratch_of(plan, executor, model) for model in plan.pending}
    stored = {model: each for model, each in scratch.items() if isinstance(each, StoredScratch)}
    found = {
        model: finished_partitions(each, attempt_key(plan, model), left[model])
        for model, each in stored.items()
    }
    indices = sorted(set.intersection(*(set(each) for each in found.values()))) if found else []
    for model in plan.pending:
        kept = {url for index in indices for url in found[model][index]}
        remove_left(plan.location, plan.runs[model].run_id, left[model], kept)
    if indices:
        progress.note(f"reusing {len(indices)} of {plan.n_partitions} finished partitions")
    return {index: TakenPartition(index, stored) for index in indices}


def evaluate_partitions(plan: Plan, finished: Finished, executor: Executor, progress: Progress) -> Evaluated:
    """Match and measure every partition that is not finished; parts of the fact tables are written too."""
    models = plan.pending
    scratch = {model: scratch_of(plan, executor, model) for model in models}
    indices = range(plan.n_partitions)
    pending = [index for index in indices if index not in finished]
    is_related = bool(pending) and bool(relations_of(plan))
    cut = partition_tasks(plan, executor, scratch, progress, list(indices) if is_related else pending)
    if is_related:
        relate_partitions(cut, plan, executor, progress)
    task_of = {task.index: task for task in cut}
    tasks: list[PartitionTask | TakenPartition] = [
        finished[index] if index in finished else task_of[index] for index in indices
    ]
    progress.start("evaluate", len(tasks))
    states = executor.combine(
        evaluate_partition, tasks, add_states, lambda n: progress.advance("evaluate", n)
    )
    progress.finish("evaluate")
    for model in models:
        _check_quarantine(plan, model, states[model])
        say_what_is_null(model, states[model], progress)
    return Evaluated(states, scratch, executor.description)


def _check_quarantine(plan: Plan, model: str, state: PartitionState) -> None:
    found = combine_quarantine([state.quarantine])
    for source in ("label", "prediction"):
        rows = found.filter(pc.equal(found["source"].cast(pa.string()), source))
        key = source if source == "label" else f"prediction:{model}"
        name = "labels" if source == "label" else f"predictions of model {model}"
        known = plan.inputs.quarantine[key]
        check_quarantine_share(
            rows.num_rows + known.num_rows,
            plan.inputs.n_rows[key],
            name,
            plan.config.max_quarantine_share,
            combine_quarantine([known, rows]),
        )


@reused_memory()
def reduce_scores(plan: Plan, evaluated: Evaluated, executor: Executor, progress: Progress) -> Ranked:
    """Rank the predictions of each model by score: AP, and the score of the best F1 for the count."""
    progress.start("reduce", len(plan.pending))
    ranked = {}
    for model in plan.pending:
        ranked[model] = reduce_scores_of(plan, evaluated.states[model], evaluated.scratch[model], executor)
        progress.advance("reduce")
    progress.finish("reduce")
    return ranked


def count_metrics(
    plan: Plan, evaluated: Evaluated, ranked: Ranked, executor: Executor, progress: Progress
) -> Counted:
    """Decide the bins, count every metric's outcomes in them, measure what they tell; the AP with the rules
    that follow, and slices.
    """
    stored = _stored_axes(plan)
    samples = {model: evaluated.states[model].sample for model in plan.pending}
    axes = {
        model: decide_axes(plan.metrics[model], samples[model], plan.config, stored) for model in plan.pending
    }
    for model in plan.pending:
        say_what_is_folded(axes[model], samples[model], progress)
    measured = _measure_metrics(plan, evaluated, ranked, axes, executor, progress)
    rules = {
        model: with_precision(
            held_rules([rule for metric in measured[model].metrics for rule in metric.rules]),
            axes[model],
            evaluated.states[model],
            evaluated.scratch[model],
            plan.location,
            plan.config,
            executor,
        )
        for model in plan.pending
    }
    progress.start("slices", len(plan.pending))
    slices = {}
    for model in plan.pending:
        slices[model] = find_slices(
            measured[model].metrics,
            axes[model],
            evaluated.states[model].parts_of_partitions(),
            evaluated.scratch[model],
            plan.location,
            plan.config,
            ranked[model].axis,
            executor,
        )
        progress.advance("slices")
    progress.finish("slices")
    return Counted(samples, measured, rules, slices)


def _measure_metrics(
    plan: Plan,
    evaluated: Evaluated,
    ranked: Ranked,
    axes: Mapping[str, Mapping[str, MetricAxis]],
    executor: Executor,
    progress: Progress,
) -> dict[str, MeasuredMetrics]:
    tasks: dict[str, list[MeasureTask]] = {}
    for model in plan.pending:
        state, scratch = evaluated.states[model], evaluated.scratch[model]
        counting = CountTask(
            (),
            axes[model],
            state.parts_of_partitions(),
            scratch,
            plan.location,
            plan.config,
            len(plan.classes),
            ranked[model].axis,
            prepared={} if keeps_rows(plan, scratch) else None,
        )
        tasks[model] = measure_tasks(
            plan.metrics[model],
            counting,
            state.sample,
            units_at_best(counting, executor),
            state.counts.n_positive_group.sum(axis=0),
            plan.classes,
            executor.n_workers,
            plan.runs[model],
            attempt_key(plan, model),
        )
    progress.start("count", sum(map(len, tasks.values())))
    measured = {
        model: measure_all(own, executor, lambda n: progress.advance("count", n))
        for model, own in tasks.items()
    }
    progress.finish("count")
    return measured


def _stored_axes(plan: Plan) -> dict[str, MetricAxis]:
    """The bins of the run that `edges_from` names."""
    if plan.config.edges_from is None:
        return {}
    stored = read_run(plan.location, plan.config.edges_from).table(schema.METRIC_BIN.name)
    names = {metric.name for metrics in plan.metrics.values() for metric in metrics}
    found = stored["metric"].cast(pa.string())
    return {
        name: MetricAxis.of_stored(stored.filter(pc.equal(found, name)), name, plan.config.fine_bins)
        for name in names
    }


@reused_memory()
def finalize_tables(
    plan: Plan, evaluated: Evaluated, ranked: Ranked, counted: Counted, progress: Progress
) -> Finalized:
    """Combine the states and write every result table's part; nothing of it is visible yet."""
    parts: dict[str, dict[str, list[Part]]] = {}
    schemas: dict[str, dict[str, pa.Schema]] = {}
    rows: dict[str, dict[str, object]] = {}
    progress.start("finalize", len(plan.pending))
    for model in plan.pending:
        state, run, measured = evaluated.states[model], plan.runs[model], counted.measured[model]
        classes = class_tables(plan, state, ranked[model])
        name_of_part = part_name(attempt_key(plan, model), 0)
        tables = {
            **classes.tables,
            **{name: schema.TABLES[name].own.empty_table() for name in WRITTEN_BY_TASKS},
            **metric_tables(
                measured.metrics,
                counted.samples[model],
                ranked[model].axis,
                counted.rules[model],
                plan.classes,
                plan.config,
            ),
            "slice": counted.slices[model],
            "quarantine": quarantine_table(plan, model, state),
        }
        parts[model] = {name: [] for name in (*schema.FACT_TABLES, *tables)}
        for part in (*state.parts, *measured.parts):
            parts[model][part.table].append(part)
        schemas[model] = {part.table: part.schema for part in state.parts}
        for name, table in tables.items():
            complete = run.complete(table)
            schemas[model][name] = complete.schema
            if table.num_rows:
                parts[model][name].append(write_part(plan.location, name, run.run_id, name_of_part, complete))
        n_bad = tables["quarantine"].num_rows
        rows[model] = run_row(plan, model, state, parts[model], evaluated.description, n_bad)
        if state.cached:
            PixelCache.open(plan.location, plan.config.dataset_name).remove_replaced(state.cached)
        progress.advance("finalize")
    progress.finish("finalize")
    return Finalized(parts, schemas, rows)


def commit_runs(held: HeldRuns, finalized: Finalized) -> list[Run]:
    """Make the runs visible, each with its row in `run` last; then as `read_runs`.

    Raises RunBusyError where another process took over a run that is not yet visible.
    """
    plan = held.plan
    for model, described in finalized.run_rows.items():
        run = plan.runs[model]
        finished = datetime.datetime.now(datetime.UTC)
        row = {
            **described,
            "finished_at": finished,
            "wall_s": (finished - plan.started_at).total_seconds(),
        }
        commit_run(
            plan.location,
            run.run_id,
            finalized.parts[model],
            finalized.schemas[model],
            run.complete(table_of(schema.RUN, [row])),
            partial(held.require, model),
        )
    return read_runs(plan)


def read_runs(plan: Plan) -> list[Run]:
    """The committed runs of all models of a plan, in its order."""
    return [Run(run.run_id, plan.location) for run in plan.runs.values()]
