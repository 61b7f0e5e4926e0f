"""Hashes of keys: the same for the same key however the column is laid out, and well spread."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emqa_core import keys

MASK = (1 << 64) - 1


def splitmix64(value: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014) in Python's integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_hash_as_splitmix64(values: list[int]) -> None:
    expected = [splitmix64((value + 0x9E3779B97F4A7C15) & MASK) for value in values]
    assert keys.hash_column(pa.array(values, pa.int64())).tolist() == expected


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_strings_hash_alike_in_every_layout(values: list[str]) -> None:
    plain = keys.hash_column(pa.array(values))
    shifted = keys.hash_column(pa.array(["x", *values])[1:])
    chunked = keys.hash_column(pa.chunked_array([values[:1], values[1:]], pa.string()))
    dictionary = keys.hash_column(pa.array(values).dictionary_encode())
    large = keys.hash_column(pa.array(values, pa.large_string()))
    for other in (shifted, chunked, dictionary, large):
        np.testing.assert_array_equal(plain, other)
    assert len(set(plain.tolist())) == len(set(values))


def test_an_object_is_its_frame_and_its_id() -> None:
    """The same id in two frames is two objects; swapping frame and object is another object."""
    frames = keys.hash_column(pa.array([1, 2]))
    objects = keys.hash_column(pa.array([1, 1, 2, 2]))
    hashed = keys.hash_objects(frames, np.array([0, 1, 0, 1]), objects)
    assert len(set(hashed.tolist())) == 4


def test_groups_are_even() -> None:
    """20 groups of 200,000 frames: each within five standard deviations of 10,000."""
    groups = keys.group_of(keys.hash_column(pa.array(np.arange(200_000))), 20)
    counts = np.bincount(groups, minlength=20)
    assert abs(counts - 10_000).max() < 5 * np.sqrt(200_000 * 0.05 * 0.95)


def test_uniform_numbers_are_uniform() -> None:
    from scipy.stats import kstest

    values = keys.uniform(keys.salted(keys.hash_column(pa.array(np.arange(50_000))), keys.SALT_CONTROL))
    assert kstest(values, "uniform").pvalue > 1e-3
    assert values.min() >= 0 and values.max() < 1


def test_salts_are_independent() -> None:
    hashes = keys.hash_column(pa.array(np.arange(50_000)))
    first, second = (keys.uniform(keys.salted(hashes, salt)) for salt in (1, 2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(50_000)


@pytest.mark.parametrize("empty", [pa.array([], pa.int64()), pa.array([], pa.string())])
def test_an_empty_column_has_no_hashes(empty: pa.Array) -> None:
    assert keys.hash_column(empty).shape == (0,)
