"""Metrics of embeddings by their definitions: each vector beside every other one, in float64."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

K = 10


@dataclass(frozen=True)
class Agreement:
    """object_label_agreement of each row, NaN for null.

    margin: by how much a cosine must be off for a neighbour to change places with a row that is none and
    changes the share, over all rows. Where it is small, rounding may decide.
    """

    share: np.ndarray
    margin: float


def frame_uniqueness(embeddings: Sequence[Any]) -> np.ndarray:
    """(1 - cosine) / 2 to the nearest other frame, from 0 (the same direction) to 1 (the opposite one).

    NaN for null: a frame without a usable vector, and the only frame that has one.
    """
    vectors = unit_vectors(embeddings)
    values = np.full(len(vectors), np.nan)
    for row in range(len(vectors)):
        cosines = _cosines_with_others(vectors, row)
        if cosines:
            values[row] = (1 - min(max(cosines.values()), 1.0)) / 2
    return values


def label_agreement(embeddings: Sequence[Any], classes: Sequence[Hashable], k: int = K) -> Agreement:
    """Share of the k nearest other objects, by cosine, that have the object's class.

    Of fewer than k others all are its neighbours; without others, or without a usable vector, null. An
    object without one is nobody's neighbour.
    """
    vectors = unit_vectors(embeddings)
    share, margin = np.full(len(vectors), np.nan), math.inf
    for row in range(len(vectors)):
        cosines = _cosines_with_others(vectors, row)
        if not cosines:
            continue
        ranked = sorted(cosines, key=lambda other: -cosines[other])
        nearest = ranked[:k]
        agrees = {other: classes[other] == classes[row] for other in ranked}
        share[row] = sum(agrees[other] for other in nearest) / len(nearest)
        for agreeing in (True, False):
            inside = [cosines[other] for other in nearest if agrees[other] == agreeing]
            outside = [cosines[other] for other in ranked[k:] if agrees[other] != agreeing]
            if inside and outside:
                margin = min(margin, min(inside) - max(outside))
    return Agreement(share, margin)


def unit_vectors(embeddings: Sequence[Any]) -> np.ndarray:
    """(n, d) vectors of length 1; a row of NaN where there is no vector, a zero vector or one with NaN."""
    size = max((len(vector) for vector in embeddings if vector is not None), default=0)
    vectors = np.full((len(embeddings), size), np.nan)
    for row, vector in enumerate(embeddings):
        if vector is not None:
            vectors[row] = np.asarray(vector, np.float64)
    length = np.sqrt(np.sum(vectors * vectors, axis=1, keepdims=True))
    # A comparison with NaN is false.
    return np.divide(vectors, length, out=np.full_like(vectors, np.nan), where=length > 0)


def _cosines_with_others(vectors: np.ndarray, row: int) -> dict[int, float]:
    """Cosine of one row with each other row that has a vector; empty if it has none itself."""
    if vectors.shape[1] == 0 or np.isnan(vectors[row, 0]):
        return {}
    cosines = vectors @ vectors[row]
    return {
        other: float(cosine)
        for other, cosine in enumerate(cosines)
        if other != row and not math.isnan(cosine)
    }
