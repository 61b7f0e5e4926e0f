"""Negative controls: numbers that depend on nothing but the hash of a row's key."""

from __future__ import annotations

from emqa_core import keys
from emqa_core.objects import Array


def random_control(key_hash: Array) -> Array:
    """A number in [0, 1) for each key, (n,) float64; the same for the same key wherever it is computed."""
    return keys.uniform(keys.salted(key_hash, keys.SALT_CONTROL))
