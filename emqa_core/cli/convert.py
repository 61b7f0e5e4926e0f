"""`emqa convert`: files of another format as the three input tables."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from emqa_core.cli.machine import json_text
from emqa_core.errors import ConfigError, InputError
from emqa_core.ingest.parquet import CLASSES_KEY
from emqa_core.ingest.quarantine import check_quarantine_share
from emqa_core.ingest.source import read_labels, read_predictions
from emqa_core.storage.input_tables import write_input_table
from emqa_core.storage.location import FileAccess, Location

if TYPE_CHECKING:
    from emqa_core.config import EvaluationConfig

FORMATS = ("coco",)


def convert_inputs(
    format_: str,
    labels: str,
    predictions: Mapping[str, str],
    output: str,
    config: EvaluationConfig,
    *,
    as_json: bool,
) -> None:
    """Write frame, label and prediction tables. Raises InputError, QuarantineError, StorageError."""
    if format_ not in FORMATS:
        raise ConfigError(f"the format {format_!r} is not known", expected=f"one of {', '.join(FORMATS)}")
    files = FileAccess(config.storage)
    folder = Location.of(output, config.storage)
    read = read_labels(labels, config, files)
    if read.frame is None:
        raise InputError(
            f"{labels} is not a file of COCO labels",
            expected="an object with the keys images, annotations and categories",
            next_step="check the path",
        )
    share = config.max_quarantine_share
    check_quarantine_share(
        read.quarantine.num_rows, sum(read.n_rows.values()), labels, share, read.quarantine
    )
    tables = {"frame": read.frame, "label": _with_classes(read.label, read.classes)}
    n_left_out = read.quarantine.num_rows
    for model, path in predictions.items():
        found = read_predictions(path, config, files)
        check_quarantine_share(found.quarantine.num_rows, found.n_rows, path, share, found.quarantine)
        name = "prediction" if len(predictions) == 1 else f"prediction-{_file_name(model)}"
        tables[name] = found.prediction
        n_left_out += found.quarantine.num_rows
    written = {}
    for name, table in tables.items():
        file = folder.child(f"{name}.parquet")
        write_input_table(file, table)
        written[name] = {"path": str(file), "n_rows": table.num_rows}
    _tell(written, list(predictions), n_left_out, as_json=as_json)


def _with_classes(labels: pa.Table, classes: list[tuple[int | str, str]]) -> pa.Table:
    # A class without labels is in no row, and its predictions would count as unlisted.
    metadata = {CLASSES_KEY: json.dumps(classes, ensure_ascii=False).encode()}
    return labels.replace_schema_metadata({**(labels.schema.metadata or {}), **metadata})


def _file_name(model: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._+-" else "-" for letter in model)


def _tell(
    written: dict[str, dict[str, object]], models: list[str], n_left_out: int, *, as_json: bool
) -> None:
    paths = {name: str(entry["path"]) for name, entry in written.items()}
    command = ["emqa", "run", "--labels", paths["label"], "--frames", paths["frame"]]
    predictions = [path for name, path in paths.items() if name.startswith("prediction")]
    for model, path in zip(models, predictions, strict=True):
        command += ["--predictions", f"{model}={path}"]
    if as_json:
        print(json_text({"tables": written, "n_quarantined": n_left_out, "next": shlex.join(command)}))
        return
    for entry in written.values():
        print(f"{entry['n_rows']:>12,} rows  {entry['path']}")
    if n_left_out:
        print(f"{n_left_out:,} rows could not be read and were left out", file=sys.stderr)
    if models:
        print(f"\nNext:\n  {shlex.join(command)} --output eval")
