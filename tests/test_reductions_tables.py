"""What the counts of metrics are made of: steps over thresholds, slots of cells, pairs of frame and class."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.reductions.slot_table import SlotTable
from emqa_core.reductions.threshold_steps import (
    NO_PREFIX,
    ThresholdSteps,
    prefix_lengths,
    totals_of_steps,
)
from tests.metric_partitions import Partition, random_partition

WORDS = st.lists(
    st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**10 - 1, 2**64 - 1, 2**63]), max_size=20
)

partitions = st.builds(
    lambda seed, n_frames, n_thresholds: random_partition(
        np.random.default_rng(seed), n_frames, 3, n_thresholds, per_frame=5
    ),
    st.integers(0, 2**32),
    st.integers(0, 20),
    st.sampled_from([1, 4, 64]),
)


@given(WORDS)
def test_steps_add_up_to_the_bits_of_their_words(words: list[int]) -> None:
    rows = np.arange(len(words)) * 3
    steps = ThresholdSteps.of(np.array(words, np.uint64), rows)
    table = np.zeros((3 * len(words) + 1, 64), np.int64)
    np.add.at(table, (steps.row, steps.at), steps.amount)
    expected = np.zeros_like(table)
    for row, word in zip(rows, words, strict=True):
        expected[row] = [word >> t & 1 for t in range(64)]
    assert np.array_equal(totals_of_steps(table), expected)


@given(WORDS)
def test_the_length_of_a_word_is_that_of_its_run_from_the_lowest_bit(words: list[int]) -> None:
    for word, length in zip(words, prefix_lengths(np.array(words, np.uint64)).tolist(), strict=True):
        ones = word.bit_count()
        assert length == (ones if word == 2**ones - 1 else NO_PREFIX)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 5))
def test_steps_by_cell_keep_the_order_of_their_rows(seed: int, n: int, n_cells: int) -> None:
    rng = np.random.default_rng(seed)
    cell = rng.integers(0, n_cells, n).astype(np.int32)
    steps = ThresholdSteps.of(rng.integers(0, 16, n).astype(np.uint64), np.arange(n))
    ordered = steps.by_cell(cell, n_cells)
    expected = sorted(range(len(steps)), key=lambda i: (cell[steps.row[i]], i))
    for name in ("row", "at", "amount"):
        assert getattr(ordered, name).tolist() == [getattr(steps, name)[i] for i in expected]
    bins = np.where(rng.random(n) < 0.3, -1, rng.integers(0, 7, n)).astype(np.int16)
    places = [int(cell[row]) * 7 + int(bins[row]) if bins[row] >= 0 else -1 for row in steps.row]
    assert steps.places(cell, bins, 7).tolist() == places


@given(st.lists(st.lists(st.integers(-1, 30), max_size=40), max_size=5))
def test_a_slot_table_holds_what_was_added_to_each_cell(added: list[list[int]]) -> None:
    table = SlotTable(31, (2,), np.int64)
    expected: Counter[int] = Counter()
    for cells in added:
        table.reserve(np.array(cells, np.int64))
        for cell in cells:
            if cell >= 0:
                table.data[table.index[cell]] += (1, cell)
                expected[cell] += 1
    assert table.cells().tolist() == sorted(expected)
    assert table.values(table.cells()).tolist() == [[n, n * cell] for cell, n in sorted(expected.items())]
    assert len(table) == len(expected) <= len(table.data) <= 31
    copied = SlotTable.from_arrays("x", table.to_arrays("x"), np.int64)
    assert copied.cells().tolist() == table.cells().tolist()
    assert np.array_equal(copied.values(copied.cells()), table.values(table.cells()))


@settings(max_examples=40, deadline=None)
@given(partitions)
def test_pairs_count_the_objects_of_a_class_in_a_frame(part: Partition) -> None:
    rows = part.rows("prediction")
    pairs = rows.pairs
    every = (1 << part.n_thresholds) - 1
    always: Counter[tuple[int, int]] = Counter()
    sometimes: Counter[tuple[int, int, int]] = Counter()
    hits: Counter[tuple[int, int, int]] = Counter()
    for row in range(len(rows)):
        word, right = int(rows.counted[row]), int(rows.right[row])
        for scope in (int(rows.scope[row]), part.n_classes):
            key = (int(rows.frame[row]), scope)
            always[key] += word == every
            for t in range(part.n_thresholds):
                sometimes[*key, t] += word != every and word >> t & 1
                hits[*key, t] += right >> t & 1
    keys = list(zip(pairs.frame.tolist(), pairs.scope.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    assert {key: n for key, n in zip(keys, pairs.n.tolist(), strict=True) if n} == +always
    found: tuple[Counter[tuple[int, int, int]], ...] = (Counter(), Counter())
    for counted, lanes in zip(found, (pairs.sometimes, pairs.hits), strict=True):
        for pair, row in zip(pairs.listed.tolist(), lanes.tolist(), strict=True):
            counted.update({(*keys[pair], t): n for t, n in enumerate(row)})
    assert +found[0] == +sometimes
    assert +found[1] == +hits
    at = pairs.at(part.chosen)
    for place, key in enumerate(keys):
        assert at.n[place] == always[key] + sometimes[*key, part.chosen]
    assert at.of_frames(part.n_frames).sum() == rows.counts_at_chosen().sum()
