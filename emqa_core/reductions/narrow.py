"""Whole numbers on their way between processes."""

from __future__ import annotations

import numpy as np

from emqa_core.objects import Array


def narrowest(values: Array) -> Array:
    """Whole numbers in the narrowest signed type that holds them."""
    bound = int(np.abs(values).max()) if values.size else 0
    return values.astype(next(t for t in (np.int8, np.int16, np.int32, np.int64) if bound <= np.iinfo(t).max))
