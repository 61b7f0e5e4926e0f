"""Every expected error: its exit code, one or two lines, no traceback, and JSON where asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from emqa_core.cli.app import CODES
from emqa_core.cli.exits import exit_code_table, exit_codes
from emqa_core.errors import EmqaError
from tests.coco_files import labels_json, predictions_json, write_json, write_set
from tests.command import emqa, emqa_program


def test_the_documented_exit_codes_are_those_of_the_errors() -> None:
    codes = [entry.code for entry in exit_codes()]
    assert codes == sorted(set(codes))
    assert {kind.exit_code for kind in EmqaError.__subclasses__()} <= set(codes)
    assert exit_code_table() in Path("docs/command-line.md").read_text(encoding="utf-8")
    in_help = {int(code) for code in re.findall(r"(\d+) [A-Za-z]", CODES)}
    assert in_help == set(codes) - {141}


def bad_predictions(folder: Path, **changed: Any) -> Path:
    rows = predictions_json()
    rows[0] = {**rows[0], **changed}
    return write_json(folder / "bad.json", rows)


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        (2, ["--iou-threshold", "2"], "iou_threshold"),
        (2, ["--iou-threshold", "many"], "--iou-threshold"),
        (2, ["--matching", "voc"], "matching"),
        (2, ["--iou-threshold", "0"], "best_iou only"),
        (2, ["--set", "iou_treshold=0.5"], "did you mean 'iou_threshold'"),
        (2, ["--set", "iou_threshold"], "key=value"),
        (2, ["--run-date", "yesterday"], "run_date"),
        (2, ["--classes", "cat,unicorn"], "unicorn"),
        (2, ["--config", "absent.yaml"], "absent.yaml"),
        (2, ["--cluster", "everywhere"], "cluster.address"),
        (2, ["--nonsense"], "--nonsense"),
        (2, ["--predictions", "NAME=other.json", "--model", "x"], "both name a model"),
        (2, ["--set", "metrics=[object_aera]"], "object_aera"),
        (3, ["--labels", "absent.json"], "absent.json"),
        (3, ["--labels", "TRUNCATED"], "truncated"),
        (3, ["--labels", "PREDICTIONS"], "given as labels"),
        (3, ["--predictions", "LABELS"], "score"),
        (3, ["--predictions", "folder.xml"], "folder.xml"),
        (4, ["--predictions", "BAD"], "max_quarantine_share"),
        (5, ["--set", "cluster.memory_per_worker_mib=256", "--set", "cluster.partitions=1"], "memory"),
        (6, ["--output", "LABELS/inside"], "streets.json.gz"),
        (6, ["--output", "ftp://host/x"], "ftp://"),
        (9, ["--cluster", "tcp://127.0.0.1:1", "--set", "cluster.timeout_s=1"], "tcp://127.0.0.1:1"),
    ],
)
def test_what_a_user_can_put_right(
    code: int, words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    n_frames = 4 if code != 5 else 4000
    labels, predictions = write_set(tmp_path, n_frames)
    truncated = tmp_path / "truncated.json.gz"
    truncated.write_bytes(labels.read_bytes()[:-20])
    places = {
        "TRUNCATED": truncated,
        "LABELS": labels,
        "PREDICTIONS": predictions,
        "BAD": bad_predictions(tmp_path, bbox=[0, 0, -1, 5]),
    }
    for place, path in places.items():
        words = [word.replace(place, str(path)) for word in words]
    given = ["run"]
    defaults = {"--labels": labels, "--predictions": predictions, "--output": tmp_path / "eval"}
    for option, value in defaults.items():
        if option not in words:
            given += [option, str(value)]
    answer = emqa(capsys, *given, *words, "--quiet")
    assert (answer.code, answer.out) == (code, ""), answer.err
    assert message in answer.err
    lines = answer.err.splitlines()
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2
    assert "Traceback" not in answer.err
    as_json = emqa(capsys, *given, *words, "--quiet", "--json")
    error = as_json.json["error"]
    assert (as_json.code, error["exit_code"]) == (code, code)
    assert message in " ".join(str(value) for value in error.values())
    assert error["problem"] in answer.err
    assert list(as_json.json) == ["error"]


def test_runs_and_columns_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, predictions = write_set(tmp_path)
    out = tmp_path / "eval"
    options = ["run", "--predictions", predictions, "--output", out, "--quiet", "--labels"]
    with_number, with_text = labels_json(), labels_json()
    for image in with_number["images"]:
        image["camera"] = 3
    for image in with_text["images"]:
        image["camera"] = "left"
    assert emqa(capsys, *options, labels).code == 0
    assert emqa(capsys, *options, write_json(tmp_path / "number.json", with_number)).code == 0
    clash = emqa(capsys, *options, write_json(tmp_path / "text.json", with_text))
    assert clash.code == 8
    assert "frame_camera" in clash.err
    assert len(emqa(capsys, "runs", out, "--json").json["runs"]) == 2
    missing = emqa(capsys, "show", out, "--run", "1999", "--json")
    assert missing.code == 7
    assert missing.json["error"]["kind"] == "RunNotFoundError"
    ambiguous = emqa(capsys, "show", out, "--run", "20")
    assert ambiguous.code == 7
    assert emqa(capsys, "show", out, "--metric", "object_aera_px2").code == 2


def test_options_that_name_no_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    labels, predictions = write_set(tmp_path)
    assert "--labels" in emqa(capsys, "run", "--predictions", predictions, "--quiet").err
    assert "--predictions" in emqa(capsys, "run", "--labels", labels, "--quiet").err
    twice = emqa(
        capsys, "run", "--labels", labels, "--predictions", predictions, "--predictions", predictions
    )
    assert twice.code == 2
    assert "--predictions NAME=PATH" in twice.err
    assert emqa(capsys, "run", "--labels", labels, "--model", "x").code == 2


def test_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import emqa_core.cli.show as command

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(command, "list_output", fail)
    answer = emqa(capsys, "runs", "anywhere", "--json")
    assert answer.code == 1
    assert "Traceback" in answer.err
    assert "please report" in answer.err
    assert answer.json["error"]["kind"] == "ZeroDivisionError"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    import subprocess

    from tests.command import EMQA

    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {EMQA} config --schema | head -c 10; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_the_program_gives_the_codes_to_the_shell(tmp_path: Path) -> None:
    answer = emqa_program("show", tmp_path)
    assert answer.code == 7
    assert answer.err.startswith("error: there is no run in ")
