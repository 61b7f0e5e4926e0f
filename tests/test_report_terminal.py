"""The terminal report, against a run held in memory whose figures are known."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from emqa_core.errors import ConfigError
from emqa_core.report.importance import most_important_metric, rank_metrics
from emqa_core.report.performance import performance_by_metric
from emqa_core.report.run_list import print_models, print_runs
from emqa_core.report.terminal import print_run, print_whereabouts
from emqa_core.report.view import choose_view
from tests.report_tables import (
    CLASSES,
    COMMON,
    RUN_ID,
    bin_rows,
    class_rows,
    effect_row,
    importance_rows,
    performance_rows,
    run_of,
    run_row,
    summary_rows,
)

MANY = {str(i): f"class_with_a_longish_name_{i:02d}" for i in range(20)}


def printed(run, width=80, *, encoding="utf-8", colour=False, **how) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, force_terminal=colour, legacy_windows=False)
    print_run(run, console, **how)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def line_with(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("show_all", [False, True])
def test_no_line_is_wider_than_the_page(width, show_all):
    long = effect_row("frame_" + "very_" * 20 + "long", "frame", "prediction", 0.2, 0.1)
    run = run_of(
        class_performance=class_rows(MANY),
        metric_importance=[*importance_rows(), long],
        run=[run_row(n_quarantined=3, n_unlisted=7, score_threshold=0.25)],
    )
    text = printed(run, width, show_all=show_all)
    assert max(len(line) for line in text.splitlines()) <= width
    assert all(line == line.rstrip() for line in text.splitlines())


def test_without_a_terminal_there_is_no_colour_and_with_one_there_is():
    assert "\x1b" not in printed(run_of())
    assert "\x1b[" in printed(run_of(), colour=True)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed(run_of(), colour=True))
    assert plain == printed(run_of())


def test_a_terminal_without_unicode_gets_ascii_bars():
    text = printed(run_of(metric_bin=[], metric_performance=[], metric_importance=[]), encoding="ascii")
    assert "####" in text


def test_the_headline_has_figures_intervals_and_reasons():
    changed = [
        {**row, "average_precision_low": 0.41, "average_precision_high": 0.46}
        if row["scope"] == "all" and row["iou_threshold"] == 0.5
        else {**row, "average_precision_reason": "intervals_off"}
        for row in class_rows(CLASSES)
    ]
    text = printed(run_of(class_performance=changed, run=[run_row(n_quarantined=1)]), 100)
    assert text.startswith("detector on streets  " + RUN_ID)
    assert "446 frames · 3,767 labels · 21,409 predictions · 3 classes · matching coco" in text
    assert re.search(r"mAP at T = 0\.50 +0\.437  █+\S* +0\.410 to 0\.460$", text, re.MULTILINE)
    assert line_with(text, "mAP, mean over T").endswith("no interval: intervals_off")
    assert "2,197 true positives · 19,212 false positives · 1,570 missed labels" in text
    assert "best F1 0.531 at score 0.312" in text
    assert "COCO: AP 0.271  AP50 0.437  APs -" in text  # COCO's own -1 is no number to show
    assert "1 row in quarantine" in text


def test_a_measure_without_support_is_a_dash_with_its_reason():
    rows = [{**row, "precision": None, "n_predictions": 0} for row in class_rows(CLASSES)]
    assert re.search(r"precision +- +no predictions count", printed(run_of(class_performance=rows)))
    rows = [{**row, "recall": None, "n_labels": 0} for row in class_rows(CLASSES)]
    assert re.search(r"recall +- +no labels count", printed(run_of(class_performance=rows)))


def test_metrics_are_ranked_per_target_and_confidence_apart():
    text = printed(run_of())
    predictions = text[text.index("Predictions  what") : text.index("Labels  what")]
    order = ["object_area_px2 (P)", "object_occlusion (P)", "frame_label_count (F)", "frame_weather (F)"]
    places = [predictions.index(name) for name in order]
    assert places == sorted(places)
    assert "confidence (P): importance 0.391, correlation +0.601; ranked apart" in predictions
    assert not re.search(r"^  confidence \(P\) +█", predictions, re.MULTILINE)
    assert "not told from chance (1): object_center_x (P) 0.002" in predictions
    assert "- constant_metric: frame_width_px (F)" in predictions
    assert "noise floor, from random numbers: (P) 0.004" in predictions
    assert re.search(r"object_area_px2 \(P\) +█+\S* +0\.142\* +│█+\S* +\+0\.313", predictions)
    assert re.search(r"object_occlusion \(P\) +█+\S* +0\.061\* +▐?█+│ +-0\.153", predictions)
    assert line_with(predictions, "frame_weather (F)").endswith(" -")
    labels = text[text.index("Labels  what") : text.index("Frames  what")]
    assert "object_area_px2 (L)" in labels
    assert "frame_label_count (F)" in text[text.index("Frames  what") :]


def test_intervals_stand_beside_the_bars_on_a_wide_page():
    line = line_with(printed(run_of(), 120), "object_area_px2 (L)")
    assert "0.231* 0.211 to 0.251" in line
    assert line.endswith("+0.413 +0.383 to +0.443")


def test_the_noise_floor_is_marked_where_it_is_wider_than_a_cell():
    high = [effect_row("object_area_px2", "prediction", "prediction", 0.14, 0.3, noise_floor=0.05)]
    assert "┃" in line_with(printed(run_of(metric_importance=high)), "object_area_px2 (P)")
    assert "┃" not in line_with(printed(run_of()), "object_area_px2 (P)")


def test_all_shows_what_is_no_better_than_chance_in_the_chart():
    text = printed(run_of(), show_all=True)
    assert re.search(r"^  object_center_x \(P\) +▏? +0\.002 ", text, re.MULTILINE)
    assert re.search(r"^  object_random \(P\) ", text, re.MULTILINE)
    assert "not told from chance" not in text


def test_where_nothing_beats_chance_the_report_says_so():
    rows = [effect_row("object_area_px2", "prediction", "prediction", 0.001, 0.01, significant=False)]
    text = printed(run_of(metric_importance=rows))
    assert "No metric does better than chance." in text
    assert "Performance by object_area_px2" in text


def test_a_run_without_metrics_is_printed():
    text = printed(run_of(metric_importance=[], metric_bin=[], metric_performance=[]))
    assert "No quality metric was evaluated." in text
    assert "Performance by" not in text


def test_a_metric_without_a_test_of_significance_is_ranked_unmarked():
    rows = [effect_row("object_area_px2", "prediction", "prediction", 0.2, 0.1, None, "dominated_by_unit")]
    line = line_with(printed(run_of(metric_importance=rows)), "object_area_px2 (P)")
    assert "0.200 " in line
    assert "*" not in line


def test_performance_of_the_most_important_metric():
    run = run_of()
    assert most_important_metric(rank_metrics(run, choose_view(run))) == "object_area_px2"
    text = printed(run)
    chart = text[text.index("Performance by object_area_px2") : text.index("Classes")]
    # 50 bins, bin k with 20 predictions, k // 5 right, 10 labels, 10 - k // 5 missed:
    # Σ k // 5 = 5 (0 + ... + 9) = 225 of 1,000 predictions; 500 - 225 = 275 of 500 labels.
    assert "average 0.225" in chart
    assert "average 0.550" in chart
    assert "range in px²" in chart
    lines = [line for line in chart.splitlines() if " – " in line]
    assert len(lines) == 10
    for k, line in enumerate(lines):
        assert line.split()[:3] == [f"{1000 * k:,}", "–", f"{1000 * (k + 1):,}"]
        numbers = re.findall(r"\d[\d,.]*", line)[2:]
        assert numbers == ["100", f"{k / 20:.3f}", "50", f"{(10 - k) / 10:.3f}"]
        assert line.count("┃") == 2


def test_grouped_ranges_are_those_of_the_fine_bins():
    """Grouping 50 stored bins gives the ranges that the rule for B bins gives on the fine ones."""
    run = run_of()
    shown = performance_by_metric(run, choose_view(run), "object_area_px2")
    upper: dict[int, float] = {}
    for row in bin_rows():
        if row["metric"] == "object_area_px2":
            upper[int(10 * (row["cumulative_share"] - row["share"] / 2))] = row["upper"]
    assert [r.name.split(" – ")[1] for r in shown.ranges] == [f"{v:,.0f}" for v in upper.values()]


def test_bins_of_one_value_are_named_by_it_and_empty_ones_have_no_rate():
    rows = [
        {
            "metric": "frame_label_count",
            "bin": k,
            "lower": float(max(k - 1, 0)),
            "upper": float(k),
            "mean": float(k),
            "share": 0.25,
            "cumulative_share": 0.25 * (k + 1),
            "bin_50": int(50 * (0.25 * k + 0.125)),
        }
        for k in range(4)
    ]
    run = run_of(metric_bin=rows, metric_performance=[])
    shown = performance_by_metric(run, choose_view(run), "frame_label_count")
    assert [r.name for r in shown.ranges] == ["0", "1", "2", "3"]
    assert {r.tpr.value for r in shown.ranges} == {None}
    assert shown.total.tpr.value is None


def test_a_categorical_metric_of_predictions_alone_has_no_fnr():
    text = printed(run_of(), metric="frame_weather")
    chart = text[text.index("Performance by frame_weather") : text.index("Classes")]
    assert "FNR" not in chart  # absent, not 0
    rows = [line.split() for line in chart.splitlines() if line.strip()[:4] in ("rain", "clea", "fog ")]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("rain", "70", "0.500"),
        ("clear", "50", "0.500"),
        ("fog", "10", "0.500"),
    ]


def test_classes_from_best_to_worst_with_those_between_counted():
    text = printed(run_of(class_performance=class_rows(MANY)), 100)
    classes = text[text.index("Classes") :]
    shown = re.findall(
        r"^  class_with_a_longish_name_(\d\d)|^  (\.\.\.) (\d+) classes", classes, re.MULTILINE
    )
    assert [a or b + c for a, b, c in shown] == [
        "19", "18", "17", "16", "15", "...10", "04", "03", "02", "01", "00",
    ]  # fmt: skip
    assert (
        len(
            re.findall(
                r"^  class_with",
                printed(run_of(class_performance=class_rows(MANY)), 100, show_all=True),
                re.MULTILINE,
            )
        )
        == 20
    )


def test_classes_without_labels_are_counted_not_listed():
    classes = printed(run_of())[printed(run_of()).index("Classes") :]
    assert "train" not in classes
    assert "1 class without labels, in no mean" in classes


def test_one_class_at_another_threshold():
    rows = [
        {**row, "scope": "class", "class_id": "3", "class_name": "car", "iou_threshold": 0.75}
        for row in (*importance_rows(), *performance_rows())
    ]
    run = run_of(
        metric_importance=[r for r in rows if "importance" in r],
        metric_performance=[r for r in rows if "resolution" in r],
    )
    text = printed(run, class_="car", iou_threshold=0.75)
    assert "class car" in text
    assert re.search(r"AP at T = 0\.75 +0\.500", text)
    assert re.search(r"AP, mean over T +0\.500", text)
    assert "COCO:" not in text
    assert "average 0.225" in text
    assert text.count("Classes") == 0
    assert printed(run, class_="3", iou_threshold=0.75) == text


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"class_": "cat"}, "no class 'cat'.*did you mean 'car'"),
        ({"iou_threshold": 0.6}, "not evaluated at IoU threshold 0.6.*0.5, 0.75"),
        ({"metric": "object_area"}, "no quality metric 'object_area'.*did you mean 'object_area_px2'"),
    ],
)
def test_what_the_run_does_not_have_is_named(how, message):
    with pytest.raises(ConfigError, match=message):
        printed(run_of(), **how)


def test_nan_reads_like_null():
    nan = float("nan")
    rows: list[dict[str, Any]] = [{**row, "average_precision": nan} for row in class_rows(CLASSES)]
    text = printed(run_of(class_performance=rows, summary=[{**summary_rows()[0], "value": nan}]))
    assert "nan" not in text.lower().replace("finance", "")
    assert "COCO: AP -" in text


def test_lists_of_runs_and_models():
    rows = [{**COMMON, **run_row(wall_s=12.34)}, {**COMMON, **run_row(wall_s=75.0), "run_id": "older"}]
    for width in (60, 80, 120):
        stream = io.StringIO()
        print_runs(Console(file=stream, width=width), rows, "s3://bucket/eval")
        lines = stream.getvalue().splitlines()
        assert lines[0] == "2 runs in s3://bucket/eval"
        assert lines[3].split()[0] == RUN_ID
        assert lines[-1] == f"  emqa show s3://bucket/eval --run {RUN_ID}"
    assert lines[3].endswith("12.3 s")
    assert lines[4].endswith("1 min 15 s")
    stream = io.StringIO()
    long = run_of(run=[{**run_row(), "model": "a_model_with_quite_a_long_name_of_its_own"}])
    print_models(Console(file=stream, width=80), [run_of(), long])
    assert "a_mode" in stream.getvalue()
    assert stream.getvalue().startswith("2 models\n")
    assert max(map(len, stream.getvalue().splitlines())) <= 80


def test_commands_to_copy_are_not_cut():
    stream = io.StringIO()
    print_whereabouts(Console(file=stream, width=40), [run_of()], "/data/my eval")
    text = stream.getvalue()
    assert f"emqa show '/data/my eval' --run {RUN_ID} --metric METRIC --class CLASS\n" in text
    assert f"FROM delta_scan('/data/my eval/metric_importance') WHERE run_id = '{RUN_ID}';\n" in text


def test_a_name_cannot_steer_the_terminal() -> None:
    """Neither colours nor the window's title come from a class of the data."""
    evil = "\x1b[31mred\x1b]0;owned\x07\x9b2J"
    text = printed(run_of(class_performance=class_rows({"1": evil, "2": "car"})))
    assert not [c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
    assert "�[31mred" in text
