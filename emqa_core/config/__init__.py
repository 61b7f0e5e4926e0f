"""One frozen value with every option, read once.

Each option says whether it `changes_results`: those that do are part of the run's digest, those that
do not (cluster, output, storage) may differ between two runs of the same night. `configs/default.yaml`
and the JSON schema are printed from here.
"""

from __future__ import annotations

from emqa_core.config.evaluation import (
    COCO_AREA_RANGES,
    COCO_IOU_THRESHOLDS,
    MATCH_EPSILON,
    EvaluationConfig,
)
from emqa_core.config.reading import config_from, read_config
from emqa_core.config.sections import ClusterConfig, ColumnNames, ImagesConfig, StorageConfig

__all__ = [
    "COCO_AREA_RANGES",
    "COCO_IOU_THRESHOLDS",
    "MATCH_EPSILON",
    "ClusterConfig",
    "ColumnNames",
    "EvaluationConfig",
    "ImagesConfig",
    "StorageConfig",
    "config_from",
    "read_config",
]
