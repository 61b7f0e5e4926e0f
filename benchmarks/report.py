"""The page of a run: how long it takes to write, how large it is, and how quickly a browser answers.

    python -m benchmarks.report

Size M with as many columns more as make 30 metrics, 80 classes, 10 thresholds. CPU seconds and peak memory
are of `emqa report --no-examples` as a process of its own; first paint, the first drawing of what is on the
screen and each change, until it is painted, are Debian's Chromium's (`make page` installs it). Writes
benchmarks/results/report-M.json and prints docs/benchmarks.md anew.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.generate import DATA, write
from benchmarks.ours import options_for
from benchmarks.page import print_page
from benchmarks.results import save
from benchmarks.startup import timed_process

SIZE = "M"
N_EXTRA = 9  # with those of boxes and scores 30 metrics
CHROMIUM = "/usr/bin/chromium"
CHANGES = {
    "IoU threshold": [("iou", str(t)) for t in (3, 5, 7, 2, 0)],
    "score threshold": [("score", str(level)) for level in (3, 5, 9, 2, 0)],
    "a class": [(f"class-{k}", None) for k in (3, 4, 5, 3, 4, 5)],
    "no class, all classes": [("classes-none", None), ("classes-all", None)] * 3,
    "the metric": [
        ("metric", name) for name in ("object_width_px", "frame_label_count", "extra_0", "confidence")
    ],
    "by class": [("by-class", None)] * 4,
    "number of bins": [("bins", n) for n in ("200", "5", "100", "50", "25")],
}
# Changes one control as a user does and waits until the browser has painted what came of it.
CHANGE = """async ([id, value]) => {
  const control = document.getElementById(id);
  const started = performance.now();
  if (value === null) control.click();
  else {
    control.value = value;
    control.dispatchEvent(new Event(control.tagName === 'SELECT' ? 'change' : 'input'));
  }
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))));
  const took = performance.now() - started;
  while (document.documentElement.dataset.pending !== '0') await new Promise(done => setTimeout(done, 5));
  return took;
}"""


def evaluated(data: Path, folder: Path, n_extra: int) -> int:
    """Evaluate the data with further columns; how many metrics there are."""
    from emqa_core import evaluate

    options = options_for(data, folder / "tables", report=False)
    random = np.random.default_rng(7)
    for name in ("label", "prediction"):
        table = pq.read_table(data / f"{name}.parquet")
        for number in range(n_extra):
            table = table.append_column(f"extra_{number}", [random.gamma(2.0, 3.0, table.num_rows)])
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=500_000)
    options["labels"] = str(folder / "label.parquet")
    options["predictions"] = {"model": str(folder / "prediction.parquet")}
    run = evaluate(options)
    return len(run.table("metric_bin", columns=["metric"])["metric"].unique())


def browsed(page: Path) -> dict:
    """Milliseconds to the first paint, to what is on the screen, and of each kind of change."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.goto(f"file://{page}")
        opened.wait_for_function("document.documentElement.dataset.pending === '0'")
        paint = opened.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        drawn = opened.evaluate("performance.getEntriesByName('emqa-drawn')[0].startTime")
        changes = {
            name: [opened.evaluate(CHANGE, list(step)) for step in steps] for name, steps in CHANGES.items()
        }
        browser.close()
    return {"paint_ms": paint, "drawn_ms": drawn, "change_ms": changes}


def markdown(result: dict) -> str:
    rounds, found = result["rounds"], result["browser"]

    def median(name: str) -> float:
        return statistics.median(row[name] for row in rounds)

    size_mb = result["bytes"] / 1e6
    lines = [
        f"{result['size']}, {result['n_metrics']} metrics: {size_mb:.2f} MB (aim: below 5).",
        f"Written in {median('cpu_s'):.1f} CPU s, peak {median('peak_mib'):,.0f} MiB.",
        "",
        "| in the browser | ms, median | ms, slowest | aim |",
        "|---|---|---|---|",
        f"| first paint | {found['paint_ms']:.0f} | | 1,000 |",
        f"| figures on the screen | {found['drawn_ms']:.0f} | | |",
    ]
    lines += [
        f"| change of {name} | {statistics.median(ms):.0f} | {max(ms):.0f} | 100 |"
        for name, ms in found["change_ms"].items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data = write(SIZE, DATA, as_json=())
    with tempfile.TemporaryDirectory(prefix="emqa-bench-") as name:
        folder = Path(name)
        # A process of its own: what is started from a large one is counted with its parent's memory.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            n_metrics = pool.submit(evaluated, data, folder, N_EXTRA).result()
        page = folder / "page.html"
        command = ["report", str(folder / "tables"), "--no-examples", "--to", str(page)]
        rounds = [timed_process(command) for _ in range(options.rounds + 1)][1:]
        found = browsed(page)
        result = {"n_metrics": n_metrics, "bytes": page.stat().st_size, "rounds": rounds, "browser": found}
    save("report", SIZE, f"benchmarks.report --rounds {options.rounds}", result)
    print(markdown({"size": SIZE, **result}))
    print_page()


if __name__ == "__main__":
    main()
