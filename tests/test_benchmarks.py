"""The benchmarks follow the code: what they time is there, and the page is printed from what was measured."""

import importlib

import pytest

from benchmarks.page import printed
from benchmarks.stages import STAGES


@pytest.mark.parametrize(("name", "only_in"), sorted({(name, only_in or "") for _, name, only_in in STAGES}))
def test_what_is_timed_is_a_function_of_the_pipeline(name: str, only_in: str) -> None:
    module_name, _, path = name.partition(":")
    found = importlib.import_module(module_name)
    for part in path.split("."):
        found = getattr(found, part)
    assert callable(found)
    if only_in:
        assert getattr(importlib.import_module(only_in), path) is found


def test_only_what_stands_between_the_markers_is_printed_anew() -> None:
    text = (
        "# Page\n\n<!-- table stages none -->\nold\n<!-- end -->\n\nkept\n"
        "<!-- table memory none -->\n<!-- end -->\n"
    )
    once = printed(text)
    assert "old" not in once and once.count("Not measured yet.") == 2
    assert once.startswith("# Page\n\n<!-- table stages none -->\n") and "\n<!-- end -->\n\nkept\n" in once
    assert printed(once) == once
