"""The commands on small data: what they print, what they write, what they leave alone."""

from __future__ import annotations

import datetime
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from emqa_core import __version__, read_run
from emqa_core.cli.machine import json_text
from emqa_core.config import EvaluationConfig, read_config
from emqa_core.report.headline import COCO_MEASURES
from tests.coco_files import predictions_json, write_json, write_set
from tests.command import emqa, emqa_program

RUN_DATE = ("--run-date", "2026-01-05")
COMMANDS = ("run", "validate", "show", "report", "explain", "worst", "runs", "convert", "config", "demo")


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_help_answers_at_once_and_version_says_which() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    help_text = emqa_program("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert help_text.code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in help_text.out
    # 0.15 s on an idle machine; a heavy import would add a second.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.8
    version = emqa_program("--version")
    assert version.out.startswith(f"emqa {__version__} ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples_and_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = emqa(capsys, command, "--help").out
    assert "Examples:\n    emqa " in text
    assert "Exit codes: 0 done," in text
    named = [line.split()[0] for line in text.splitlines() if line.startswith("  --")]
    documented = Path("docs/command-line.md").read_text(encoding="utf-8")
    assert f"emqa {command}" in documented
    assert named


HEAVY = ("numpy", "pyarrow", "numba", "pandas", "dask", "rich", "deltalake")


def test_help_imports_nothing_heavy() -> None:
    program = f"""
import sys
from emqa_core.cli import main
main(["run", "--help"])
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_is_printed_committed_and_not_made_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, predictions = write_set(tmp_path)
    out = tmp_path / "eval"
    options = ("run", "--labels", labels, "--predictions", predictions, "--output", out, *RUN_DATE)
    first = emqa(capsys, *options)
    assert first.code == 0, first.err
    assert first.out.startswith("detector on streets  2026-01-05-detector-")  # named by the files' stems
    # Cats: 4 of 4 found; dogs: none of 4. Emus have no labels: their predictions are unlisted to nobody.
    assert "4 true positives · 4 false positives · 4 missed labels" in first.out
    assert f"emqa show {out} --run 2026-01-05-detector-" in first.out
    assert "evaluate: done" in first.err
    written = files_of(out)
    again = emqa(capsys, *options)
    assert again.code == 0
    assert "was committed before: nothing to do." in again.out
    assert "detector on streets" in again.out
    assert files_of(out) == written


def test_json_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, predictions = write_set(tmp_path)
    out = tmp_path / "eval"
    options = ("run", "--labels", labels, "--predictions", predictions, "--output", out, *RUN_DATE, "--json")
    answer = emqa(capsys, *options, "--quiet")
    assert answer.err == ""
    found = answer.json
    assert found["output"] == str(out)
    (run,) = found["runs"]
    assert run["model"] == "detector"
    assert run["run_date"] == "2026-01-05"
    assert (run["n_frames"], run["n_labels"], run["n_predictions"]) == (4, 8, 8)
    assert run["committed_before"] is False
    measures = {row["measure"]: row["value"] for row in run["summary"]}
    assert measures["AP"] == pytest.approx(0.5)  # cats 1, dogs 0, emus have no labels
    assert measures["recall"] == pytest.approx(0.5)
    assert set(COCO_MEASURES) <= set(measures)
    assert emqa(capsys, *options, "--quiet").json["runs"][0]["committed_before"] is True


def test_show_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, predictions = write_set(tmp_path)
    out = tmp_path / "eval"
    for date in ("2026-01-05", "2026-01-06"):
        done = emqa(
            capsys,
            "run",
            "--labels",
            labels,
            "--predictions",
            predictions,
            "--output",
            out,
            "--run-date",
            date,
        )
        assert done.code == 0, done.err
    listed = emqa(capsys, "runs", out, "--json").json["runs"]
    assert [row["run_date"] for row in listed] == ["2026-01-06", "2026-01-05"]
    assert listed[0]["run_id"] in emqa(capsys, "runs", out).out
    newest = emqa(capsys, "show", out, "--json").json
    assert set(newest) == {"summary", "class_performance", "metric_importance", "run"}
    assert newest["run"][0]["run_id"] == listed[0]["run_id"]
    run = read_run(str(out), "2026-01-05")
    older = emqa(capsys, "show", out, "--run", "2026-01-05", "--json").json
    for name, rows in older.items():
        table = run.table(name)
        assert len(rows) == table.num_rows
        assert not rows or list(rows[0]) == table.column_names
    assert older["metric_importance"]
    printed = emqa(capsys, "show", out, "--class", "cat", "--iou-threshold", "0.75", "--all").out
    assert "class cat" in printed
    assert "AP at T = 0.75" in printed


def test_reading_commands_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "nothing"
    assert emqa(capsys, "runs", out).out == f"No runs in {out}.\n"
    assert emqa(capsys, "runs", out, "--json").json == {"runs": []}
    assert emqa(capsys, "show", out).code == 7
    labels, predictions = write_set(tmp_path / "data")
    done = emqa(capsys, "validate", "--labels", labels, "--predictions", predictions, "--output", out)
    assert done.code == 0, done.err
    assert not out.exists()


def test_several_models_are_compared_and_get_a_run_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, good = write_set(tmp_path)
    poor = write_json(tmp_path / "poor.json", predictions_json()[4:])
    out = tmp_path / "eval"
    done = emqa(
        capsys,
        *("run", "--labels", labels, "--predictions", f"poor={poor}", "--predictions", f"good={good}"),
        *("--output", out, *RUN_DATE),
    )
    assert done.code == 0, done.err
    assert done.out.startswith("2 models\n")
    assert done.out.index("good") < done.out.index("poor")  # the best first
    assert done.out.count("emqa show") == 3
    assert {row["model"] for row in emqa(capsys, "runs", out, "--json").json["runs"]} == {"good", "poor"}


def test_a_run_without_output_is_shown_and_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, predictions = write_set(tmp_path)
    done = emqa(capsys, "run", "--labels", labels, "--predictions", predictions, "--model", "v3")
    assert done.code == 0, done.err
    assert done.out.startswith("v3 on streets")
    assert "No table was written" in done.out
    assert files_of(tmp_path) == sorted([labels, predictions])


def test_validate_counts_what_a_run_would_leave_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, _ = write_set(tmp_path, n_frames=100)
    rows: list[dict[str, Any]] = predictions_json(100)
    rows[3]["bbox"] = [1, 1, -5, 5]
    rows[7]["image_id"] = 999
    predictions = write_json(tmp_path / "p.json", rows)
    answer = emqa(
        capsys, "validate", "--labels", labels, "--predictions", predictions, "--json", "--quiet", *RUN_DATE
    )
    assert answer.code == 0, answer.err
    found = answer.json
    assert found["output"] is None
    assert (found["n_frames"], found["n_labels"], found["n_predictions"]) == (100, 200, {"p": 198})
    assert sorted(found["n_quarantined"]["prediction:p"].values()) == [1, 1]
    assert found["n_unlisted"] == {"p": 0}
    assert found["runs"]["p"].startswith("2026-01-05-p-")
    assert found["projected_memory_mib"] > 0
    text = emqa(capsys, "validate", "--labels", labels, "--predictions", predictions).out
    assert "in prediction of model p" in text
    assert "Nothing was written" in text
    done = emqa(
        capsys, "run", "--labels", labels, "--predictions", predictions, "--output", tmp_path / "e", "--json"
    )
    assert done.code == 0, done.err
    assert done.json["runs"][0]["n_quarantined"] == 2


def test_validate_checks_rows_that_only_workers_would_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parquet stays on storage until a partition is evaluated; the dry run reads it as a worker would."""
    labels, _ = write_set(tmp_path, n_frames=200)
    rows: list[dict[str, Any]] = predictions_json(200)
    rows[7]["image_id"] = 999
    for row in rows[20:23]:
        row["category_id"] = 77
    predictions = write_json(tmp_path / "p.json", rows)
    tables = tmp_path / "tables"
    assert emqa(capsys, "convert", "coco", labels, predictions, "--output", tables).code == 0
    answer = emqa(
        capsys,
        *("validate", "--labels", tables / "label.parquet", "--frames", tables / "frame.parquet"),
        *(
            "--predictions",
            tables / "prediction.parquet",
            "--set",
            "cluster.partitions=3",
            "--json",
            "--quiet",
        ),
    )
    assert answer.code == 0, answer.err
    found = answer.json
    assert found["n_partitions"] == 3
    assert sum(found["n_quarantined"]["prediction:prediction"].values()) == 1
    assert found["n_unlisted"] == {"prediction": 3}
    many = emqa(
        capsys,
        *("validate", "--labels", tables / "label.parquet", "--frames", tables / "frame.parquet"),
        *("--predictions", tables / "prediction.parquet", "--set", "max_quarantine_share=0.001", "--quiet"),
    )
    assert many.code == 4


def test_json_has_no_numbers_that_are_none() -> None:
    value = {"a": [float("nan"), float("inf"), 0.1], "d": datetime.date(2026, 1, 5), "n": None, "t": "é"}
    assert json_text(value) == '{"a":[null,null,0.1],"d":"2026-01-05","n":null,"t":"é"}'


def test_convert_gives_tables_that_evaluate_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, predictions = write_set(tmp_path)
    folder = tmp_path / "tables"
    answer = emqa(capsys, "convert", "coco", labels, predictions, "--output", folder, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["tables"]["label"]["n_rows"] == 8
    assert {path.name for path in files_of(folder)} == {
        "frame.parquet",
        "label.parquet",
        "prediction.parquet",
    }
    frame_ids = pq.read_table(folder / "prediction.parquet")["frame_id"].to_pylist()
    assert frame_ids == sorted(frame_ids)
    assert "--predictions detector=" in answer.json["next"]
    runs = []
    for inputs in (
        ("--labels", labels, "--predictions", predictions),
        (
            *("--labels", folder / "label.parquet", "--frames", folder / "frame.parquet"),
            *("--predictions", folder / "prediction.parquet"),
        ),
    ):
        done = emqa(capsys, "run", *inputs, "--model", "m", "--dataset", "d", "--json", "--quiet")
        assert done.code == 0, done.err
        runs.append(done.json["runs"][0])
    assert runs[0]["summary"] == runs[1]["summary"]
    # The list of classes travels along: emus, which have no label, are not taken for unlisted.
    assert (runs[0]["n_predictions"], runs[0]["n_unlisted"]) == (
        runs[1]["n_predictions"],
        runs[1]["n_unlisted"],
    )


def test_convert_names_several_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, predictions = write_set(tmp_path)
    done = emqa(
        capsys,
        "convert",
        "coco",
        labels,
        f"a b={predictions}",
        f"c={predictions}",
        "--output",
        tmp_path / "t",
    )
    assert done.code == 0, done.err
    assert {path.name for path in files_of(tmp_path / "t")} == {
        *("frame.parquet", "label.parquet"),
        *("prediction-a-b.parquet", "prediction-c.parquet"),
    }
    assert emqa(capsys, "convert", "voc", labels, "--output", tmp_path / "t").code == 2
    assert emqa(capsys, "convert", "coco", predictions, "--output", tmp_path / "t").code == 3


def test_config_prints_what_is_in_effect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("iou_threshold: 0.6\ncluster:\n  workers: 7\n")
    text = emqa(capsys, "config", "--config", file, "--set", "cluster.partitions=3").out
    config = read_config(text, "printed")
    assert config == read_config(None, "", ["iou_threshold=0.6", "cluster.workers=7", "cluster.partitions=3"])
    schema = emqa(capsys, "config", "--schema").json
    assert set(schema["properties"]) == set(EvaluationConfig.model_fields)


def test_demo_writes_a_data_set_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = write_json(tmp_path / "file.json", {})
    assert emqa(capsys, "demo", "--folder", blocked).code == 3
    answer = emqa(capsys, "demo", "--folder", tmp_path / "demo", "--json")
    assert answer.code == 0, answer.err
    assert set(answer.json) == {"labels", "predictions", "next"}
    words = answer.json["next"].split()
    assert words[0] == "emqa"
    done = emqa(capsys, "validate", *words[2:], "--quiet")
    assert done.code == 0, done.err
    assert "bad rows      none" in done.out
