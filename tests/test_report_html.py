"""The page of a run without a browser: what is in the file, where it lies, how large it grows."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emqa_core import evaluate, read_run
from emqa_core.errors import ConfigError
from emqa_core.pipeline.progress import SilentProgress
from emqa_core.report.html import pictures
from emqa_core.report.html.document import PageLimits, PageSource, page_text
from emqa_core.report.html.packed import Packing
from emqa_core.report.html.page import page_html
from emqa_core.report.html.stored_page import run_before
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run
from tests.command import emqa
from tests.oracles.synthetic import make_data_set

EVIL = '</script><img src=x onerror="alert(1)">'
TYPES = {"i1": np.int8, "i2": "<i2", "i4": "<i4", "u2": "<u2", "f8": "<f8"}


def unpacked(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The document and its arrays, read as `packed.js` reads them."""
    data = gzip.decompress(base64.b64decode(text))
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size])
    body, arrays = data[4 + size :], {}
    for name, entry in head["arrays"].items():
        width, shape = int(entry["type"][1]), entry["shape"]
        n = int(np.prod(shape))
        planes = np.frombuffer(body, np.uint8, n * width, entry["at"]).reshape(width, n)
        values = np.frombuffer(planes.T.tobytes(), TYPES[entry["type"]]).reshape(shape)
        if entry["type"] == "u2":
            step = (entry["high"] - entry["low"]) / 65534
            values = np.where(values == 65535, np.nan, entry["low"] + values * step)
        if "steps" in entry:
            values = np.cumsum(values.astype(float), axis=entry["steps"])
        arrays[name] = values
    return head, arrays


def run_of(output: Path | None = None, **options: Any) -> Run:
    data = make_data_set(40, crowds=True)
    place = {} if output is None else {"output": str(output)}
    run = evaluate(
        labels=data.labels,
        predictions=data.predictions,
        frames=data.frames,
        **{"run_date": "2026-03-02", "dataset": "set", "iou_thresholds": [0.5, 0.75], **place, **options},
    )
    assert isinstance(run, Run)
    return run


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of()


def test_arrays_come_back_as_they_were() -> None:
    random = np.random.default_rng(1)
    counts = random.integers(-5, 70_000, (3, 4, 5))
    small, none = random.integers(0, 100, 7), np.zeros((0, 3), np.int64)
    numbers = np.array([1.5, np.nan, -1e300])
    fractions = np.array([[0.0, 1.0], [np.nan, 0.123456]])
    packing = Packing()
    packing.add_counts("counts", counts, steps=0)
    packing.add_counts("small", small)
    packing.add_counts("none", none)
    packing.add_numbers("numbers", numbers)
    packing.add_fractions("fractions", fractions)
    packing.add_fractions("signed", fractions - 0.5, -1.0)
    head, arrays = unpacked(packing.text({"name": EVIL}))
    assert head["name"] == EVIL
    assert head["arrays"]["small"]["type"] == "i1"
    assert_array_equal(arrays["counts"], counts)
    assert_array_equal(arrays["small"], small)
    assert arrays["none"].shape == (0, 3)
    assert_array_equal(arrays["numbers"], numbers)
    assert_allclose(arrays["fractions"], fractions, atol=1 / 65534)
    assert_allclose(arrays["signed"], fractions - 0.5, atol=2 / 65534)


def test_counts_on_the_page_are_the_tables(run: Run) -> None:
    head, arrays = unpacked(page_text(PageSource.read(run, None), PageLimits()))
    table = run.to_pandas("metric_performance")
    for number, metric in enumerate(head["metrics"]):
        rows = table[(table.metric == metric["name"]) & (table.resolution == 50)]
        for side, n, hit in (
            ("prediction", "n_predictions", "n_true_positive"),
            ("label", "n_labels", "n_missed"),
        ):
            for scope, key in (("all", "all_"), ("class", "")):
                total = rows[rows.scope == scope]
                for name, column in ((f"{key}n", n), (f"{key}hit", hit)):
                    packed = arrays.get(f"{number}/{side}/{name}", np.zeros(1)).sum()
                    assert packed == total[column].fillna(0).sum(), (metric["name"], side, name)


def test_a_large_page_gives_classes_fewer_bins(run: Run) -> None:
    source = PageSource.read(run, None)
    whole, _ = unpacked(page_text(source, PageLimits()))
    small, arrays = unpacked(page_text(source, PageLimits(data_bytes=1)))
    assert (whole["classBins"], small["classBins"]) == (50, 10)
    number = next(i for i, m in enumerate(small["metrics"]) if m["name"] == "object_area_px2")
    assert arrays[f"{number}/label/n"].shape[-1] == 10
    assert arrays[f"{number}/label/all_n"].shape[-1] == 50


