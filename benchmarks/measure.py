"""One evaluator on one data set in this process: CPU seconds without imports, peak memory, results.

    python -m benchmarks.measure ultrafast bench-data/S

Prints one JSON object. Every evaluator has a set-up that is not on the clock (imports, first use of what
loads late) and a run that is. It times one thread when the environment says so, as `benchmarks.compare` does.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from pathlib import Path

from benchmarks.evaluators import EVALUATORS
from benchmarks.fresh import cpu_seconds, hold_arrow, peak_mib


def measure(name: str, folder: Path) -> dict:
    with contextlib.redirect_stdout(io.StringIO()):
        run = EVALUATORS[name].start(folder)
        before = {"setup_cpu_s": cpu_seconds(), "setup_peak_mib": peak_mib()}
        cpu, wall = cpu_seconds(), time.perf_counter()
        twelve = run()
    return {
        "evaluator": name,
        "cpu_s": cpu_seconds() - cpu,
        "wall_s": time.perf_counter() - wall,
        "peak_mib": peak_mib(),
        **before,
        "twelve": twelve,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("evaluator", choices=EVALUATORS)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    hold_arrow()
    print(json.dumps(measure(options.evaluator, options.folder)))


if __name__ == "__main__":
    main()
