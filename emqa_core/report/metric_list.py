"""The list of quality metrics on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console

from emqa_core.quality.listed import ListedMetric
from emqa_core.report.page import INDENT, Page

_MARK = {"frame": "F", "prediction": "P", "label": "L"}


def print_metrics(console: Console, metrics: Sequence[ListedMetric], *, is_checked: bool) -> None:
    """A line or two for every metric, by group. is_checked: whether a data set says what is available."""
    page = Page(console)
    width = max(len(metric.name) for metric in metrics)
    for group, some in groupby(metrics, key=lambda metric: metric.group):
        listed = list(some)
        reasons = {metric.why_not for metric in listed if metric.why_not}
        # One reason that all of a group share is said once.
        shared = "; ".join(*reasons) if len(reasons) == 1 and all(metric.why_not for metric in listed) else ""
        page.line((group, "bold"), (f"  not available: {shared}" if shared else "", "yellow"))
        for metric in listed:
            level = "".join(_MARK[each] for each in (metric.available or metric.levels))
            style = "dim" if is_checked and not metric.available else ""
            unit = f" [{metric.unit}]" if metric.unit else ""
            head, rest = f"{metric.name:<{width}}  {level:<2}  ", len(INDENT) + width + 6
            lines = textwrap.wrap(f"{metric.meaning}{unit}", max(page.width - rest, 20))
            for place, text in enumerate(lines):
                page.line(INDENT, (f"{head if place == 0 else ' ' * len(head)}{text}", style))
            if metric.why_not and not shared:
                page.line(INDENT, INDENT, (f"not available: {'; '.join(metric.why_not)}", "yellow"))
        page.line()
    page.paragraph(
        "F frame, P prediction, L label. Choose by name or group: --metrics geometry,frame_brightness; a"
        " function of yours: --metrics module:function.",
        indent="",
    )
    if not is_checked:
        page.paragraph("With --labels, --predictions and --images the list says what they allow.", indent="")
