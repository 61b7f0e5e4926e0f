"""The row sample and the distinct values, by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core.keys import SALT_ROW_SAMPLE, hash_column, salted
from emqa_core.reductions.distinct_values import MAX_VALUES, DistinctValues
from emqa_core.reductions.row_sample import RowSample

KEYS = hash_column(pa.array(np.arange(1000)))


def test_the_sample_is_the_rows_of_smallest_hash_in_their_order() -> None:
    x = np.arange(1000, dtype=np.float32)
    sample = RowSample.of(KEYS, {"x": x, "outcome": (x % 2).astype(np.uint8)}, k=50)
    expected = np.argsort(salted(KEYS, SALT_ROW_SAMPLE))[:50]
    assert np.array_equal(sample.columns["x"], expected)
    assert np.array_equal(sample.columns["outcome"], expected % 2)
    assert (sample.columns["x"].dtype, sample.columns["outcome"].dtype) == (np.float32, np.uint8)
    assert np.all(np.diff(sample.hashes.astype(object)) > 0)


def test_a_sample_of_fewer_rows_than_asked_for_is_all_of_them() -> None:
    sample = RowSample.of(KEYS, {"x": np.arange(1000)}, k=1000)
    assert sorted(sample.columns["x"]) == list(range(1000))
    assert len(RowSample.of(KEYS[:0], {"x": np.empty(0)}, k=5)) == 0


def test_equal_hashes_do_not_make_the_sample_larger() -> None:
    sample = RowSample.of(np.repeat(KEYS[:3], 10), {"x": np.arange(30)}, k=15)
    assert len(sample) == 15
    assert len(sample + sample) == 15


def test_distinct_values_are_counted_by_side() -> None:
    found = DistinctValues.of(np.array([2.0, -0.0, np.nan, 2.0]), np.float32([0.0, 3.0, np.inf, -np.inf]))
    assert isinstance(found.values, np.ndarray)
    assert found.values.tolist() == [0, 2, 3]
    assert found.counts.tolist() == [[1, 1], [2, 0], [0, 1]]


def test_more_than_200_values_are_only_known_to_be_many() -> None:
    most = DistinctValues.of(np.arange(MAX_VALUES) * 1.0, np.arange(MAX_VALUES) * 1.0)
    assert not most.overflow
    assert most.counts.sum() == 2 * MAX_VALUES
    for more in (
        DistinctValues.of(np.arange(MAX_VALUES + 1) * 1.0, None),
        DistinctValues.of(np.arange(MAX_VALUES) * 1.0, np.array([-1.0])),
        most + DistinctValues.of(np.array([0.5]), None),
    ):
        assert more.overflow
        assert len(more.values) == 0
        assert (more + most).overflow and (most + more).overflow
