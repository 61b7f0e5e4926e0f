"""What `make demo` runs: the demo data set through the nightly flow, and its result on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from flows.server import start_server

CONFIG = "configs/demo.yaml"
PREFECT_HOME = Path("demo-output/prefect")


def main(config: str = CONFIG, prefect_home: Path = PREFECT_HOME) -> int:
    """Run the flow with a server of its own and print the run. Returns the exit code."""
    server = start_server(prefect_home)
    from flows import nightly  # while the server starts

    server.wait_until_ready()
    exit_code = nightly.main(["--config", config])
    if exit_code == 0:
        show_newest(config)
    return exit_code


def show_newest(config: str) -> None:
    """Print the newest run of a configuration's output and where its tables lie."""
    from rich.console import Console

    from emqa_core.config import read_config
    from emqa_core.report.terminal import print_run, print_whereabouts
    from emqa_core.storage.runs import read_run

    options = read_config(Path(config).read_text(encoding="utf-8"), config)
    output = options.output or ""
    run, console = read_run(output, storage=options.storage), Console()
    print_run(run, console)
    print_whereabouts(console, [run], output)


if __name__ == "__main__":
    sys.exit(main())
