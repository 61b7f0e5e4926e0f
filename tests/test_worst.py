"""`emqa worst`: the rows that loops over the tables would choose, and files that others open."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pycocotools.coco import COCO

from emqa_core import evaluate, read_run
from emqa_core.report.view import choose_view
from emqa_core.report.worst_files import coco_of_objects, csv_text
from emqa_core.report.worst_objects import worst_objects
from emqa_core.storage.runs import Run
from tests.command import emqa
from tests.oracles.synthetic import make_data_set
from tests.report_tables import class_rows, run_of

WRONG = {"prediction": ("false_positive", "score"), "label": ("missed", "area_px2")}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = make_data_set(60, crowds=True)
    folder = tmp_path_factory.mktemp("worst")
    evaluate(
        frames=data.frames, labels=data.labels, predictions=data.predictions, iou_thresholds=[0.5],
        output=str(folder), cluster={"partitions": 3},
    )  # fmt: skip
    return folder


def exported(capsys: pytest.CaptureFixture[str], output: Path, *arguments: str) -> list[dict[str, str]]:
    done = emqa(capsys, "worst", str(output), *arguments)
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


def wrong_rows(run: Any, class_id: str | None = None) -> list[dict[str, Any]]:
    rows = []
    for source, (outcome, size) in WRONG.items():
        for row in run.table(source).to_pylist():
            if row["outcome"] == outcome and class_id in (None, row["class_id"]):
                key = (-row[size], row["frame_order"], row["input_index"])
                rows.append(row | {"source": source, "key": key, "id": row[f"{source}_id"]})
    return rows


def range_of(value: Any, bins: list[dict[str, Any]]) -> int | None:
    if value is None or value != value:
        return None
    if bins[0]["category"] is not None:
        return next(row["bin_50"] for row in bins if row["category"] == str(value))
    return next((row for row in bins if value <= row["upper"]), bins[-1])["bin_50"] // 5


@pytest.mark.parametrize(
    "metric", ["object_area_px2", "frame_darkness", "frame_weather", "visibility", "confidence"]
)
@pytest.mark.parametrize("class_id", [None, "2"])
def test_by_a_metric_the_worst_ranges_come_first(
    capsys: pytest.CaptureFixture[str], output: Path, metric: str, class_id: str | None
) -> None:
    run = read_run(str(output))
    bins = sorted(
        (row for row in run.table("metric_bin").to_pylist() if row["metric"] == metric),
        key=lambda row: row["bin"],
    )
    frames = {row["frame_id"]: row for row in run.table("frame").to_pylist()}
    counts: dict[tuple[str, int | None], list[int]] = {}
    found = []
    for source, (outcome, _) in WRONG.items():
        for row in run.table(source).to_pylist():
            if row["outcome"] == "ignored" or class_id not in (None, row["class_id"]):
                continue
            held = frames[row["frame_id"]] if metric.startswith("frame_") else row
            code = range_of(held.get(metric), bins)
            if code is None:
                continue
            for key in ((source, code), (source, None)):
                n = counts.setdefault(key, [0, 0])
                n[0] += 1
                n[1] += row["outcome"] == outcome
    for row in wrong_rows(run, class_id):
        held = frames[row["frame_id"]] if metric.startswith("frame_") else row
        code = range_of(held.get(metric), bins)
        if code is None:
            continue
        n, all_n = counts[row["source"], code], counts[row["source"], None]
        excess = n[1] / n[0] - all_n[1] / all_n[0]
        if excess > 0:
            found.append(
                ((-excess, row["source"], code), row["key"], (row["source"], row["frame_id"], row["id"]))
            )
    expected = [key for *_, key in sorted(found)][:40]
    chosen = ("--class", class_id) if class_id else ()
    rows = exported(capsys, output, "--by", metric, "--limit", "40", *chosen)
    assert [(row["source"], row["frame_id"], row["object_id"]) for row in rows] == expected
    assert all(float(row["rate"]) > float(row["rate_average"]) for row in rows)


@pytest.mark.parametrize("metric", ["frame_darkness", "frame_weather"])
def test_further_frames_take_little_memory(output: Path, metric: str) -> None:
    """While objects are chosen a frame is a number and a code; its value in Python is twice the bound."""
    run = read_run(str(output))
    names = ("prediction", "label", "metric_bin", "metric_performance", "metric_importance")
    few = {name: run.table(name) for name in names}
    frames, view = run.table("frame", ["frame_order", metric]), choose_view(run)
    chosen, unused = worst_objects(run, metric, view, 30), pc.max(frames["frame_order"]).as_py() + 1
    peaks = []
    for n in (150_000, 450_000):
        further = frames.take(np.arange(n) % frames.num_rows)
        further = further.set_column(0, "frame_order", pa.array(np.arange(n) + unused))
        larger = Run.in_memory("larger", {**few, "frame": pa.concat_tables([frames, further])})
        tracemalloc.start()
        assert worst_objects(larger, metric, view, 30) == chosen
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 300_000 < 40


@pytest.mark.parametrize("by", ["localization", "missed", "error_type"])
def test_by_error_types(capsys: pytest.CaptureFixture[str], output: Path, by: str) -> None:
    rows = wrong_rows(read_run(str(output)))
    n = {each: sum(row["error_type"] == each for row in rows) for each in {row["error_type"] for row in rows}}
    chosen = [row for row in rows if by in ("error_type", row["error_type"])]
    chosen.sort(key=lambda r: (-n[r["error_type"]], r["error_type"], r["source"] == "label", r["key"]))
    found = exported(capsys, output, "--by", by, "--limit", "30")
    expected = [(row["source"], row["frame_id"], row["id"]) for row in chosen[:30]]
    assert [(row["source"], row["frame_id"], row["object_id"]) for row in found] == expected


@pytest.mark.parametrize("class_id", [None, "10"])
def test_by_frame(capsys: pytest.CaptureFixture[str], output: Path, class_id: str | None) -> None:
    run = read_run(str(output))
    rows = run.table("frame").to_pylist()
    if class_id is not None:
        # The class alone: what of its objects counts, frame by frame.
        outcomes: dict[str, list[str]] = {row["frame_id"]: [] for row in rows}
        for source in ("prediction", "label"):
            for row in run.table(source).to_pylist():
                if row["class_id"] == class_id:
                    outcomes[row["frame_id"]].append(row["outcome"])
        for row in rows:
            own = outcomes[row["frame_id"]]
            row["n_false_positive"], row["n_missed"] = own.count("false_positive"), own.count("missed")
            n = len(own) - own.count("ignored")
            row["f1"] = 2 * own.count("true_positive") / n if n else None
    rows = [row for row in rows if row["n_false_positive"] + row["n_missed"]]
    rows.sort(key=lambda row: (row["f1"], -row["n_false_positive"] - row["n_missed"], row["frame_order"]))
    chosen = [] if class_id is None else ["--class", class_id]
    found = exported(capsys, output, "--by", "frame", "--limit", "12", *chosen)
    assert [row["frame_id"] for row in found] == [row["frame_id"] for row in rows[:12]]
    assert [float(row["f1"]) for row in found] == sorted(float(row["f1"]) for row in found)


def test_pycocotools_opens_chosen_objects(
    capsys: pytest.CaptureFixture[str], output: Path, tmp_path: Path
) -> None:
    to = tmp_path / "small.json"
    arguments = ("--by", "object_area_px2", "--limit", "25")
    rows = exported(capsys, output, *arguments)
    done = emqa(capsys, "worst", str(output), *arguments, "--format", "coco", "--to", str(to))
    assert done.code == 0 and done.out.endswith(f"25 objects in {to}\n")
    coco = COCO(str(to))
    capsys.readouterr()
    annotations = coco.loadAnns(coco.getAnnIds())
    assert [(a["source"], a["object_id"]) for a in annotations] == [
        (row["source"], row["object_id"]) for row in rows
    ]
    for annotation, row in zip(annotations, rows, strict=True):
        assert coco.imgs[annotation["image_id"]]["frame_id"] == row["frame_id"]
        assert coco.cats[annotation["category_id"]]["name"] == row["class_name"]
        assert annotation["bbox"] == pytest.approx(
            [float(row[name]) for name in ("x_px", "y_px", "width_px", "height_px")]
        )
        assert ("score" in annotation) == (row["source"] == "prediction")


def test_worst_frames_carry_all_their_objects(
    capsys: pytest.CaptureFixture[str], output: Path, tmp_path: Path
) -> None:
    to = tmp_path / "frames.json"
    emqa(capsys, "worst", str(output), "--by", "frame", "--limit", "3", "--format", "coco", "--to", str(to))
    coco = COCO(str(to))
    capsys.readouterr()
    assert len(coco.imgs) == 3
    run = read_run(str(output))
    for image in coco.imgs.values():
        found = {(a["source"], a["object_id"]) for a in coco.imgToAnns[image["id"]]}
        expected = {
            (source, row[f"{source}_id"])
            for source in WRONG
            for row in run.table(source).to_pylist()
            if row["frame_id"] == image["frame_id"]
        }
        assert found == expected


def test_the_folder_of_a_file_is_made(
    capsys: pytest.CaptureFixture[str], output: Path, tmp_path: Path
) -> None:
    to = tmp_path / "not" / "there" / "worst.csv"
    done = emqa(capsys, "worst", output, "--by", "missed", "--limit", "3", "--to", to)
    assert done.code == 0, done.err
    printed = emqa(capsys, "worst", output, "--by", "missed", "--limit", "3").out
    assert to.read_bytes().decode() == printed


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_text_is_a_formula_to_a_spreadsheet(text: str) -> None:
    row = {"source": "label", "frame_id": text, "class_name": f"a{text}", "x_px": -1.5}
    (found,) = csv.DictReader(io.StringIO(csv_text([row], of_frames=False), newline=""))
    assert found["frame_id"] == f"'{text}"
    assert (found["class_name"], found["x_px"]) == (f"a{text}", "-1.5")


@pytest.mark.parametrize(
    ("class_ids", "category_ids"),
    [
        (("1", "03", "7"), (1, 2, 3)),
        (("1", "01"), (1, 2)),
        (("1", "٣"), (1, 2)),
        (("7", "0"), (7, 0)),
        (("1", "9" * 5000), (1, 2)),
    ],
)
def test_no_two_classes_have_one_category(class_ids: tuple[str, ...], category_ids: tuple[int, ...]) -> None:
    classes = {class_id: f"class {class_id}" for class_id in class_ids}
    frame = {"frame_id": "f", "frame_order": 0, "width_px": 9, "height_px": 9}
    run = run_of(class_performance=class_rows(classes), frame=[frame])
    box = dict.fromkeys(("x_px", "y_px", "width_px", "height_px"), 1.0)
    rows = [
        {"source": "label", "frame_id": "f", "class_id": class_id, "area_px2": 1.0, **box}
        | dict.fromkeys(("object_id", "outcome", "error_type"))
        for class_id in class_ids
    ]
    content = json.loads(coco_of_objects(run, rows))
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert [names[a["category_id"]] for a in content["annotations"]] == list(classes.values())
    assert tuple(a["category_id"] for a in content["annotations"]) == category_ids


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "object_aera_px2"), "did you mean 'object_area_px2'?"),
        (("--by", "frame", "--format", "xml"), "one of csv, coco"),
        (("--by", "frame", "--limit", "0"), "1 or more"),
        (("--by", "frame", "--class", "zebra"), "no class 'zebra'"),
        (("--by", "frame", "--to", "/dev/null/all.csv"), "/dev/null/all.csv cannot be used"),
        (("--by", "frame", "--to", "ftp://host/all.csv"), "ftp:// is not a store that is known"),
    ],
)
def test_bad_arguments_are_explained(
    capsys: pytest.CaptureFixture[str], output: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = emqa(capsys, "worst", str(output), *arguments)
    assert done.code != 0 and said in done.err and "Traceback" not in done.err
