"""The reduce: score runs of all partitions to the curves of the classes, from one stretch or from many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emqa_core.analysis.average_precision import ClassCurves
from emqa_core.analysis.best_threshold import BestThreshold
from emqa_core.analysis.error_costs import CostStretch, ErrorSteps, costs_of, positives_when_fixed
from emqa_core.analysis.jackknife_precision import GroupSteps, leave_one_out
from emqa_core.analysis.ranked_matches import RankedMatches
from emqa_core.analysis.score_bucket import ScoreBucket
from emqa_core.analysis.score_order import sorted_buckets, sorted_runs
from emqa_core.objects import Array
from emqa_core.pipeline.score_cuts import Stretch
from emqa_core.pipeline.scratch import MemoryScratch, Scratch
from emqa_core.reductions.class_counts import ClassCounts
from emqa_core.reductions.confusion_counts import HeldLabels
from emqa_core.reductions.run_blocks import RunIndex, pack, unpack
from emqa_core.reductions.score_runs import Matched, ScoreRuns


def run_name(partition: int) -> str:
    return f"score-runs-{partition:05d}"


def write_runs(
    scratch: Scratch, runs: ScoreRuns, partition: int, block_rows: int, n_thresholds: int
) -> RunIndex | None:
    """Leave a partition's runs for the reduce. In memory as they are; else sorted, and where blocks lie."""
    if isinstance(scratch, MemoryScratch):
        scratch.put(run_name(partition), runs.to_arrays())
        return None
    words, index = pack(sorted_runs([runs]), block_rows, n_thresholds)
    scratch.put_words(run_name(partition), words)
    return index


def leave_held_labels(scratch: Scratch, partition: int, pairs: HeldLabels) -> None:
    """Leave a partition's pairs of the confusion matrix for the score threshold to come."""
    scratch.put(_held_name(partition), pairs.to_arrays())


def read_held_labels(scratch: Scratch, partition: int) -> HeldLabels:
    return HeldLabels.from_arrays(scratch.get(_held_name(partition)))


def _held_name(partition: int) -> str:
    return f"held-labels-{partition:05d}"


@dataclass(frozen=True)
class ScoreReduce:
    """What every task of one model's reduce knows.

    n_positive (K, A), n_positive_group (K, G) int64: labels that count; G is 0 where intervals are off.
    n_positive_fixed (K, F) int64: `positives_when_fixed`; F is 0 where errors are not told apart.
    """

    scratch: Scratch
    n_positive: Array
    n_positive_group: Array
    n_positive_fixed: Array
    n_thresholds: int

    @classmethod
    def of(cls, scratch: Scratch, counts: ClassCounts, n_thresholds: int, *, intervals: bool) -> ScoreReduce:
        groups = counts.n_positive_group
        return cls(
            scratch,
            counts.n_positive,
            groups if intervals else groups[:, :0],
            positives_when_fixed(counts),
            n_thresholds,
        )

    @property
    def n_classes(self) -> int:
        return len(self.n_positive)

    @property
    def n_ranges(self) -> int:
        return int(self.n_positive.shape[1])

    @property
    def n_groups(self) -> int:
        return int(self.n_positive_group.shape[1])

    def read(self, stretch: Stretch) -> list[ScoreRuns]:
        """The rows of a stretch, partition by partition: at least one part."""
        found = self.scratch.get_words([(run_name(s.partition), s.start, s.stop) for s in stretch.slices])
        parts = []
        for held, words in zip(stretch.slices, found, strict=True):
            runs = unpack(words, held.n_rows, held.block_rows, self.n_ranges, self.n_thresholds)
            first, stop = 0, len(runs)
            if stretch.lower is not None:
                first = stretch.lower.place(held.partition, runs.key, held.first_row)
            if stretch.upper is not None:
                stop = stretch.upper.place(held.partition, runs.key, held.first_row)
            parts.append(runs.rows(first, stop) if (first, stop) != (0, len(runs)) else runs)
        return parts or [ScoreRuns.empty(self.n_ranges)]


@dataclass(frozen=True)
class Reduced:
    """Curves of all classes; their AP without each group, (K, T, G), where intervals are on; the best score
    threshold of all rows together; `costs_of` the errors where those are told apart.
    """

    curves: ClassCurves
    replicates: Array | None
    pooled: BestThreshold
    costs: Array | None


@dataclass(frozen=True)
class WholeTask:
    """All rows at once: of so many partitions in memory, or of the one stretch that holds them."""

    reduce: ScoreReduce
    rows: int | Stretch


def reduce_whole(task: WholeTask) -> Reduced:
    """Everything from one sort."""
    reduce = task.reduce
    if isinstance(task.rows, Stretch):
        parts = reduce.read(task.rows)
    else:
        parts = [ScoreRuns.from_arrays(reduce.scratch.get(run_name(p))) for p in range(task.rows)]
    matched = Matched.concat([part.matched for part in parts])
    pooled = BestThreshold.of(reduce.n_positive.sum(axis=0), reduce.n_thresholds)
    ranks = rank(reduce, parts, matched, sorted_buckets(parts, matched), pooled)
    curves = ClassCurves.of(ranks.matches, reduce.n_positive, reduce.n_thresholds)
    replicates, costs = None, None
    if ranks.groups is not None:
        replicates = leave_one_out(ranks.groups, ranks.matches, reduce.n_positive_group, reduce.n_thresholds)
    if ranks.errors is not None:
        costs = costs_of([CostStretch.of(ranks.errors, reduce.n_positive_fixed)], reduce.n_positive_fixed)
    return Reduced(curves, replicates, pooled, costs)


@dataclass(frozen=True)
class Ranks:
    """The matches of the classes in score order; the steps of groups where intervals are on, and those of
    errors where these are told apart.
    """

    matches: RankedMatches
    groups: GroupSteps | None
    errors: ErrorSteps | None


def rank(
    reduce: ScoreReduce,
    parts: Sequence[ScoreRuns],
    matched: Matched,
    buckets: Iterable[ScoreBucket],
    pooled: BestThreshold,
) -> Ranks:
    """Walk over all buckets once."""
    ranks = Ranks(
        RankedMatches.of(matched, reduce.n_classes),
        GroupSteps.of(parts, reduce.n_classes) if reduce.n_groups else None,
        ErrorSteps.of(reduce.n_classes) if reduce.n_positive_fixed.shape[1] else None,
    )
    for bucket in buckets:
        for each in (ranks.matches, pooled, ranks.groups, ranks.errors):
            if each is not None:
                each.take(bucket)
    return ranks
