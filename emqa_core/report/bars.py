"""Bars made of characters, with a mark across them.

Each bar is a list of (text, role) pieces, as wide as asked for: the role (`bar`, `mark`, `space`) is what
the terminal gives a colour to. Without colour the characters alone must be readable.
"""

from __future__ import annotations

from dataclasses import dataclass

Pieces = list[tuple[str, str]]


@dataclass(frozen=True)
class Glyphs:
    """The characters bars are made of. `parts`: growing shares of a cell from its left edge."""

    parts: str
    right_half: str
    mark: str
    axis: str
    dash: str
    dot: str

    @property
    def full(self) -> str:
        return self.parts[-1]


BLOCKS = Glyphs(parts=" ▏▎▍▌▋▊▉█", right_half="▐", mark="┃", axis="│", dash="─", dot="·")
ASCII = Glyphs(parts=" #", right_half="#", mark="|", axis="|", dash="-", dot="-")


def bar(value: float | None, scale: float, width: int, glyphs: Glyphs, mark: float | None = None) -> Pieces:
    """A bar from the left; `scale` is the value that fills `width` cells. No value gives empty cells.

    A positive value is never invisible, and `mark` stands at its own place on the same scale.
    """
    cells = _filled(value, scale, width, glyphs)
    roles = ["bar" if cell != " " else "space" for cell in cells]
    if mark is not None and scale > 0:
        at = min(int(max(mark, 0.0) / scale * width), width - 1)
        cells[at], roles[at] = glyphs.mark, "mark"
    return _pieces(cells, roles)


def signed_bar(value: float | None, scale: float, side: int, glyphs: Glyphs) -> Pieces:
    """A bar to the left or right of an axis; `side` cells on either side, 2·side + 1 in all."""
    left, right = [" "] * side, [" "] * side
    if value is not None and value > 0:
        right = _filled(value, scale, side, glyphs)
    elif value is not None and value < 0:
        halves = max(round(min(-value / scale, 1.0) * side * 2), 1)
        for cell in range(halves // 2):
            left[side - 1 - cell] = glyphs.full
        if halves % 2:
            left[side - 1 - halves // 2] = glyphs.right_half
    cells = [*left, glyphs.axis, *right]
    roles = ["bar" if cell != " " else "space" for cell in cells]
    roles[side] = "axis"
    return _pieces(cells, roles)


def bar_scale(largest: float) -> float:
    """The round number at or above `largest` that a full bar stands for."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75):
        if largest <= step:
            return step
    return 1.0


def _filled(value: float | None, scale: float, width: int, glyphs: Glyphs) -> list[str]:
    cells = [" "] * width
    if value is None or value <= 0 or scale <= 0:
        return cells
    steps = len(glyphs.parts) - 1
    filled = max(round(min(value / scale, 1.0) * width * steps), 1)
    for cell in range(filled // steps):
        cells[cell] = glyphs.full
    if filled % steps:
        cells[filled // steps] = glyphs.parts[filled % steps]
    return cells


def _pieces(cells: list[str], roles: list[str]) -> Pieces:
    pieces: Pieces = []
    for cell, role in zip(cells, roles, strict=True):
        if pieces and pieces[-1][1] == role:
            pieces[-1] = (pieces[-1][0] + cell, role)
        else:
            pieces.append((cell, role))
    return pieces
