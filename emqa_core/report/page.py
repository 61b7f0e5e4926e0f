"""A page on a terminal: lines of styled text, readable without colour, at 80 columns and in a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from emqa_core.errors import printable
from emqa_core.report.bars import ASCII, BLOCKS, Glyphs, Pieces

Piece = str | tuple[str, str] | Text  # text, text with its style, or both ready made

MAX_WIDTH = 132
INDENT = "  "


class Page:
    """Where a report is printed: the width it has, the characters it may use."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.width = min(console.width, MAX_WIDTH)
        self.glyphs: Glyphs = ASCII if console.options.ascii_only else BLOCKS

    def line(self, *pieces: Piece) -> None:
        """One line that is never wrapped; what does not fit ends in an ellipsis."""
        text = Text.assemble(*pieces)
        text.plain = printable(text.plain)
        text.rstrip()
        text.truncate(self.width, overflow="ellipsis")
        self._console.print(text, no_wrap=True, overflow="ignore", crop=False, highlight=False)

    def heading(self, title: str, remark: str = "") -> None:
        """An empty line, then a title in bold, with a remark where there is room."""
        self.line()
        fits = len(title) + len(remark) + 2 <= self.width
        self.line((title, "bold"), ("  " + remark if remark and fits else "", "dim"))
        if remark and not fits:
            self.paragraph(remark, style="dim")

    def paragraph(self, text: str, style: str = "", indent: str = INDENT) -> None:
        """Words wrapped to the page."""
        words = Text(text, style=style)
        for line in words.wrap(self._console, self.width - len(indent)):
            self.line(indent, line)

    def verbatim(self, text: str, style: str = "") -> None:
        """A line to be copied: not cut, not wrapped, however long."""
        self._console.print(Text(printable(text), style=style), soft_wrap=True, highlight=False)


def coloured(pieces: Pieces, colour: str, mark_colour: str = "bold yellow") -> Text:
    """The pieces of a bar with its colour."""
    styles = {"bar": colour, "mark": mark_colour, "axis": "dim", "space": ""}
    return Text.assemble(*((text, styles[role]) for text, role in pieces))


def fit(text: str, width: int) -> str:
    """Text of exactly `width` cells, cut in the middle where it is longer: both ends tell names apart."""
    if len(text) <= width:
        return text.ljust(width)
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
