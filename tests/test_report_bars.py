"""Bars of characters: as wide as asked for, to scale, and never lying about small values."""

import pytest

from emqa_core.report.bars import ASCII, BLOCKS, bar, bar_scale, signed_bar
from emqa_core.report.numbers import duration, interval, measure, threshold_text, values_apart


def text_of(pieces):
    return "".join(text for text, _ in pieces)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "          "),
        (0.0, "          "),
        (1e-9, "▏         "),  # more than nothing is never invisible
        (0.05, "▌         "),
        (0.5, "█████     "),
        (1.0, "██████████"),
        (1.7, "██████████"),  # beyond the scale the bar is full, the number beside it tells
    ],
)
def test_a_bar_is_to_scale(value, expected):
    assert text_of(bar(value, 1.0, 10, BLOCKS)) == expected


def test_the_mark_stands_at_its_own_value():
    assert text_of(bar(0.8, 1.0, 10, BLOCKS, mark=0.35)) == "███┃████  "
    assert text_of(bar(0.1, 1.0, 10, BLOCKS, mark=1.0)) == "█        ┃"
    assert bar(0.1, 1.0, 10, BLOCKS, mark=0.5) == [
        ("█", "bar"),
        ("    ", "space"),
        ("┃", "mark"),
        ("    ", "space"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "    │    "),
        (None, "    │    "),
        (0.5, "    │██  "),
        (-0.5, "  ██│    "),
        (-0.125, "   ▐│    "),
        (-0.001, "   ▐│    "),
        (-1.0, "████│    "),
        (1.0, "    │████"),
    ],
)
def test_a_signed_bar_goes_both_ways(value, expected):
    assert text_of(signed_bar(value, 1.0, 4, BLOCKS)) == expected


def test_ascii_bars_hold_ascii_alone():
    drawn = text_of(bar(0.6, 1.0, 10, ASCII, mark=0.2)) + text_of(signed_bar(-0.4, 1.0, 5, ASCII))
    assert drawn.isascii()
    assert text_of(bar(0.6, 1.0, 10, ASCII)) == "######    "


def test_scales_are_round_and_hold_the_largest_value():
    assert [bar_scale(v) for v in (0.0, 0.01, 0.011, 0.14, 0.21, 0.31, 0.6, 0.8, 1.0)] == [
        0.01, 0.01, 0.02, 0.2, 0.3, 0.4, 0.75, 1.0, 1.0,
    ]  # fmt: skip


def test_numbers_as_a_person_reads_them():
    assert measure(None) == "-"
    assert measure(0.27046) == "0.270"
    assert measure(0.31, signed=True) == "+0.310"
    assert interval(0.1, None) == ""
    assert interval(0.1, 0.25) == "0.100 to 0.250"
    assert [threshold_text(t) for t in (0.5, 0.8999999999999999, 0.555)] == ["0.50", "0.90", "0.555"]
    assert [duration(s) for s in (None, 1.26, 59.96, 243.2, 7500)] == [
        "-",
        "1.3 s",
        "60.0 s",
        "4 min 03 s",
        "2 h 05 min",
    ]


def test_values_get_the_digits_that_tell_neighbours_apart():
    assert values_apart([0.12341, 0.12349, 0.5]) == ["0.1234", "0.1235", "0.5"]
    assert values_apart([0.0, 1.5e-7, 1.0]) == ["0", "1.5e-07", "1"]
    assert values_apart([3.0, 1024.0, 98765.4]) == ["3", "1,024", "98,765"]
    assert values_apart([1000.2, 1000.4]) == ["1,000.2", "1,000.4"]
    assert values_apart([-1.5, 0.0, 2.25]) == ["-1.5", "0", "2.25"]
