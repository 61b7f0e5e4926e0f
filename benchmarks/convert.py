"""COCO JSON to the three input tables: µs per prediction.

    python -m benchmarks.convert --size S

`read predictions`: the file of results to a table in memory; `read labels`: images, annotations and
categories to tables; `emqa convert`: both, and the three tables written. In fresh warm processes, one
thread. Writes benchmarks/results/convert-<size>.json and prints docs/benchmarks.md anew.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.fresh import cpu_seconds, hold_arrow, peak_mib, run_fresh
from benchmarks.generate import DATA, FRAMES_OF_SIZE, write
from benchmarks.ours import output_folder
from benchmarks.results import save

AIM = "0.8, then 0.5"


def measure(data: Path) -> dict:
    """CPU seconds of each step in this process, after the same on XS."""
    from emqa_core.cli.convert import convert_inputs
    from emqa_core.config import config_from
    from emqa_core.ingest.source import read_labels, read_predictions
    from emqa_core.storage.location import FileAccess

    config, output = config_from({}), output_folder()
    files = FileAccess(config.storage)

    def steps(folder: Path, name: str) -> dict[str, Callable[[], object]]:
        labels, predictions = (str(folder / f"{file}.json") for file in ("labels", "predictions"))
        return {
            "read predictions": lambda: read_predictions(predictions, config, files),
            "read labels": lambda: read_labels(labels, config, files),
            "emqa convert": lambda: convert_inputs(
                "coco", labels, {"model": predictions}, str(output / name), config, as_json=True
            ),
        }

    measured = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for folder, name in ((write("XS", data.parent), "warm"), (data, "measured")):
            for step, run in steps(folder, name).items():
                begun = cpu_seconds()
                run()
                measured[step] = cpu_seconds() - begun
    return {"cpu_s": measured, "peak_mib": peak_mib()}


def markdown(result: dict) -> str:
    n, rounds = result["n_predictions"], result["rounds"]
    lines = ["| | CPU s | µs per prediction | aim |", "|---|---|---|---|"]
    for step in rounds[0]["cpu_s"]:
        cpu = statistics.median(row["cpu_s"][step] for row in rounds)
        aim = AIM if step == "emqa convert" else ""
        lines.append(f"| {step} | {cpu:.3f} | {cpu / n * 1e6:.2f} | {aim} |")
    return "\n".join(
        [f"{result['size']}: {n:,} predictions, medians of {len(rounds)} processes.", "", *lines]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=FRAMES_OF_SIZE, default="S")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="measure in this process, and print JSON")
    options = parser.parse_args()
    data = write(options.size, DATA)
    if options.once:
        hold_arrow()
        print(json.dumps(measure(data)))
        return
    import pyarrow.parquet as pq

    from benchmarks.page import print_page

    rounds = [
        run_fresh("benchmarks.convert", "--size", options.size, "--once") for _ in range(options.rounds)
    ]
    n_predictions = pq.read_metadata(data / "prediction.parquet").num_rows
    result = {"size": options.size, "n_predictions": n_predictions, "rounds": rounds}
    save(
        "convert", options.size, f"benchmarks.convert --size {options.size} --rounds {options.rounds}", result
    )
    print(markdown(result))
    print_page()


if __name__ == "__main__":
    main()
