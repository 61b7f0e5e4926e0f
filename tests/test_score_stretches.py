"""The reduce in any number of stretches gives the bits of the undivided one, however scores are spread."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core import evaluate
from emqa_core.analysis.best_f1 import check_products
from emqa_core.analysis.cut_tie import CutTie
from emqa_core.analysis.error_costs import FIXES
from emqa_core.errors import PlanError
from emqa_core.pipeline.class_curves import Reduced, ScoreReduce, WholeTask, reduce_whole, write_runs
from emqa_core.pipeline.execute import InProcessExecutor
from emqa_core.pipeline.score_cuts import Stretch, block_rows, cut_scores, n_stretches
from emqa_core.pipeline.score_stretches import reduce_stretches
from emqa_core.pipeline.scratch import MemoryScratch, StoredScratch
from emqa_core.reductions.causes import RENAMED
from emqa_core.reductions.run_blocks import RunIndex
from emqa_core.storage.location import Location
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import make_data_set
from tests.seaweed import S3Store
from tests.test_average_precision import Rows, check_curve, random_rows

N_GROUPS = 5
SCORES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "many values": lambda rng, n: rng.random(n),
    "many ties": lambda rng, n: rng.integers(0, 4, n) / 4.0,
    "one score": lambda _, n: np.ones(n),
    "one score is half": lambda rng, n: np.where(rng.random(n) < 0.5, 0.25, rng.random(n)),
    "negative and beyond 1": lambda rng, n: np.round(rng.normal(0, 40, n)),
    "one bucket": lambda rng, n: 0.5 + rng.random(n) * 1e-9,
    "zeros of both signs": lambda rng, n: rng.choice([0.0, -0.0, 1e-300, 0.1], n),
}


def spread_rows(seed: int, n: int, scores: str, n_classes: int) -> Rows:
    """Random rows; every second one is of class 0, the last class has none."""
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, n, n_groups=N_GROUPS, n_classes=max(1, n_classes - 1))
    code = np.where(rng.random(n) < 0.5, 0, rows.class_code).astype(np.int32)
    return replace(rows, score=SCORES[scores](rng, n), class_code=code)


def with_causes(rows: Rows, n_classes: int) -> Rows:
    """Any causes; of those that are errors of class some would be right in another one."""
    rng = np.random.default_rng(len(rows.score))
    cause = rng.integers(0, RENAMED, len(rows.score)).astype(np.uint8)
    is_renamed = (cause == 3) & (rng.random(len(cause)) < 0.5)
    renamed = np.where(is_renamed, rng.integers(0, n_classes, len(cause)), -1).astype(np.int32)
    return replace(rows, cause=cause, renamed=renamed)


def labels_of(rows: Rows, n_classes: int) -> dict[str, np.ndarray]:
    """Labels that count: more than there are true positives, in group g at least those found there."""
    rng = np.random.default_rng(len(rows.score))
    by_group = rng.integers(0, 4, (n_classes, N_GROUPS))
    np.add.at(by_group, (rows.class_code, rows.group), 1)
    by_range = np.stack([by_group.sum(axis=1), by_group.sum(axis=1) + 3], axis=1)
    by_range[-1, 1] = 0
    # Labels that are left once each error is mended: fewer where those that were not found no longer count.
    fixed = np.repeat(by_range[:, :1], len(FIXES), axis=1)
    fixed[:, -3:-1] -= np.minimum(rng.integers(0, 3, (n_classes, 2)), fixed[:, -3:-1])
    return {"n_positive": by_range, "n_positive_group": by_group, "n_positive_fixed": fixed}


def divided(
    rows: Rows,
    n_classes: int,
    cuts: list[int],
    most: int,
    n: int,
    scratch: StoredScratch,
    *,
    intervals: bool = True,
) -> tuple[Reduced, Reduced, list[Stretch]]:
    """The rows of partitions between cuts, reduced at once and in n stretches."""
    labels = labels_of(rows, n_classes)
    rows = with_causes(rows, n_classes)
    parts = [rows.part(np.arange(a, b)).runs() for a, b in pairwise([0, *cuts, len(rows.score)])]
    if not intervals:
        labels["n_positive_group"] = labels["n_positive_group"][:, :0]
        labels["n_positive_fixed"] = labels["n_positive_fixed"][:, :0]
    memory = MemoryScratch()
    for index, part in enumerate(parts):
        assert write_runs(memory, part, index, block_rows(most), 3) is None
    whole = reduce_whole(WholeTask(ScoreReduce(memory, **labels, n_thresholds=3), len(parts)))
    indexes = [write_runs(scratch, part, index, block_rows(most), 3) for index, part in enumerate(parts)]
    assert all(isinstance(index, RunIndex) for index in indexes)
    stretches = cut_scores([index for index in indexes if index is not None], n)
    reduce = ScoreReduce(scratch, **labels, n_thresholds=3)
    return whole, reduce_stretches(reduce, stretches, InProcessExecutor()), stretches


def check_same(found: Reduced, expected: Reduced) -> None:
    for field in fields(expected.curves):
        ours, other = getattr(found.curves, field.name), getattr(expected.curves, field.name)
        assert ours.tobytes() == np.ascontiguousarray(other).tobytes(), field.name
    assert found.pooled.best().tobytes() == expected.pooled.best().tobytes()
    for ours, other in ((found.replicates, expected.replicates), (found.costs, expected.costs)):
        assert (ours is None) == (other is None)
        if ours is not None and other is not None:
            assert ours.tobytes() == other.tobytes()


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 300),
    scores=st.sampled_from(sorted(SCORES)),
    n_classes=st.integers(1, 5),
    most=st.sampled_from([1, 64, 200, 1000]),
    n_parts=st.integers(2, 12),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_stretches_give_the_bits_of_the_whole(
    seed: int, n: int, scores: str, n_classes: int, most: int, n_parts: int, data: st.DataObject
) -> None:
    rows = spread_rows(seed, n, scores, n_classes)
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=5)))
    intervals = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        scratch = StoredScratch(Location.of(folder), "run")
        whole, parts, _ = divided(rows, n_classes, cuts, most, n_parts, scratch, intervals=intervals)
    check_same(parts, whole)


@pytest.mark.parametrize("scores", sorted(SCORES))
def test_stretches_on_disk(scores: str, tmp_path: Path) -> None:
    """Through files, against a slow reading of the definitions too."""
    rows = spread_rows(7, 400, scores, 4)
    scratch = StoredScratch(Location.of(tmp_path), "run")
    whole, parts, stretches = divided(rows, 4, [100, 100, 300], 100, 8, scratch)
    assert len(stretches) == 8
    check_same(parts, whole)
    n_positive = labels_of(rows, 4)["n_positive"]
    for code in range(3):
        check_curve(parts.curves, code, rows.part(np.flatnonzero(rows.class_code == code)), n_positive[code])


def sizes(indexes: list[RunIndex], stretches: list[Stretch]) -> list[int]:
    """Rows that the blocks of each stretch hold."""
    return [sum(each.n_rows for each in stretch.slices) for stretch in stretches]


@pytest.mark.parametrize("scores", sorted(SCORES))
def test_no_stretch_is_larger_than_its_share_and_a_block_of_each_partition(
    scores: str, tmp_path: Path
) -> None:
    """Whatever the scores: one class has half of the rows, or all have one score."""
    n, most = 6_000, 1_000
    rows = spread_rows(1, n, scores, 3)
    parts = [rows.part(np.arange(first, first + 2_000)).runs() for first in range(0, n, 2_000)]
    scratch = StoredScratch(Location.of(tmp_path), "run")
    written = [write_runs(scratch, part, index, block_rows(most), 3) for index, part in enumerate(parts)]
    indexes = [index for index in written if index is not None]
    stretches = cut_scores(indexes, n_stretches(n, most, 1))
    assert len(stretches) == 6
    reduce = ScoreReduce(scratch, **labels_of(rows, 3), n_thresholds=3)
    held = [sum(len(part) for part in reduce.read(stretch)) for stretch in stretches]
    assert sum(held) == n
    assert max(held) <= most + 3 * block_rows(most)
    # At each of its ends a stretch reads a block of a partition in vain, at most.
    assert max(sizes(indexes, stretches)) <= max(held) + 2 * 3 * block_rows(most)


@pytest.mark.parametrize(
    ("n_rows", "most", "n_workers", "expected"),
    [
        (0, 2_000_000, 2, 1),
        (100_000, 2_000_000, 2, 1),
        (2_500_000, 2_000_000, 2, 4),
        (2_500_000, 2_000_000, 1, 2),
        (1 << 33, 2_000_000, 2, 4_295),
    ],
)
def test_number_of_stretches(n_rows: int, most: int, n_workers: int, expected: int) -> None:
    assert n_stretches(n_rows, most, n_workers) == expected


def test_a_tie_that_is_too_long_to_count_is_refused() -> None:
    cut = CutTie(np.uint64(0x400FFFFFFFFFFFFF), np.array([[1 << 32]]))
    with pytest.raises(PlanError, match=r"the score 1\.0 .* less than 2\*\*32"):
        cut.check(10)


def test_more_rows_than_f1_is_compared_with_are_refused() -> None:
    check_products(8 * 10**9, 10**9)
    with pytest.raises(PlanError, match=r"10,000,000,000 predictions .* below 2\*\*63"):
        check_products(10**10, 10**9)


def test_stretches_in_an_object_store(s3: S3Store) -> None:
    rows = spread_rows(3, 400, "many ties", 4)
    scratch = StoredScratch(Location.of(s3.folder()), "run")
    whole, parts, stretches = divided(rows, 4, [150, 300], 100, 4, scratch)
    assert len(stretches) == 4
    check_same(parts, whole)


def run(spread: str, output: Path | None = None, **cluster: Any) -> dict[str, pa.Table]:
    """A data set whose scores are spread as named; half of the predictions are cars."""
    data = make_data_set(60, crowds=True)
    predictions = data.predictions
    rng = np.random.default_rng(5)
    predictions["score"] = {
        "as they are": predictions["score"],
        "one score": 1.0,
        "few scores": np.round(predictions["score"], 1) - 0.5,
    }[spread]
    predictions.loc[rng.random(len(predictions)) < 0.5, "class_id"] = 1
    place = {} if output is None else {"output": str(output)}
    return tables_of(
        evaluate(
            frames=data.frames, labels=data.labels, predictions=predictions, iou_thresholds=[0.5, 0.75],
            metrics=["none"], run_date="2026-03-01", cluster=cluster, **place,
        )
    )  # fmt: skip


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("spread", ["as they are", "one score", "few scores"])
def test_a_cluster_in_small_stretches_gives_the_tables_of_this_process(spread: str, tmp_path: Path) -> None:
    """Some six hundred predictions, at most fifty to a task."""
    expected = run(spread)
    cluster = {"address": "local", "workers": 2, "partitions": 3, "reduce_predictions": 50}
    found = run(spread, tmp_path / "eval", **cluster)
    tables = [name for name in expected if name != "run" and expected[name].num_rows]
    assert {"class_performance", "summary", "precision_recall"} <= set(tables)
    assert differences(found, expected) == []
