"""One HTML file of a run: data, styles, scripts and the charts' library in it, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import string
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from emqa_core.report.html.document import PageLimits, PageSource, page_text
from emqa_core.report.numbers import counted
from emqa_core.report.view import Row
from emqa_core.storage.runs import Run

_PACKAGE = "emqa_core.report.html"


def page_html(
    run: Run, previous: Run | None = None, *, limits: PageLimits | None = None, examples: Any = None
) -> str:
    """The page of a run, beside the run before it where there is one.

    examples: members of the document that show frames, as JSON takes them; None for none. The page opens from
    a disk or a store and asks for nothing: its policy forbids it to.
    """
    source = PageSource.read(run, previous)
    document = page_text(source, limits or PageLimits())
    row = source.run.row()
    modules, start = _modules()
    charts = _asset("charts.json").read_text("utf-8")
    scripts = [_asset("vendor", "vega.min.js").read_text("utf-8"), modules, start]
    style = "\n".join(file.read_text("utf-8") for file in _listed("css"))
    return string.Template(_asset("page.html").read_text("utf-8")).substitute(
        policy=_policy(scripts),
        title=html.escape(f"{row['model']} on {row['dataset']}, {row['run_date']}"),
        style=style,
        heading=html.escape(f"{row['model']} on {row['dataset']}"),
        facts=html.escape(_facts(row)),
        loading='<p class="remark">Reading the figures …</p>',
        footer=html.escape(f"emqa {row['code_version']} · run {row['run_id']}"),
        charts=_in_script(charts),
        document=document,
        # Pictures are small already: packed with the rest they would take a third more.
        examples=_in_script(json.dumps(examples, separators=(",", ":"), allow_nan=False)),
        vega=scripts[0],
        modules=modules,
        start=start,
    )


def _facts(row: Row) -> str:
    facts = [
        str(row["run_date"]),
        counted(row["n_frames"], "frame"),
        counted(row["n_labels"], "label"),
        counted(row["n_predictions"], "prediction"),
        f"matching {row['matching']} at IoU {row['iou_threshold']:g}",
        f"score ≥ {row['score_threshold']:g}",
    ]
    for n, noun, what in (
        (row["n_quarantined"], "row", "in quarantine"),
        (row["n_unlisted"], "prediction", "of classes that the labels do not list, left out"),
    ):
        if n:
            facts.append(f"{counted(n, noun)} {what}")
    return " · ".join(facts)


def _asset(*path: str) -> Traversable:
    return files(_PACKAGE).joinpath(*path)


def _listed(folder: str) -> list[Traversable]:
    return sorted(_asset(folder).iterdir(), key=lambda file: file.name)


@cache
def _modules() -> tuple[str, str]:
    """The import map, from a module's name to its text as a data URL, and the script that starts the page."""
    imports = {}
    for file in _listed("js"):
        text = base64.b64encode(file.read_bytes()).decode()
        imports[f"emqa/{file.name}"] = f"data:text/javascript;base64,{text}"
    return json.dumps({"imports": imports}), 'import "emqa/main.js";'


def _policy(scripts: list[str]) -> str:
    """Nothing may be fetched; scripts are the page's own. Vega compiles expressions: it needs eval."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} data: 'unsafe-eval'; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _in_script(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")
