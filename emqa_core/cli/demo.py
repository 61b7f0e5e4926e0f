"""`emqa demo`: the demo data set, and the command that evaluates it."""

from __future__ import annotations

import shlex
from pathlib import Path

from emqa_core.cli.machine import json_text
from emqa_core.errors import InputError


def make_demo(folder: str, *, as_json: bool) -> None:
    """Write the data set. Raises InputError where the folder cannot be written."""
    from emqa_core.demo.dataset import write_demo

    try:
        paths = write_demo(Path(folder))
    except OSError as error:
        raise InputError(
            f"cannot write the demo data set to {folder}",
            found=error.strerror or str(error),
            next_step="choose another folder: emqa demo --folder FOLDER",
        ) from error
    command = shlex.join(
        [
            *("emqa", "run", "--labels", str(paths.labels), "--predictions", str(paths.predictions)),
            *("--model", "digit-detector", "--dataset", "demo", "--output", str(Path(folder) / "eval")),
        ]
    )
    if as_json:
        fields = {"labels": str(paths.labels), "predictions": str(paths.predictions), "next": command}
        print(json_text(fields))
        return
    print(f"labels       {paths.labels}\npredictions  {paths.predictions}\n\nNext:\n  {command}")
