"""Print the files that are made from code; with --check, fail where one is not current.

docs/tables.md comes from emqa_core/schema/, configs/default.yaml and configs/schema.json from
emqa_core/config/, the exit codes in docs/command-line.md from emqa_core/errors.py, docs/metrics.md
from emqa_core/quality/catalogue.py, the page's charts.json from emqa_core/report/html/charts.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import vl_convert

from emqa_core.cli.exits import exit_code_table
from emqa_core.config import EvaluationConfig
from emqa_core.config_text import config_schema, config_yaml
from emqa_core.quality.listed import ListedMetric, list_metrics
from emqa_core.report.html.charts import CHARTS
from emqa_core.schema import COMMON, SCHEMA_VERSION, TABLES, Column, TableSchema

ROOT = Path(__file__).resolve().parent.parent

CODES_START, CODES_END = "<!-- exit codes, printed by `make docs` -->", "<!-- end -->"

TABLES_HEAD = f"""\
# Tables

Printed from `emqa_core/schema/` by `make docs`; schema version {SCHEMA_VERSION}. What the numbers mean:
[definitions.md](definitions.md).

All tables are flat Delta tables, partitioned by `run_id`, in folders of these names under the output
location. A run exists when the `run` table has a row for it: start there, and join on `run_id`.

## Columns of every table

"""

# Columns that depend on the run, by table.
FURTHER_COLUMNS = {
    "prediction": (
        "`is_true_positive_50` ... `is_true_positive_95`: true positive at that IoU threshold (hundredths;"
        " thousandths where hundredths do not tell thresholds apart); and one column per quality metric of"
        " predictions."
    ),
    "label": (
        "`is_found_50` ... `is_found_95`: found at that IoU threshold; and one column per quality metric of"
        " labels."
    ),
    "frame": "One column per quality metric of frames, named `frame_...`.",
}


def tables_text() -> str:
    """docs/tables.md."""
    sections = [TABLES_HEAD + _columns_text(COMMON)]
    sections += [_table_text(table) for table in TABLES.values()]
    return "\n".join(sections)


def _table_text(table: TableSchema) -> str:
    text = f"## `{table.name}`\n\nA row is {table.row}.\n\n" + _columns_text(table.columns)
    if table.open:
        text += f"\nFurther columns: {FURTHER_COLUMNS[table.name]}\n"
    return text


def _columns_text(columns: tuple[Column, ...]) -> str:
    lines = ["| column | type | unit or range | null | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{c.name}` | {_type_name(c.type)} | {c.unit} | {'yes' if c.nullable else ''} | {c.meaning} |"
        for c in columns
    ]
    return "\n".join(lines) + "\n"


def _type_name(arrow_type: pa.DataType) -> str:
    if pa.types.is_dictionary(arrow_type):
        return "string"
    names = {"double": "float64", "float": "float32", "date32[day]": "date"}
    return names.get(str(arrow_type), str(arrow_type))


def command_line_text() -> str:
    """docs/command-line.md: the text as it stands, with the table of exit codes printed anew."""
    before, start, rest = (ROOT / "docs/command-line.md").read_text(encoding="utf-8").partition(CODES_START)
    _, end, after = rest.partition(CODES_END)
    return f"{before}{start}\n\n{exit_code_table()}\n{end}{after}"


METRICS_HEAD = """\
# Quality metrics

Printed from `emqa_core/quality/catalogue.py` by `make docs`. How they are computed to the bit:
[definitions.md](definitions.md#quality-metrics). Metrics of your own: [own-metrics.md](own-metrics.md).
Beside another tool's catalogue: [metrics-compared.md](metrics-compared.md).

`emqa metrics --labels ... --predictions ... --images ...` says which of them a data set allows, and why
not the rest. P: of predictions, L: of labels, F: of frames. A metric of frames explains the objects in
them too. Choose by name or group: `--metrics geometry,frame_brightness`; the default is all whose needs
are met.
"""

NEEDS = {
    "geometry": "Boxes; some the frame's size.",
    "score": "The predictions' scores.",
    "pixels": "Images: `--images ROOT`, and `image_uri` (COCO: `file_name`) of the frames.",
    "tracks": "`track_id` of the objects, `sequence_id` and `frame_index` of the frames.",
    "embeddings": "A column `embedding` of lists of a fixed number of floats, made by a model of yours.",
    "controls": "Nothing: they come with every metric of their level.",
}


def metrics_text() -> str:
    """docs/metrics.md."""
    sections = [METRICS_HEAD]
    metrics = list_metrics(None)
    for group in dict.fromkeys(metric.group for metric in metrics):
        lines = [f"## `{group}`\n", f"Needs: {NEEDS[group]}\n"]
        lines += ["| metric | level | unit | range | meaning |", "|---|---|---|---|---|"]
        lines += [_metric_line(metric) for metric in metrics if metric.group == group]
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def _metric_line(metric: ListedMetric) -> str:
    marks = {"frame": "F", "label": "L", "prediction": "P"}
    levels = " ".join(marks[level] for level in metric.levels)
    if metric.low is None:
        limits = ""
    else:
        limits = f">= {metric.low:g}" if metric.high is None else f"{metric.low:g}..{metric.high:g}"
    return f"| `{metric.name}` | {levels} | {metric.unit} | {limits} | {metric.meaning} |"


def charts_text() -> str:
    """The page's charts compiled from Vega-Lite to Vega, of the version whose library the page carries."""
    compiled = {
        name: vl_convert.vegalite_to_vega(chart(), vl_version="6.4") for name, chart in CHARTS.items()
    }
    return json.dumps(compiled, separators=(",", ":"), sort_keys=True) + "\n"


def main(check: bool) -> int:
    """Write the files, or name those that differ. Returns the exit status."""
    made = {
        "docs/tables.md": tables_text(),
        "docs/command-line.md": command_line_text(),
        "docs/metrics.md": metrics_text(),
        "configs/default.yaml": config_yaml(EvaluationConfig()),
        "configs/schema.json": config_schema(),
        "emqa_core/report/html/charts.json": charts_text(),
    }
    stale = [
        name
        for name, text in made.items()
        if not (ROOT / name).exists() or (ROOT / name).read_text(encoding="utf-8") != text
    ]
    if check and stale:
        print(f"not current: {', '.join(stale)}; run `make docs` and commit what it wrote")
        return 1
    for name in stale:
        (ROOT / name).write_text(made[name], encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
