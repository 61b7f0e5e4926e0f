"""The reduce of many stretches: three rounds of tasks, each bounded in rows, however large a class is.

Gather: a task reads its stretch of scores from every partition, sorts it, leaves it in one piece and counts
what stands in it. Peak: with the counts before a stretch, precision at its true positives is known, and the
highest of them. Curve: with the highest precision after a stretch, all that it gives to the curves is known.
Counts are integers, so the numbers are those of an undivided reduce to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from emqa_core.analysis.average_precision import ClassCurves, CurveStretch
from emqa_core.analysis.best_threshold import BestThreshold
from emqa_core.analysis.cut_tie import CutTie
from emqa_core.analysis.error_costs import CostStretch, costs_of
from emqa_core.analysis.jackknife_precision import ReplicateStretch, replicates_of
from emqa_core.analysis.score_order import buckets_in_order, sorted_runs
from emqa_core.objects import Array
from emqa_core.pipeline.class_curves import Ranks, Reduced, ScoreReduce, rank
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.score_cuts import Cut, Stretch
from emqa_core.reductions.run_blocks import pack, unpack
from emqa_core.reductions.score_runs import ScoreRuns
from emqa_core.reductions.stretch_counts import StretchCounts


def _rows_name(index: int) -> str:
    return f"stretch-{index:05d}"


def _before_name(index: int) -> str:
    return f"stretch-before-{index:05d}"


def _after_name(index: int) -> str:
    return f"stretch-after-{index:05d}"


@dataclass(frozen=True)
class GatherTask:
    reduce: ScoreReduce
    index: int
    stretch: Stretch


@dataclass(frozen=True)
class Gathered:
    """Counts of a stretch, and of its first rows that share their score with the rows before it, (K, A)."""

    n_rows: int
    n_words: int
    counts: StretchCounts
    tie: Array


def gather(task: GatherTask) -> Gathered:
    """Read a stretch from all partitions, leave it sorted in one piece, and count it."""
    reduce = task.reduce
    runs = sorted_runs(reduce.read(task.stretch))
    words, _ = pack(runs, max(1, len(runs)), reduce.n_thresholds)
    reduce.scratch.put_words(_rows_name(task.index), words)
    size = (reduce.n_classes, reduce.n_thresholds, reduce.n_groups)
    lower = task.stretch.lower
    n_tied = 0 if lower is None else int(np.searchsorted(runs.key, lower.key, "right"))
    tie = StretchCounts.of(runs.rows(0, n_tied), *size).n_rows
    return Gathered(len(runs), len(words), StretchCounts.of(runs, *size), tie)


@dataclass(frozen=True)
class CurveTask:
    """A stretch that lies sorted in one piece of n_words; what stands before and after it is in scratch."""

    reduce: ScoreReduce
    index: int
    n_rows: int
    n_words: int
    cut_key: np.uint64

    def read(self) -> ScoreRuns:
        reduce = self.reduce
        (words,) = reduce.scratch.get_words([(_rows_name(self.index), 0, self.n_words)])
        return unpack(words, self.n_rows, max(1, self.n_rows), reduce.n_ranges, reduce.n_thresholds)


@dataclass(frozen=True)
class Peaks:
    """Highest precision of each curve (K, T, A), replicate (K, T, G) and fix (K, F) in a stretch."""

    curve: Array
    replicate: Array
    fix: Array

    def highest(self, other: Peaks) -> Peaks:
        """Of both."""
        return Peaks(*(np.maximum(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))


def find_peaks(task: CurveTask) -> Peaks:
    """The highest precision within a stretch."""
    reduce, found = task.reduce, _stretch(task, None)
    replicates, costs = found.replicates, found.costs
    return Peaks(
        found.curves.peak,
        np.zeros((reduce.n_classes, reduce.n_thresholds, 0)) if replicates is None else replicates.peak,
        np.zeros((reduce.n_classes, 0)) if costs is None else costs.peak,
    )


@dataclass(frozen=True)
class StretchCurves:
    """What a stretch gives to the curves, the replicates where intervals are on, the best threshold, and the
    costs of errors where these are told apart.
    """

    curves: CurveStretch
    replicates: ReplicateStretch | None
    pooled: BestThreshold
    costs: CostStretch | None


def find_curves(task: CurveTask) -> StretchCurves:
    """What a stretch gives, with the peaks after it."""
    found = _stretch(task, Peaks(**task.reduce.scratch.get(_after_name(task.index))))
    return replace(found, curves=found.curves.reached())


def _stretch(task: CurveTask, after: Peaks | None) -> StretchCurves:
    reduce, runs = task.reduce, task.read()
    arrays = reduce.scratch.get(_before_name(task.index))
    rest = arrays.pop("tie_rest")
    before = StretchCounts.from_arrays(arrays)
    cut = CutTie(task.cut_key, rest)
    all_cut = CutTie(task.cut_key, rest.sum(axis=0, keepdims=True))
    all_cut.check(len(runs))
    together = StretchCounts(*(values.sum(axis=0, keepdims=True) for values in before.to_arrays().values()))
    pooled = BestThreshold.of(reduce.n_positive.sum(axis=0), reduce.n_thresholds, together, all_cut)
    ranks = rank(reduce, [runs], runs.matched, buckets_in_order(runs), pooled)
    ranks.matches.extend_tie(cut)
    curves = CurveStretch.of(
        ranks.matches, reduce.n_positive, reduce.n_thresholds, before, None if after is None else after.curve
    )
    costs = None
    if ranks.errors is not None:
        costs = CostStretch.of(
            ranks.errors, reduce.n_positive_fixed, before.causes, None if after is None else after.fix
        )
    return StretchCurves(curves, _replicates(task, ranks, before, after), pooled, costs)


def _replicates(
    task: CurveTask, ranks: Ranks, before: StretchCounts, after: Peaks | None
) -> ReplicateStretch | None:
    if ranks.groups is None:
        return None
    return ReplicateStretch.of(
        ranks.groups,
        ranks.matches,
        task.reduce.n_positive_group,
        task.reduce.n_thresholds,
        before,
        None if after is None else after.replicate,
        is_first=task.index == 0,
        only_peak=after is None,
    )


def reduce_stretches(reduce: ScoreReduce, stretches: Sequence[Stretch], executor: Executor) -> Reduced:
    """The curves of two or more stretches; the driver holds counts and curves alone."""
    gathered = executor.map(gather, [GatherTask(reduce, i, each) for i, each in enumerate(stretches)])
    tasks = _leave_counts(reduce, stretches, gathered)
    _leave_peaks(reduce, executor.map(find_peaks, tasks))
    found = executor.map(find_curves, tasks)
    replicates = [each.replicates for each in found if each.replicates is not None]
    costs = [each.costs for each in found if each.costs is not None]
    return Reduced(
        ClassCurves.join([each.curves for each in found], reduce.n_positive),
        replicates_of(replicates, reduce.n_positive_group) if replicates else None,
        BestThreshold.join([each.pooled for each in found]),
        costs_of(costs, reduce.n_positive_fixed) if costs else None,
    )


def _leave_counts(
    reduce: ScoreReduce, stretches: Sequence[Stretch], gathered: Sequence[Gathered]
) -> list[CurveTask]:
    """Leave for each stretch the counts of all before it, and the rest of the tie that it ends in."""
    before = StretchCounts.zero(reduce.n_classes, reduce.n_ranges, reduce.n_thresholds, reduce.n_groups)
    rests = _tie_rests([each.upper for each in stretches], [each.tie for each in gathered])
    tasks = []
    for index, (stretch, each) in enumerate(zip(stretches, gathered, strict=True)):
        reduce.scratch.put(_before_name(index), {**before.to_arrays(), "tie_rest": rests[index]})
        before = before + each.counts
        cut_key = ~np.uint64(0) if stretch.upper is None else stretch.upper.key
        tasks.append(CurveTask(reduce, index, each.n_rows, each.n_words, cut_key))
    return tasks


def _tie_rests(uppers: Sequence[Cut | None], ties: Sequence[Array]) -> list[Array]:
    """Rows (K, A) of each stretch's last tie in the stretches after it."""
    rests = [np.zeros_like(ties[0])] * len(ties)
    for index in range(len(ties) - 2, -1, -1):
        upper, following = uppers[index], uppers[index + 1]
        assert upper is not None
        rests[index] = ties[index + 1]
        if following is not None and following.key == upper.key:
            rests[index] = rests[index] + rests[index + 1]
    return rests


def _leave_peaks(reduce: ScoreReduce, peaks: Sequence[Peaks]) -> None:
    """Leave for each stretch the highest precision after it."""
    after = Peaks(*(np.zeros_like(getattr(peaks[0], f.name)) for f in fields(Peaks)))
    for index in range(len(peaks) - 1, -1, -1):
        reduce.scratch.put(_after_name(index), {f.name: getattr(after, f.name) for f in fields(Peaks)})
        after = after.highest(peaks[index])
