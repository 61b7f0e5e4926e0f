"""The page of a run in a real browser: every control changes what it should, to what the tables say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from emqa_core.report.html.page import page_html
from emqa_core.storage.runs import Run
from tests.oracles.class_selection import measures_of
from tests.page.pages import OpenPage, number, open_page
from tests.page.small_run import CLASSES, EVIL, small_run

METRIC = "object_area_relative"
# Metrics that no other object of the frame has a part in, so that a run of fewer classes has the same values.
OF_ONE_OBJECT = (
    "object_area",
    "object_width",
    "object_height",
    "object_border",
    "object_center",
    "object_random",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page_html(run), "utf-8")
    return path


@pytest.fixture(scope="module")
def opened(browser: Any, file: Path) -> Iterator[OpenPage]:
    with open_page(browser, accept_downloads=True) as page:
        page.open(file)
        yield page


@pytest.fixture
def page(opened: OpenPage) -> Iterator[OpenPage]:
    """The page with nothing chosen; whatever a test does, nothing is complained of and nothing asked for."""
    opened.look_at("")
    yield opened
    assert opened.errors == []
    assert opened.requests == []


@pytest.fixture(scope="module")
def frames_of(run: Run) -> dict[str, pd.DataFrame]:
    names = (
        "prediction",
        "label",
        "class_performance",
        "metric_importance",
        "metric_bin",
        "metric_performance",
    )
    tables = {name: run.to_pandas(name) for name in names}
    for table in tables.values():
        for column in table.select_dtypes("category"):
            table[column] = table[column].astype(object)
    return tables


def expected_counts(tables: dict[str, pd.DataFrame], classes: set[str], score: float) -> tuple[int, int, int]:
    """Predictions, right ones and labels, from the rows themselves."""
    p, labels = tables["prediction"], tables["label"]
    p = p[(p.outcome != "ignored") & p.class_name.isin(classes) & (p.score >= score)]
    labels = labels[(labels.outcome != "ignored") & labels.class_name.isin(classes)]
    return len(p), int((p.outcome == "true_positive").sum()), len(labels)


@pytest.mark.parametrize("seed", range(10))
def test_ten_random_selections_say_what_the_rows_say(
    page: OpenPage, run: Run, frames_of: dict[str, pd.DataFrame], seed: int
) -> None:
    random = np.random.default_rng(seed)
    classes = set(random.choice(CLASSES, random.integers(1, 6), replace=False))
    levels = sorted(run.to_pandas("score_performance").score_threshold.unique())
    score = float(random.choice(levels))
    ids = {name: i for i, name in frames_of["class_performance"][["class_id", "class_name"]].dropna().values}
    page.look_at(
        f"#classes={','.join(_escaped(ids[name]) for name in classes)}&score={_js(score)}&metric={METRIC}"
    )
    n, right, n_labels = expected_counts(frames_of, classes, score)
    assert page.value("#counts-prediction b") == n
    assert page.value("#counts-label b") == n_labels
    assert page.value("#measure-precision .value") == pytest.approx(right / n, nan_ok=True)
    assert page.value("#measure-recall .value") == pytest.approx(right / n_labels)
    assert page.value("#measure-f1 .value") == pytest.approx(2 * right / (n + n_labels))
    assert page.value("#average-tpr b") == pytest.approx(right / n, nan_ok=True)
    assert page.value("#average-fnr b") == pytest.approx(1 - right / n_labels)
    c = frames_of["class_performance"]
    c = c[(c.scope == "class") & (c.area_range == "all") & c.class_name.isin(classes)]
    at_chosen, over = c[(c.iou_threshold - 0.5).abs() < 1e-6], c[c.iou_threshold.isna()]
    assert page.value("#measure-average_precision .value") == pytest.approx(
        at_chosen.average_precision.mean()
    )
    assert page.value("#measure-average_precision_mean .value") == pytest.approx(
        over.average_precision.mean()
    )
    assert page.value("#measure-average_recall .value") == pytest.approx(at_chosen.average_recall.mean())


@pytest.mark.parametrize("seed", range(10))
def test_bins_say_what_the_rows_say(page: OpenPage, frames_of: dict[str, pd.DataFrame], seed: int) -> None:
    random = np.random.default_rng(100 + seed)
    classes = set(random.choice(CLASSES, random.integers(1, 6), replace=False))
    ids = {name: i for i, name in frames_of["class_performance"][["class_id", "class_name"]].dropna().values}
    page.look_at(f"#classes={','.join(_escaped(ids[name]) for name in classes)}&metric={METRIC}&bins=10")
    bins = frames_of["metric_bin"]
    bins = bins[bins.metric == METRIC].sort_values("bin")
    for side, table, hit in (("prediction", "prediction", "true_positive"), ("label", "label", "missed")):
        rows = frames_of[table]
        rows = rows[(rows.outcome != "ignored") & rows.class_name.isin(classes)]
        fine = np.searchsorted(bins.upper.to_numpy(), rows[METRIC].to_numpy(), side="left")
        group = bins.bin_50.to_numpy()[np.minimum(fine, len(bins) - 1)] // 5
        expected = [
            (int((group == g).sum()), int(((group == g) & (rows.outcome == hit)).sum()))
            for g in np.unique(group)
        ]
        found = [row for row in page.rows("performance") if row["side"] == side and row["series"][0] != "a"]
        assert [(number(r["n"]), number(r["hit"])) for r in found] == expected


@pytest.mark.parametrize("t", [0, 4, 9])
def test_importance_of_one_class_and_of_all_is_the_tables(
    page: OpenPage, frames_of: dict[str, pd.DataFrame], t: int
) -> None:
    table = frames_of["metric_importance"]
    table = table[(table.score_threshold == 0) & ((table.iou_threshold - (0.5 + 0.05 * t)).abs() < 1e-6)]
    for scope, class_name, fragment in (("all", None, ""), ("class", "car", "&classes=car")):
        for target in ("prediction", "label", "frame"):
            page.look_at(f"#iou={0.5 + 0.05 * t:.3f}&target={target}{fragment}")
            wanted = table[(table.scope == scope) & (table.target == target)]
            if class_name:
                wanted = wanted[wanted.class_name == class_name]
            wanted = wanted.set_index("metric")
            rows = {row["metric"]: row for row in page.rows("importance")}
            assert set(rows) == set(wanted.index)
            for metric, row in rows.items():
                for name in ("importance", "importance_low", "importance_high", "correlation"):
                    assert number(row[name]) == pytest.approx(wanted[name][metric], abs=2e-5, nan_ok=True), (
                        metric
                    )


def test_importance_at_the_best_score_threshold_is_the_tables(
    page: OpenPage, frames_of: dict[str, pd.DataFrame]
) -> None:
    table = frames_of["metric_importance"]
    best = table.score_threshold.max()
    page.page.locator("#score-best").click()
    page.settle()
    rows = {row["metric"]: row for row in page.rows("importance")}
    wanted = table[(table.score_threshold == best) & (table.scope == "all") & (table.target == "label")]
    for metric, value in wanted.set_index("metric").importance.items():
        assert number(rows[metric]["importance"]) == pytest.approx(value, abs=2e-5, nan_ok=True), metric


def test_importance_of_several_classes_is_that_of_a_run_of_them(
    page: OpenPage, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """To the last digit where bins merge alike and f is 1; else as near as f of all classes allows."""
    assert run.location is not None
    alone = small_run(Path(run.location.path), classes=["car", "person"], edges_from=run.run_id)
    table = alone.to_pandas("metric_importance")
    table = table[(table.scope == "all") & (table.iou_threshold == 0.5) & (table.score_threshold == 0)]
    same = 0
    for target in ("prediction", "label"):
        page.look_at(f"#classes=car,person&target={target}")
        rows = {row["metric"]: row for row in page.rows("importance")}
        for row in table[table.target == target].itertuples():
            if not row.metric.startswith(OF_ONE_OBJECT) or np.isnan(row.importance):
                continue
            found = {name: number(rows[row.metric][name]) for name in ("importance", "correlation_spearman")}
            assert found["importance"] == pytest.approx(row.importance, abs=0.012), row.metric
            assert number(rows[row.metric]["correlation"]) == pytest.approx(row.correlation, abs=0.05)
            assert found["correlation_spearman"] == pytest.approx(row.correlation_spearman, abs=2e-4)
            same += found["importance"] == pytest.approx(row.importance, abs=2e-5)
            assert rows[row.metric]["importance_low"] == ""
    assert same >= 3


def test_classes_are_chosen_by_boxes_by_all_by_none_and_by_search(page: OpenPage) -> None:
    view = page.page
    view.locator("#classes-summary").click()
    everything = page.value("#counts-label b")
    view.locator("#classes-none").click()
    page.settle()
    assert page.value("#counts-label b") == 0
    view.get_by_label("search classes").fill("PERS")
    assert view.locator(".list label:visible").count() == 1
    view.locator("#classes-all").click()
    page.settle()
    assert 0 < page.value("#counts-label b") < everything
    assert "classes=person" in view.evaluate("window.location.hash")
    assert view.locator("#measure-average_precision .name").inner_text() == "AP at T"
    view.get_by_label("search classes").fill("")
    view.locator("[data-class='car']").check()
    page.settle()
    assert view.locator("#classes-summary").inner_text() == "2 of 5"
    view.locator("#classes-all").click()
    page.settle()
    assert page.value("#counts-label b") == everything
    view.keyboard.press("Escape")
    assert not view.locator(".choose").is_visible()


def test_sliders_by_keyboard_change_everything_that_they_should(page: OpenPage) -> None:
    view = page.page
    ap, right = page.value("#measure-average_precision .value"), page.value("#counts-label .parts b")
    first = page.rows("importance")[0]
    view.locator("#iou").focus()
    for _ in range(4):
        view.keyboard.press("ArrowRight")
    page.settle()
    assert view.locator("#iou-value").inner_text() == "0.70"
    assert page.value("#measure-average_precision .value") < ap
    assert page.value("#counts-label .parts b") < right
    assert page.rows("importance")[0] != first
    page.look_at("")
    before, mean = page.value("#measure-precision .value"), page.value("#measure-average_precision .value")
    view.locator("#score").focus()
    for _ in range(8):
        view.keyboard.press("ArrowRight")
    page.settle()
    assert page.value("#measure-precision .value") > before
    assert page.value("#measure-average_precision .value") == mean
    assert page.value("#average-tpr b") == page.value("#measure-precision .value")
    assert "score=" in view.evaluate("window.location.hash")


def test_by_metric_scores_are_the_runs_at_another_iou_threshold(page: OpenPage) -> None:
    page.look_at(f"#iou=0.700&metric={METRIC}")
    plain = (page.rows("importance"), page.rows("performance"), page.value("#measure-recall .value"))
    page.look_at(f"#iou=0.700&metric={METRIC}&score=0.5")
    assert (page.rows("importance"), page.rows("performance")) == plain[:2]
    assert page.value("#measure-recall .value") < plain[2]
    assert page.page.get_by_text("By metric, other score thresholds are known").count() == 2


def test_levels_targets_metric_bins_axis_and_by_class(page: OpenPage) -> None:
    view = page.page
    view.locator("#level-ofFrames").uncheck()
    page.settle()
    assert {row["level"] for row in page.rows("importance")} == {"label"}
    view.locator("[data-target='prediction']").click()
    page.settle()
    assert {row["level"] for row in page.rows("importance")} == {"prediction"}
    view.locator("#level-ofFrames").check()
    view.locator("#level-ofObjects").uncheck()
    page.settle()
    assert {row["level"] for row in page.rows("importance")} == {"frame"}
    view.locator("#metric").select_option(METRIC)
    page.settle()
    n = {}
    for bins in ("5", "50", "200"):
        view.locator("#bins").select_option(bins)
        page.settle()
        n[bins] = len([row for row in page.rows("performance") if row["series"] == "selected classes"])
    assert n["5"] == 10 and 90 <= n["50"] <= 100 and n["200"] > 300
    view.locator("#bins").select_option("10")
    view.locator("#axis").select_option("log")
    page.settle()
    logarithmic = view.locator("#chart-fnr svg").inner_html()
    view.locator("#axis").select_option("linear")
    page.settle()
    assert view.locator("#chart-fnr svg").inner_html() != logarithmic
    view.locator("#by-class").check()
    page.settle()
    assert {row["series"].lstrip("'") for row in page.rows("performance")} == set(CLASSES)


def test_a_click_on_a_bar_opens_the_metric(page: OpenPage) -> None:
    view = page.page
    second = page.rows("importance")[1]["metric"]
    view.locator("#ranking path[aria-roledescription='bar']").nth(1).click()
    page.settle()
    assert view.locator("#metric").input_value() == second
    view.locator("#ranking summary").click()
    third = page.rows("importance")[2]["metric"]
    view.locator("#importance-table tbody button").nth(2).click()
    page.settle()
    assert view.locator("#metric").input_value() == third
    assert f"metric={third}" in view.evaluate("window.location.hash")


def test_an_address_leads_back_to_the_view_that_a_control_chose(page: OpenPage) -> None:
    page.page.locator("#metric").select_option("frame_weather")
    page.settle()
    address = page.page.evaluate("window.location.hash")
    page.look_at("")
    assert page.page.locator("#metric").input_value() != "frame_weather"
    page.look_at(address)
    assert page.page.locator("#metric").input_value() == "frame_weather"


def test_a_categorical_metric_has_a_bin_per_category(page: OpenPage) -> None:
    page.look_at("#metric=frame_weather")
    rows = [row for row in page.rows("performance") if row["side"] == "label" and row["series"][0] != "a"]
    assert {row["category"] for row in rows} == {"clear", "fog", "rain"}
    assert page.page.locator("#axis").is_disabled()


@pytest.mark.parametrize("classes", [None, ["car", "person"]])
def test_errors_by_bin_are_those_of_the_rows(
    page: OpenPage, frames_of: dict[str, pd.DataFrame], classes: list[str] | None
) -> None:
    page.look_at(f"#metric={METRIC}" + (f"&classes={','.join(classes)}" if classes else ""))
    found = page.rows("error_types_by_bin")
    bins = frames_of["metric_bin"]
    bins = bins[bins.metric == METRIC].sort_values("bin")
    for side, hit in (("prediction", "false_positive"), ("label", "missed")):
        rows = frames_of[side]
        rows = rows[(rows.outcome == hit) & rows.class_name.isin(classes or CLASSES)]
        fine = np.searchsorted(bins.upper.to_numpy(), rows[METRIC].to_numpy(), side="left")
        group = bins.bin_50.to_numpy()[np.minimum(fine, len(bins) - 1)] // 5
        expected = pd.Series(1, index=[group, rows.error_type.to_numpy()]).groupby(level=[0, 1]).sum()
        mine = [row for row in found if row["side"] == side]
        assert sorted((row["type"], number(row["n"])) for row in mine) == sorted(
            (kind, float(n)) for (_, kind), n in expected.items()
        )
        by_range: dict[str, float] = {}
        for row in mine:
            by_range[row["lower"]] = by_range.get(row["lower"], 0.0) + number(row["share"])
        assert all(total == pytest.approx(1.0) for total in by_range.values())


def test_a_shared_view_opens_as_it_was(page: OpenPage, browser: Any, file: Path) -> None:
    fragment = "#classes=car,person&iou=0.600&target=prediction&metric=object_width_px&bins=10&axis=linear"
    page.look_at(fragment)
    shown = (page.value("#measure-average_precision .value"), page.rows("performance"))
    with open_page(browser, accept_downloads=True) as other:
        other.open(file, fragment)
        assert (other.value("#measure-average_precision .value"), other.rows("performance")) == shown
        assert other.page.locator("#metric").input_value() == "object_width_px"


@pytest.mark.parametrize(
    "fragment", ["#iou=9&metric=nothing&bins=7", "#classes=&score=x", "#%E0%A4%A&by=class"]
)
def test_a_broken_address_is_no_harm(page: OpenPage, fragment: str) -> None:
    page.look_at(fragment)
    assert page.page.locator("#failed").is_hidden()
    assert page.page.locator("#iou-value").inner_text() == "0.50"


def test_names_are_text_wherever_they_stand(page: OpenPage) -> None:
    view = page.page
    page.look_at("#by=class")
    view.locator("#classes-summary").click()
    assert view.locator(".list").get_by_text(EVIL).count() == 1
    assert view.locator("#class-table").get_by_text(EVIL).count() == 1
    rows = page.rows("classes")
    assert {row["class"] for row in rows} == {*CLASSES[:3], "'=1+1", CLASSES[4]}
    assert view.evaluate("document.querySelectorAll('script').length") == 6
    view.locator("#classes-summary").click()


def test_the_class_table_sorts_and_opens_a_class(page: OpenPage, frames_of: dict[str, pd.DataFrame]) -> None:
    view = page.page
    c = frames_of["class_performance"]
    c = c[(c.scope == "class") & (c.area_range == "all") & ((c.iou_threshold - 0.5).abs() < 1e-6)]
    view.locator("[data-sort='n_labels']").click()
    found = [number(row["n_labels"]) for row in page.rows("classes")]
    assert found == sorted(c.n_labels.tolist(), reverse=True)
    view.locator("[data-sort='n_labels']").click()
    assert [number(row["n_labels"]) for row in page.rows("classes")] == found[::-1]
    view.locator("#class-table tbody button").first.click()
    page.settle()
    assert len(page.rows("classes")) == 1


def test_charts_are_saved_with_their_colours(page: OpenPage) -> None:
    for name in (
        *("importance", "tpr", "fnr", "tpr_errors", "fnr_errors"),
        *("precision_recall", "calibration", "confusion", "errors"),
    ):
        svg = page.saved(f"{name}.svg")
        assert svg.startswith("<svg") and "var(" not in svg and re.search("#[0-9a-f]{6}", svg)


@pytest.mark.parametrize("classes", [("car", "person"), ("car", "bus & train", "=1+1")])
def test_intervals_of_several_classes_are_the_readers_rule(
    page: OpenPage, run: Run, classes: tuple[str, ...]
) -> None:
    page.look_at(f"#classes={','.join(_escaped(name) for name in classes)}")
    expected = measures_of(run, set(classes), 0.5)
    names = {
        "average_precision": "mAP",
        "average_recall": "mAR",
        "precision": "precision",
        "recall": "recall",
    }
    names["f1"] = "F1"
    rows = {row["measure"]: row for row in page.rows("measures")}
    for name, known in names.items():
        value, (low, high) = expected[known]
        found = [number(rows[name][column]) for column in ("value", "low", "high")]
        assert found == pytest.approx([value, low, high], abs=1e-9), name


@pytest.mark.parametrize(("metric", "bins"), [("frame_label_count", 200), (METRIC, 100), (METRIC, 5)])
@pytest.mark.parametrize("by_class", [False, True])
def test_a_click_on_a_bin_asks_for_the_objects_behind_it(
    page: OpenPage, frames_of: dict[str, pd.DataFrame], metric: str, bins: int, by_class: bool
) -> None:
    page.look_at(f"#metric={metric}&bins={bins}&axis=linear" + ("&by=class&classes=car" if by_class else ""))
    points = page.page.locator("#chart-fnr .mark-symbol path")  # of the selected classes first
    places = frames_of["metric_bin"]
    places = places[places.metric == metric].sort_values("bin")
    rows = [row for row in page.rows("performance") if row["side"] == "label" and row["series"][0] != "a"]
    for chosen in (0, len(rows) // 2, len(rows) - 1):
        points.nth(chosen).dispatch_event("click")
        page.settle()
        lower, upper = number(rows[chosen]["lower"]), number(rows[chosen]["upper"])
        fine = places[(places.lower >= lower * (1 - 1e-8)) & (places.upper <= upper * (1 + 1e-8))]
        asked = re.search(r"range=(\d+)", page.page.evaluate("window.location.hash"))
        assert asked is not None and int(asked[1]) in set(fine.bin_50 // 10)


def test_what_is_not_known_is_not_drawn(page: OpenPage) -> None:
    """Other scores than the run's are known at its IoU threshold alone: no strokes for them at another."""
    strokes = "#ranking .layer_2_marks path, #ranking [class*='layer_2'] path"
    page.look_at("#score=0.5")
    assert page.page.get_by_text("upright strokes").count() == 1
    page.look_at("#iou=0.700")
    assert page.page.get_by_text("upright strokes").count() == 0
    assert page.page.locator(strokes).count() == 0


