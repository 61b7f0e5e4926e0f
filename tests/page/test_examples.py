"""Examples on a page, in a browser: what is drawn, chosen, said and reached by keyboard."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emqa_core import evaluate, report
from emqa_core.report.html.page import page_html
from emqa_core.storage.runs import Run
from tests.page.pages import open_page

EVIL = "<script>alert(1)</script>"
_HTML = Path(report.__file__).parent / "html"
_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark; }} body {{ font: 16px/1.5 sans-serif; }} {style}</style>
</head><body>
<main id="grid"></main><script type="importmap">{modules}</script><script type="module">
import {{ exampleFrames, renderExamples }} from "emqa/examples.js";
Object.assign(window, {{ renderExamples, exampleFrames, examples: JSON.parse({document}) }});
document.body.id = "ready";
</script></body></html>"""
ANY = {"metric": None, "binGroup": None, "source": None, "classes": None, "errorType": None}


def picture(width: int, height: int) -> str:
    """A grey JPEG with a white square, as a data URL."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[: height // 2, : width // 2] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def examples_of(n_frames: int = 20) -> dict[str, Any]:
    """Frames of three objects: a false positive and a missed label that are examples, and a found label.

    Even frames are of class 0, odd ones of class 1; every third has a picture. The false positive of frame
    k is the worst but k // 5 of range k % 5 of the only metric; missed labels are in no range.
    """
    frames, examples = [], []
    for k in range(n_frames):
        objects = [
            [10, 10, 100, 50, 0, k % 2, 0, 0, 0.9],
            [200, 100, 300, 200, 1, k % 2, 1, 1, None],
            [250, 150, 90, 90, 1, 1 - k % 2, 2, None, None],
        ]
        frames.append(
            {
                "frame_id": f"frame {k}" if k else EVIL,
                "image_uri": f"{k}.jpg" if k % 3 == 0 else None,
                "width": 640,
                "height": 400 if k % 4 else 900,
                "picture": picture(320, 200 if k % 4 else 450) if k % 3 == 0 else None,
                "reason": None if k % 3 == 0 else "no_image_uri",
                "n_predictions": 1,
                "n_labels": 2,
                "n_false_positive": 1,
                "n_missed": 1,
                "f1": 0.25,
                "n_objects": 3 if k else 143,
                "objects": objects,
            }
        )
        examples.append({"frame": k, "object": 0, "places": [[0, k % 5, k // 5]]})
    examples += [{"frame": k, "object": 1, "places": []} for k in range(n_frames)]
    ranges = [{"number": k, "lower": 10.0 * k, "upper": 10.0 * k + 10, "category": None} for k in range(5)]
    return {
        "metrics": [{"name": "object_area_px2", "is_categorical": False, "ranges": ranges}],
        "frames": frames,
        "examples": examples,
        "worst_frames": list(range(0, n_frames, 2)),
        "n_left_out": 0,
        "classes": [{"id": "7", "name": EVIL}, {"id": "8", "name": "person"}],
        "outcomes": ["false_positive", "missed", "found"],
        "error_types": ["background", "missed"],
    }


def page_of(examples: dict[str, Any]) -> str:
    document = json.dumps(json.dumps(examples)).replace("<", "\\u003c")
    modules = {}
    for name in ("examples.js", "format.js"):
        text = base64.b64encode((_HTML / "js" / name).read_bytes()).decode()
        modules[f"emqa/{name}"] = f"data:text/javascript;base64,{text}"
    style = (_HTML / "css" / "examples.css").read_text("utf-8")
    return _HEAD.format(style=style, modules=json.dumps({"imports": modules}), document=document)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("dialog", lambda dialog: said.append("a script of the data ran"))
    opened.set_content(page_of(examples_of()))
    opened.set_default_timeout(10_000)
    opened.wait_for_selector("#ready", state="attached")
    yield opened
    assert said == []
    opened.close()


def render(page: Any, **view: Any) -> Any:
    """Draw the examples of a view; the captions of all figures."""
    page.evaluate(
        "(view) => renderExamples(document.getElementById('grid'), examples,"
        " { ...view, classes: view.classes && new Set(view.classes) })",
        {**ANY, **view},
    )
    return page.locator("figure figcaption").all_inner_texts()


def test_the_first_dozen_then_more(page: Any) -> None:
    assert len(render(page)) == 12
    more = page.get_by_role("button", name="Show 12 more of 28")
    more.click()
    assert page.locator("figure").count() == 24
    assert page.evaluate("document.activeElement === document.querySelectorAll('figure button')[12]")
    for _ in range(2):
        page.locator(".example-more").click()
        if page.locator("figure").count() == 40:
            break
    assert page.locator("figure").count() == 40 and page.locator(".example-more").is_hidden()


def test_a_name_is_text_whatever_it_looks_like(page: Any) -> None:
    captions = render(page)
    assert captions[0].split("\n") == [f"{EVIL} 0.90", "false positive · background", EVIL]
    assert page.locator("figure script").count() == 0
    assert page.locator("figure img").first.get_attribute("alt").endswith(f"in frame {EVIL}")


def test_boxes_lie_where_they_belong(page: Any) -> None:
    render(page)
    figure = page.locator("figure").nth(9)  # 640 x 400 px, with a picture
    image, main = figure.locator("img").bounding_box(), figure.locator(".example-main").bounding_box()
    scale = image["width"] / 640
    assert image["height"] == pytest.approx(400 * scale, abs=1)
    # A box is as wide as its stroke more.
    for side, offset, expected in (
        ("x", image["x"], 10),
        ("y", image["y"], 10),
        ("width", 0, 100),
        ("height", 0, 50),
    ):
        assert main[side] - offset == pytest.approx(expected * scale, abs=4)
    assert figure.locator(".example-box").count() == 4
    colours = figure.locator(".example-box").evaluate_all(
        "(boxes) => boxes.map((e) => getComputedStyle(e).stroke)"
    )
    # As wide on a large frame as on a small one.
    assert (
        figure.locator(".example-main").evaluate("(e) => getComputedStyle(e).vectorEffect")
        == "non-scaling-stroke"
    )
    # Missed, found, then halo and example over them.
    assert colours == ["rgb(232, 113, 10)", "rgb(26, 115, 232)", "rgb(255, 255, 255)", "rgb(217, 48, 37)"]


def test_unsure_predictions_are_faint(page: Any) -> None:
    page.evaluate(
        "examples.frames[1].objects.push([5, 5, 9, 9, 0, 0, 0, 0, 0.0], [5, 5, 9, 9, 0, 0, 0, 0, 4.5])"
    )
    render(page)
    figure = page.locator("figure").nth(1)
    faint = "(boxes) => boxes.map((e) => Number(getComputedStyle(e).opacity))"
    # Labels, a prediction of no and one of every certainty, halo and example.
    assert figure.locator(".example-box").evaluate_all(faint) == [1, 1, 0.08, 1, 1, 1]
    figure.get_by_role("button").click()
    shown = page.get_by_role("dialog").locator(".example-box")
    assert shown.evaluate_all(faint) == [1, 1, 0.3, 1, 1, 1]


def test_a_panel_of_the_frames_shape_without_a_picture(page: Any) -> None:
    render(page)
    stage = page.locator("figure").nth(1).locator(".example-stage")
    assert stage.locator("img").count() == 0
    box = stage.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(640 / 400, rel=0.01)
    label = stage.locator("svg").get_attribute("aria-label")
    assert (
        label
        == "person 0.90, false positive, background, in frame frame 1; no picture: the frame names no image"
    )
    assert page.locator("figure").nth(1).get_by_role("button").get_attribute("type") == "button"


@pytest.mark.parametrize(
    ("view", "n", "note"),
    [
        ({"source": "label"}, 20, None),
        ({"classes": ["8"]}, 20, None),
        ({"classes": ["8"], "source": "prediction", "errorType": "background"}, 10, None),
        ({"errorType": "localization"}, 0, "No example is of this choice."),
        ({"metric": "object_area_px2"}, 20, None),
        ({"metric": "object_area_px2", "binGroup": 3}, 4, None),
        ({"metric": "object_area_px2", "binGroup": 3, "classes": ["7"]}, 2, None),
        (
            {"metric": "object_area_px2", "binGroup": 3, "source": "label"},
            20,
            "None of the worst of this range is of this choice; here are the worst of any range.",
        ),
        (
            {"metric": "frame_fog"},
            40,
            "Examples are not ranked by frame_fog; here are the worst of this choice.",
        ),
        ({"metric": "frame_fog", "classes": []}, 0, "No example is of this choice."),
    ],
)
def test_views(page: Any, view: dict[str, Any], n: int, note: str | None) -> None:
    render(page, **view)
    while page.locator(".example-more").count() and page.locator(".example-more").is_visible():
        page.locator(".example-more").click()
    assert page.locator("figure").count() == n
    assert page.locator(".example-note").all_inner_texts() == ([] if note is None else [note])


def test_the_worst_of_a_metric_come_first_with_their_range(page: Any) -> None:
    page.evaluate("examples.examples.sort((a, b) => (b.places[0]?.[2] ?? 9) - (a.places[0]?.[2] ?? 9))")
    captions = render(page, metric="object_area_px2")
    names = [caption.split("\n")[-1] for caption in captions]
    assert names[:6] == [EVIL, "frame 1", "frame 2", "frame 3", "frame 4", "frame 5"]
    assert captions[1].split("\n")[2] == "object_area_px2: 10 – 20"


def test_opened_by_keyboard_and_closed_again(page: Any) -> None:
    render(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible() and EVIL in dialog.inner_text()
    assert "3 of 143 objects are drawn" in dialog.inner_text() and "0.jpg" in dialog.inner_text()
    dialog.get_by_label("missed label (1)").uncheck()
    shown = dialog.locator(".example-box:visible")
    assert shown.count() == 3 and dialog.locator(".outcome-missed.example-box").is_hidden()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement === document.querySelector('figure button')")


def test_worst_frames(page: Any) -> None:
    page.evaluate("exampleFrames(document.getElementById('grid'), examples)")
    captions = page.locator("figure figcaption").all_inner_texts()
    assert len(captions) == 10
    assert captions[1].split("\n") == ["F1 0.25", "1 false positive, 1 of 2 labels missed", "frame 2"]
    assert page.locator("figure").nth(1).locator(".example-box").count() == 3
    page.evaluate("exampleFrames(document.getElementById('grid'), examples, new Set(['7']))")
    assert page.locator("figure").nth(1).locator(".example-box").count() == 2
    page.evaluate("exampleFrames(document.getElementById('grid'), { ...examples, worst_frames: [] })")
    assert page.locator("#grid").inner_text() == "No frame has a false positive or a missed label."


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, []),
        (1, ["One more of the worst objects lies in frames for which this page had no room."]),
        (1234, ["1,234 more of the worst objects lie in frames for which this page had no room."]),
    ],
)
def test_the_page_says_how_many_had_no_room(browser: Any, tmp_path: Path, n: int, said: list[str]) -> None:
    boxes = pd.DataFrame({"frame_id": ["a"], "class_id": 7, "x": 1.0, "y": 1.0, "width": 9.0, "height": 9.0})
    run = evaluate(labels=boxes, predictions=boxes.assign(score=0.5))
    assert isinstance(run, Run)
    file = tmp_path / "page.html"
    file.write_text(page_html(run, examples={**examples_of(4), "n_left_out": n}), "utf-8")
    with open_page(browser) as page:
        page.open(file)
        assert page.page.locator("#examples-left-out").all_inner_texts() == said
        assert page.errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    render(page)
    page.locator("figure button").nth(4).click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = page.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= 800
    assert page.evaluate("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('dialog'))")
