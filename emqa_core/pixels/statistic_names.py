"""The names of the pixel statistics, in the order of their columns; known without loading a kernel."""

from __future__ import annotations

STATISTICS = (
    "brightness",
    "contrast",
    "sharpness",
    "red",
    "green",
    "blue",
    "saturation",
    "entropy",
    "dark_share",
    "bright_share",
)
N_STATISTICS = len(STATISTICS)
