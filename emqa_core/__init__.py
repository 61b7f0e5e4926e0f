"""emqa tells which properties of the data a vision model's failure depends on.

`evaluate` runs an evaluation, `read_run` opens a committed one; `column_metric` and `image_metric` declare
metrics of your own. All import late, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emqa_core.pipeline.evaluate import evaluate
    from emqa_core.quality.own import column_metric, image_metric
    from emqa_core.storage.runs import Run, read_run

__version__ = "0.1.0"
__all__ = ["Run", "__version__", "column_metric", "evaluate", "image_metric", "read_run"]

_HOMES = {
    "column_metric": "emqa_core.quality.own",
    "image_metric": "emqa_core.quality.own",
    "evaluate": "emqa_core.pipeline.evaluate",
    "read_run": "emqa_core.storage.runs",
    "Run": "emqa_core.storage.runs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emqa_core' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
