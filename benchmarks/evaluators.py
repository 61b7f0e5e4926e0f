"""The evaluators that are compared, and what was on in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.ours import ALL_METRICS, NO_METRICS, emqa
from benchmarks.peers import Run


@dataclass(frozen=True)
class Evaluator:
    """A row of the comparison: how it starts, the JSON files it reads, and what it does beside the numbers.

    rows: tables with a row for each prediction. metrics: quality metrics, performance by metric, importance.
    """

    start: Callable[[Path], Run]
    what: str
    json: tuple[str, ...] = ()
    rows: str = "no"
    metrics: bool = False
    nearest_neighbour: bool = False
    intervals: bool = False
    commit: bool = False
    is_ours: bool = False


def _ours(
    until: str, what: str, *, metrics: bool = False, intervals: bool = False, nearest_neighbour: bool = False
) -> Evaluator:
    options: dict[str, object] = {
        **(ALL_METRICS if metrics else NO_METRICS),
        "intervals": intervals,
        "nearest_neighbour": nearest_neighbour,
    }
    return Evaluator(
        emqa(until, options),  # type: ignore[arg-type]
        what,
        rows="written",
        metrics=metrics,
        nearest_neighbour=nearest_neighbour,
        intervals=intervals,
        commit=until == "commit",
        is_ours=True,
    )


EVALUATORS: dict[str, Evaluator] = {
    "emqa-rows": _ours("rows", "tables of predictions, labels and frames, and the twelve numbers"),
    "emqa": _ours("files", "every file of a run: the same, with curves, class tables, summary"),
    "emqa-committed": _ours("commit", "the same, committed to new Delta tables"),
    "emqa-metrics": _ours("commit", "the whole run, every metric", metrics=True),
    "emqa-intervals": _ours(
        "commit", "the whole run, every metric and interval", metrics=True, intervals=True
    ),
    "emqa-nearest": _ours(
        "commit",
        "the whole run, every metric and interval, and scikit-learn's estimate beside",
        metrics=True,
        intervals=True,
        nearest_neighbour=True,
    ),
    "ultrafast": Evaluator(peers.ultrafast, "ultrafast-pycocotools, prediction arrays", ("labels",)),
    "hotcoco": Evaluator(peers.hotcoco, "hotcoco, arrays"),
    "vernier": Evaluator(peers.vernier, "vernier, arrays"),
    "vernier-tables": Evaluator(
        partial(peers.vernier, tables="all"), "vernier, arrays, its per-row tables", rows="in memory"
    ),
    "pycocotools": Evaluator(peers.pycocotools, "pycocotools, JSON", ("labels", "predictions")),
}
OURS = tuple(name for name, evaluator in EVALUATORS.items() if evaluator.is_ours)
FAST_PEERS = ("ultrafast", "hotcoco", "vernier", "vernier-tables")
# A hundred times slower than the others: once is enough.
ONCE = frozenset({"pycocotools"})
# By size: how often, and who. vernier's tables take 4.5 GB on M, hotcoco 14 GB on XL, pycocotools 10 GB on M.
ROUNDS = {"XS": 3, "S": 7, "M": 5, "L": 3, "XL": 1}
DEFAULT: dict[str, tuple[str, ...]] = {
    "XS": (*OURS, *FAST_PEERS),
    "S": (*OURS, *FAST_PEERS, "pycocotools"),
    "M": (*OURS, *FAST_PEERS),
    "L": (*OURS, "ultrafast", "hotcoco", "vernier"),
    "XL": ("emqa-rows", "emqa-committed", "emqa-metrics", "emqa-intervals", "ultrafast"),
}
