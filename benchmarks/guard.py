"""Stop a change that makes us slow: our CPU time against a peer's on S, in one session.

    python -m benchmarks.guard

Both are measured in alternating fresh processes, ours as far as its per-row tables and the twelve numbers.
Times differ from machine to machine and from hour to hour, what is compared are the quickest of each side:
whatever else runs makes a process slower, never quicker. Exits with 1 below `LEAST`, and where the twelve
numbers differ.
"""

from __future__ import annotations

import sys

from benchmarks.compare import measured_rounds
from benchmarks.evaluators import EVALUATORS
from benchmarks.generate import DATA, write

OURS, PEER = "emqa-rows", "ultrafast"
ROUNDS = 5
# 1.8 to 2.4 by the hour: what fails here has lost more than a quarter.
LEAST = 1.3


def main() -> None:
    folder = write("S", DATA, as_json=EVALUATORS[PEER].json)
    rounds = measured_rounds([OURS, PEER], folder, ROUNDS)
    quickest = {name: min(row[name]["cpu_s"] for row in rounds) for name in (OURS, PEER)}
    ratio = quickest[PEER] / quickest[OURS]
    by_round = ", ".join(f"{row[PEER]['cpu_s'] / row[OURS]['cpu_s']:.2f}" for row in rounds)
    print(
        f"S, quickest of {ROUNDS} rounds: {OURS} {quickest[OURS]:.3f} s CPU, {PEER} {quickest[PEER]:.3f} s,"
        f" ratio {ratio:.2f} (at least {LEAST}); round by round {by_round}"
    )
    if ratio < LEAST:
        sys.exit(
            f"the ratio to {PEER} is {ratio:.2f}, below {LEAST}: see `python -m benchmarks.stages --size S`"
        )


if __name__ == "__main__":
    main()