def test_the_page_asks_for_nothing_and_runs_its_own_scripts_only(run: Run) -> None:
    text = page_html(run)
    assert re.findall(r"""(?:src|href)=["'](?!#)[^"']*""", text.replace("src=x onerror", "")) == []
    policy = re.search('content="(default-src [^"]*)"', text)
    assert policy is not None and policy[1].startswith("default-src 'none'")
    scripts = re.findall(r"<script(?: type=\"(?:importmap|module)\")?>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 3
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]


def test_names_of_model_and_data_set_are_text() -> None:
    data = make_data_set(20, crowds=False)
    run = evaluate(labels=data.labels, predictions={EVIL: data.predictions}, frames=data.frames, dataset=EVIL)
    assert isinstance(run, dict)
    text = page_html(run[EVIL])
    assert EVIL not in text
    assert "&lt;/script&gt;&lt;img src=x" in text


def test_the_run_before_is_that_of_the_same_model_and_an_earlier_night(tmp_path: Path) -> None:
    for night in ("2026-03-01", "2026-02-27", "2026-03-04"):
        run_of(tmp_path, run_date=night, report=False, metrics=["none"])
    run_of(tmp_path, run_date="2026-03-03", dataset="other", report=False, metrics=["none"])
    output = Location.of(str(tmp_path))
    newest = read_run(str(tmp_path), "2026-03-04")
    before = run_before(output, newest)
    assert before is not None and before.run_id.startswith("2026-03-01")
    assert run_before(output, read_run(str(tmp_path), "2026-02-27")) is None
    head, _ = unpacked(page_text(PageSource.read(newest, before), PageLimits()))
    assert head["previous"]["run_id"] == before.run_id


def test_a_run_leaves_its_page_unless_it_is_told_not_to(tmp_path: Path) -> None:
    run = run_of(tmp_path / "with", metrics=["none"])
    page = tmp_path / "with" / "report" / f"{run.run_id}.html"
    written = page.read_bytes()
    page.unlink()
    assert run_of(tmp_path / "with", metrics=["none"]).run_id == run.run_id
    assert page.read_bytes() == written  # a run that is complete gets the page that it lacks
    run_of(tmp_path / "without", report=False)
    assert not (tmp_path / "without" / "report").exists()


def test_a_run_is_whole_without_its_page(tmp_path: Path) -> None:
    said: list[str] = []

    class Notes(SilentProgress):
        def note(self, text: str) -> None:
            said.append(text)

    (tmp_path / "report").write_text("in the way")
    run = run_of(tmp_path, metrics=["none"], progress=Notes())
    assert read_run(str(tmp_path)).run_id == run.run_id
    [told] = [text for text in said if text.startswith("no page of")]
    assert f"emqa report {tmp_path} --run {run.run_id}" in told


def test_the_command_writes_pages_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path / "eval", report=False)
    answer = emqa(capsys, "report", tmp_path / "eval", "--charts", tmp_path / "charts", "--json")
    assert answer.code == 0
    assert Path(answer.json["page"]) == tmp_path / "eval" / "report" / f"{run.run_id}.html"
    assert len(answer.json["charts"]) >= 8
    for chart in map(Path, answer.json["charts"]):
        start = chart.read_bytes()[:8]
        assert start == b"\x89PNG\r\n\x1a\n" if chart.suffix == ".png" else start.startswith(b"<svg")
        if chart.suffix == ".svg":
            assert "var(--" not in chart.read_text()
    assert emqa(capsys, "report", tmp_path / "eval", "--to", tmp_path).code == 0
    assert (tmp_path / f"{run.run_id}.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("{nothing}",), 7, "there is no run"),
        (("{eval}", "--run", "x"), 7, "expected one of"),
        (
            ("{eval}", "--to", "{eval}/run/_delta_log/00000000000000000000.json/page.html"),
            6,
            "cannot be used",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    run_of(tmp_path / "eval", report=False, metrics=["none"])
    places = {"eval": tmp_path / "eval", "nothing": tmp_path / "nothing"}
    answer = emqa(capsys, "report", *(word.format(**places) for word in words))
    assert answer.code == code
    assert said in answer.err and "Traceback" not in answer.err


def test_pictures_without_their_package_say_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(ConfigError, match="emqa\\[charts\\]"):
        pictures.write_pictures(run, Location.of(str(tmp_path)))
