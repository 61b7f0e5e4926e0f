"""A reader that polls output locations as the documentation says to read: from `run`, then the run's tables.

    python -m tests.faults.polling_reader FOLDER

FOLDER/watched: the location as JSON, {"output": URL, "rows": {TABLE: NUMBER}}; none while the file is absent.
Each poll is a line in FOLDER/polls: how many runs were there, and what was partial: a run in `run` whose
tables have not all their rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import ArrowException

from emqa_core.errors import EmqaError
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs
from tests.processes import Process, running, wait_until

INTERVAL_S = 0.3


@dataclass(frozen=True)
class PollingReader:
    """A reader that runs as a process of its own."""

    folder: Path
    process: Process

    def watch(self, output: str, rows: Mapping[str, int]) -> None:
        """Poll this location from now on; it was polled once when this returns. rows: of a run's tables."""
        Location.of(self.folder / "watched").write_bytes(
            json.dumps({"output": output, "rows": dict(rows)}).encode()
        )
        self._poll_again(output)

    def problems(self, output: str, n_runs: int) -> list[Any]:
        """All that was partial in the location watched, whose last poll finds n_runs."""
        self._poll_again(output)
        (self.folder / "watched").unlink()
        polls = self._polls(output)
        problems = [problem for poll in polls for problem in poll["problems"]]
        if polls[-1]["n_runs"] != n_runs:
            problems.append(f"{polls[-1]['n_runs']} runs at the end")
        return problems

    def _poll_again(self, output: str) -> None:
        before = len(self._polls(output))
        # The poll under way may have begun before this moment, the one after it has not.
        wait_until(lambda: len(self._polls(output)) >= before + 2, self.process)

    def _polls(self, output: str) -> list[dict[str, Any]]:
        log = self.folder / "polls"
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        polls = [json.loads(line) for line in lines if line.endswith("\n")]
        return [poll for poll in polls if poll["output"] == output]


@contextmanager
def polling_reader(folder: Path) -> Iterator[PollingReader]:
    """Start a reader in an empty folder."""
    with running([sys.executable, "-m", "tests.faults.polling_reader", folder], folder / "log") as process:
        yield PollingReader(folder, process)


def main(folder: Path) -> None:
    with (folder / "polls").open("a") as log:
        while True:
            with suppress(FileNotFoundError):
                watched = json.loads((folder / "watched").read_text())
                found = poll(watched["output"], watched["rows"])
                log.write(json.dumps({"output": watched["output"], **found}) + "\n")
                log.flush()
            time.sleep(INTERVAL_S)


def poll(output: str, rows: Mapping[str, int]) -> dict[str, Any]:
    """What a reader sees in a location now."""
    location = Location.of(output)
    try:
        run_ids = list_runs(location)["run_id"].to_pylist()
        problems = [f"{run_id} is there twice" for run_id in set(run_ids) if run_ids.count(run_id) > 1]
        for run_id in run_ids:
            run = Run(run_id, location)
            found = {name: run.table(name).num_rows for name in rows}
            if found != rows:
                problems.append(f"{run_id} has {found}")
    except (EmqaError, OSError, ArrowException) as error:
        return {"n_runs": -1, "problems": [f"{type(error).__name__}: {error}"]}
    return {"n_runs": len(run_ids), "problems": problems}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
