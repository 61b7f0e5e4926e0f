"""docs/benchmarks.md printed from benchmarks/results: every table between its two markers.

    python -m benchmarks.page            print them anew
    python -m benchmarks.page --check    fail where the page is not what the results say

A table is `<!-- table compare S -->` up to `<!-- end -->`: benchmark and size name the file of results, and
the benchmark's module prints it.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys

from benchmarks.fresh import ROOT
from benchmarks.results import load

PAGE = ROOT / "docs" / "benchmarks.md"
_PRINTED_BY = {"partitions": "scale"}
_TABLE = re.compile(r"(<!-- table (\w+) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def printed(text: str) -> str:
    """The page with every table as its results have it."""

    def table(found: re.Match[str]) -> str:
        start, benchmark, size, end = found.groups()
        result = load(benchmark, size)
        if result is None:
            return f"{start}Not measured yet.\n{end}"
        module = importlib.import_module(f"benchmarks.{_PRINTED_BY.get(benchmark, benchmark)}")
        return f"{start}\n{module.markdown(result)}\n\n{origin(result)}\n{end}"

    return _TABLE.sub(table, text)


def origin(result: dict) -> str:
    """When, on what and with which command."""
    code = f"commit {result['commit']}{' with changes' if result['code_changed'] else ''}"
    machine = result["machine"]
    load_average = result["load_average"][0]
    return (
        f"`{result['command']}`, {result['at'][:10]}, {code}, {machine['cpu']}, {machine['cores']} cores,"
        f" Python {machine['python']}, load average {load_average:.1f}"
    )


def print_page() -> None:
    PAGE.write_text(printed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    if not options.check:
        print_page()
    elif printed(PAGE.read_text(encoding="utf-8")) != PAGE.read_text(encoding="utf-8"):
        sys.exit(f"{PAGE} is not what benchmarks/results say: run `make docs`")


if __name__ == "__main__":
    main()
