"""The demo data set: rendered frames with handwritten digits, and a small detector's predictions."""

from emqa_core.demo.dataset import DemoPaths, write_demo

__all__ = ["DemoPaths", "write_demo"]
