"""The class list: its order, and the errors of its names."""

from __future__ import annotations

import pytest

from emqa_core.classes import ClassList
from emqa_core.errors import ConfigError, InputError


def test_integer_ids_are_ordered_as_numbers() -> None:
    classes = ClassList.of([(10, "b"), (9, "a")])
    assert (classes.ids, classes.names, classes.integer_ids) == (("9", "10"), ("a", "b"), True)


def test_other_ids_are_in_code_point_order() -> None:
    assert ClassList.of([("9", "a"), ("10", "b")]).ids == ("10", "9")


def test_two_ids_with_one_name() -> None:
    with pytest.raises(InputError, match="'cat'.*1 and 2"):
        ClassList.of([(1, "cat"), (2, "cat")])


def test_select_by_id_or_name_keeps_the_order() -> None:
    classes = ClassList.of([(1, "cat"), (2, "dog"), (3, "cow")])
    assert classes.select(["cow", "1"]).names == ("cat", "cow")


def test_select_an_unknown_class() -> None:
    with pytest.raises(ConfigError, match="'horse'.*cat, dog"):
        ClassList.of([(1, "cat"), (2, "dog")]).select(["horse"])