def test_importance_between_the_known_scores_lies_near_them(page: OpenPage, run: Run) -> None:
    """Where nearly the same predictions count, nearly the same comes out: clustering is not forgotten."""
    levels = sorted(run.to_pandas("score_performance").score_threshold.unique())
    best = run.to_pandas("metric_importance").score_threshold.max()
    near = min((level for level in levels if level not in (0, best)), key=lambda level: abs(level - best))
    found = {}
    for level in (best, near):
        page.look_at(f"#score={_js(float(level))}")
        found[level] = {row["metric"]: number(row["importance"]) for row in page.rows("importance")}
    for metric, value in found[best].items():
        if metric.startswith(("frame_", "object_random")) and not np.isnan(value):
            assert found[near][metric] == pytest.approx(value, abs=0.02), metric


def test_everything_is_named_for_those_who_hear_it(page: OpenPage) -> None:
    view = page.page
    unnamed = view.evaluate(
        """() => [...document.querySelectorAll('input, select, button, [role=img]')]
        .filter(e => e.offsetParent)
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
        .map(e => e.outerHTML)"""
    )
    assert unnamed == []
    assert view.evaluate("document.documentElement.lang") == "en"
    assert view.locator("h1").count() == 1


def test_the_first_key_leads_past_the_controls(browser: Any, file: Path) -> None:
    with open_page(browser) as page:
        page.open(file)
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.textContent") == "Skip to the figures"
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.id") == "classes-summary"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Any, file: Path, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for text."""
    with open_page(browser, color_scheme=scheme) as page:
        page.open(file)
        colours = page.page.evaluate(
            """() => { const s = getComputedStyle(document.documentElement);
            return Object.fromEntries(['--ink', '--muted', '--accent', '--panel', '--ground', '--missed']
            .map(n => [n, s.getPropertyValue(n).trim()])); }"""
        )
    for ground in ("--panel", "--ground"):
        for ink in ("--ink", "--muted", "--accent", "--missed"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (scheme, ink, ground)


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(browser: Any, file: Path, width: int) -> None:
    with open_page(browser, width) as page:
        page.open(file, "#by=class")
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.errors == [] and page.requests == []


def _escaped(class_id: str) -> str:
    return quote(class_id, safe="")


def _js(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
