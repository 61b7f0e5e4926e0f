"""Tables and figures as JSON that every parser takes: no NaN, no infinity."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

from emqa_core.report.view import plain_rows

__all__ = ["json_text", "plain_rows"]


def json_text(value: Any) -> str:
    """One line of JSON; dates and times in ISO 8601, numbers that are not finite as null."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    return value
