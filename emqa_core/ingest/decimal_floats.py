"""Decimal numbers to the nearest float64, for kernels: Eisel and Lemire's algorithm.

A number of up to 19 digits is a whole number w times 10^q. Up to 2^53 and |q| <= 22 one multiplication or
division is exact. Beyond, w is multiplied with the first 128 bits of 5^q, of which 64 nearly always decide
the rounding. D. Lemire, Number parsing at a gigabyte per second, Software: Practice and Experience 51 (2021);
N. Mushtak and D. Lemire, Fast number parsing without fallback, ibid. 53 (2023), whose names are kept.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numba import njit, types

from emqa_core.kernel import kernel
from emqa_core.objects import Array

_LEAST_POWER, _LARGEST_POWER = -342, 308
_EXACT_POWERS = np.array([float(10**power) for power in range(23)])
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ALL_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)
_EXACT = np.uint64(1 << 53)  # every whole number up to it is a float64


@cache
def powers_of_five() -> Array:
    """The first 128 bits of 5^q for q from -342 to 308, high and low word, (651, 2) uint64.

    Cut off for q >= 0; the reciprocals for q < 0 rounded up, as the proof of the algorithm wants them.
    """
    words = []
    for q in range(_LEAST_POWER, _LARGEST_POWER + 1):
        power = 5 ** abs(q)
        if q >= 0:
            shift = 128 - power.bit_length()
            bits = power << shift if shift >= 0 else power >> -shift
        else:
            z = (power - 1).bit_length()
            bits = (1 << (z + 127 if q >= -27 else 2 * z + 128)) // power + 1
            bits >>= max(bits.bit_length() - 128, 0)
        words.append((bits >> 64, bits & 0xFFFFFFFFFFFFFFFF))
    table = np.array(words, np.uint64)
    table.flags.writeable = False
    return table


@kernel(types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), inline="never")
def _product(a, b):  # type: ignore[no-untyped-def]
    """High and low word of a x b."""
    a_high, a_low, b_high, b_low = a >> _HALF, a & _LOW, b >> _HALF, b & _LOW
    low = a_low * b_low
    middle = a_high * b_low + (low >> _HALF)
    other = a_low * b_high + (middle & _LOW)
    return a_high * b_high + (middle >> _HALF) + (other >> _HALF), (other << _HALF) | (low & _LOW)


@njit(inline="always", error_model="numpy")
def float_of_decimal(w, q, powers):  # type: ignore[no-untyped-def]
    """w x 10^q rounded to the nearest float64, ties to even. powers: of `powers_of_five`.

    NaN where the result is not a normal number or its rounding cannot be told: another reader decides.
    """
    if w <= _EXACT and -22 <= q <= 22:
        exact = np.float64(w)
        return exact * _EXACT_POWERS[q] if q >= 0 else exact / _EXACT_POWERS[-q]
    if w == np.uint64(0):
        return 0.0
    if q < _LEAST_POWER or q > _LARGEST_POWER:
        return np.nan
    leading = 0
    while w >> np.uint64(63) == np.uint64(0):
        w <<= _ONE
        leading += 1
    high, low = _product(w, powers[q - _LEAST_POWER, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        further, _ = _product(w, powers[q - _LEAST_POWER, 1])
        low += further
        if low < further:
            high += _ONE
    if low == _ALL_ONES and (q < -27 or q > 55):
        return np.nan
    upper = np.int64(high >> np.uint64(63))
    shift = np.uint64(upper + 9)
    mantissa = high >> shift
    exponent = ((217706 * q) >> 16) + 63 + upper - leading + 1023
    if exponent <= 0:
        return np.nan
    if low <= _ONE and -4 <= q <= 23 and mantissa & np.uint64(3) == _ONE and mantissa << shift == high:
        mantissa &= ~_ONE  # exactly between two floats
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    if mantissa >= _EXACT:
        mantissa >>= _ONE
        exponent += 1
    if exponent >= 2047:
        return np.nan
    return math.ldexp(np.float64(mantissa), exponent - 1075)
