"""The colours of the page's light scheme by the names that charts use, read from its style sheet."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def palette() -> dict[str, str]:
    """`--ink` and the others, as `#rrggbb`."""
    style = files("emqa_core.report.html").joinpath("css", "page.css").read_text("utf-8")
    light = style[style.index(":root {") : style.index("}")]
    return dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{6})", light))


def coloured(text: str) -> str:
    """Text with every `var(--name)` replaced by its colour."""
    return re.sub(r"var\((--[a-z0-9-]+)\)", lambda name: palette()[name.group(1)], text)
