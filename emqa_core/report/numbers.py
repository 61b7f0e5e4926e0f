"""Numbers as a person reads them: a dash for none, thousands apart, no more digits than tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

NONE = "-"
MAX_DIGITS = 9
MAX_DECIMALS = 6  # smaller numbers are written with an exponent


def measure(value: float | None, *, signed: bool = False) -> str:
    """A measure within -1..1 with three decimals: `0.270`, with `signed` `+0.270`; `-` for none."""
    if value is None:
        return NONE
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """`0.254 to 0.287`; empty without both ends."""
    if low is None or high is None:
        return ""
    return f"{measure(low, signed=signed)} to {measure(high, signed=signed)}"


def threshold_text(iou_threshold: float) -> str:
    """`0.50`, with a third decimal where it needs one: `0.555`."""
    in_hundredths = round(iou_threshold * 1000) % 10 == 0
    return f"{iou_threshold:.2f}" if in_hundredths else f"{iou_threshold:.3f}"


def count(value: int | None) -> str:
    """`21,409`; `-` for none."""
    return NONE if value is None else f"{value:,}"


def counted(value: int | None, noun: str, plural: str | None = None) -> str:
    """`1 frame`, `446 frames`."""
    return f"{count(value)} {noun if value == 1 else plural or noun + 's'}"


def values_apart(values: Sequence[float]) -> list[str]:
    """Ascending values with the fewest significant digits, three at least, that tell neighbours apart."""
    texts: list[str] = []
    for digits in range(3, MAX_DIGITS + 1):
        texts = [_significant(value, digits) for value in values]
        if all(a != b or x == y for a, b, x, y in zip(texts, texts[1:], values, values[1:], strict=False)):
            break
    return texts


def _significant(value: float, digits: int) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    if decimals > MAX_DECIMALS:
        return f"{value:.{digits}g}"
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def duration(seconds: float | None) -> str:
    """`12.3 s`, `4 min 03 s`, `2 h 05 min`."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
