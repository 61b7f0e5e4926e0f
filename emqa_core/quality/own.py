"""A user's own metrics: functions over columns or over images, named in the configuration or installed.

from emqa_core import column_metric

@column_metric(levels=("prediction",), needs=("score", "frame.exposure_s"), low=0)
def certainty_per_second(columns):
    \"\"\"Score per second of exposure.\"\"\"
    return columns["score"] / columns["frame.exposure_s"]
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

from emqa_core.errors import ConfigError, MetricError
from emqa_core.objects import Array
from emqa_core.quality.metric import LEVELS, Level

ENTRY_POINTS = "emqa.metrics"
Looks = Literal["columns", "image"]


@dataclass(frozen=True)
class OwnMetric:
    """A user's metric. Calling it calls the function.

    looks_at: `columns`: the function takes a mapping of names to (n,) arrays and returns (n,) numbers;
    `image`: it takes (height, width, 3) uint8 RGB, of a frame or of an object's box, and returns a number.
    needs: the columns that it is given; `frame.` names one of the frame, repeated for each object of it.
    """

    name: str
    looks_at: Looks
    levels: tuple[Level, ...]
    needs: tuple[str, ...]
    unit: str
    low: float | None
    high: float | None
    meaning: str
    function: Callable[[Any], Any]

    def __call__(self, given: Mapping[str, Array] | Array) -> Any:
        return self.function(given)


def column_metric(
    *,
    levels: Sequence[Level],
    needs: Sequence[str],
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    name: str | None = None,
) -> Callable[[Callable[[Mapping[str, Array]], Any]], OwnMetric]:
    """Declare a function over columns a metric of frames, or of labels and predictions.

    The function gets the columns of `needs` for some rows and returns a number for each, NaN where it does
    not apply; which rows come together must not matter. Numbers outside low..high are null. The name is the
    function's, with `frame_` before it at level frame. Raises ConfigError for a level that is none.
    """
    return lambda function: _declared(function, "columns", levels, needs, unit, low, high, name)


def image_metric(
    *,
    levels: Sequence[Level],
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    name: str | None = None,
) -> Callable[[Callable[[Array], float]], OwnMetric]:
    """Declare a function over one decoded image a metric: of frames, or of the pixels in an object's box.

    The function gets (height, width, 3) uint8 RGB and returns a number. Otherwise as `column_metric`.
    """
    return lambda function: _declared(function, "image", levels, (), unit, low, high, name)


def _declared(
    function: Callable[..., Any],
    looks_at: Looks,
    levels: Sequence[Level],
    needs: Sequence[str],
    unit: str,
    low: float | None,
    high: float | None,
    name: str | None,
) -> OwnMetric:
    name = name or function.__name__
    chosen = cast("tuple[Level, ...]", (levels,) if isinstance(levels, str) else tuple(levels))
    if not chosen or not set(chosen) <= set(LEVELS) or ("frame" in chosen and len(chosen) > 1):
        raise ConfigError(
            f"metric {name!r}: levels={levels!r}",
            expected="('frame',), or 'label' and 'prediction' or one of them",
        )
    if chosen == ("frame",) and not name.startswith("frame_"):
        name = f"frame_{name}"
    meaning = (inspect.getdoc(function) or f"The function {function.__name__}.").partition("\n")[0]
    columns = (needs,) if isinstance(needs, str) else tuple(needs)
    if strange := [need for need in columns if need.rpartition(".")[0] not in ("", "frame")]:
        raise ConfigError(
            f"metric {name!r}: needs={strange!r}", expected="columns of its own table, or frame.COLUMN"
        )
    if low is not None and high is not None and low > high:
        raise ConfigError(f"metric {name!r}: low={low} lies above high={high}")
    return OwnMetric(name, looks_at, chosen, columns, unit, low, high, meaning, function)


_TEXT_OF: dict[str, str] = {}  # digest of each module's text as it was loaded


def load_own(path: str, digest: str | None = None) -> OwnMetric:
    """The metric at `module:function`; the working directory is looked through too, as for a program there.

    digest: the text of its module must have it. None: as it is on the disk now; a module that changed since
    it was loaded is loaded again. Raises ConfigError where there is no such metric, MetricError for another
    text than was asked for.
    """
    module_name, _, function = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        with quiet():
            module = sys.modules.get(module_name) or importlib.import_module(module_name)
        loaded = _TEXT_OF.setdefault(module_name, _text_digest(module))
        if digest != loaded and (current := _text_digest(module)) != loaded:
            with quiet():
                module = importlib.reload(module)
            _TEXT_OF[module_name] = loaded = current
        found: Any = module
        for step in function.split("."):
            found = getattr(found, step)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the module is the user's, and may raise anything
        raise ConfigError(
            f"metric {path!r} cannot be loaded",
            expected="an importable module and the name of a function in it, as module:function",
            found=f"{type(error).__name__}: {error}",
        ) from None
    if not isinstance(found, OwnMetric):
        raise ConfigError(
            f"metric {path!r} is not declared as a metric",
            found=type(found).__name__,
            next_step="decorate the function with emqa_core.column_metric or emqa_core.image_metric",
        )
    if digest is not None and digest != loaded:
        raise MetricError(
            f"metric {path!r} is of another version where it is computed",
            next_step="give the workers the same module, or start them anew",
        )
    return found


def quiet() -> AbstractContextManager[object]:
    """What a user's code prints goes to stderr: stdout is for results."""
    return redirect_stdout(sys.stderr)


def module_digest(path: str) -> str:
    """The digest of the module that a loaded metric stands in: another text, another run."""
    return _TEXT_OF[path.partition(":")[0]]


def installed_paths() -> dict[str, str]:
    """`module:function` of the metrics that installed packages bring, by metric name.

    Raises ConfigError for one that cannot be loaded, and for two of one name, naming both.
    """
    found: dict[str, str] = {}
    for path in sorted({point.value for point in metadata.entry_points(group=ENTRY_POINTS)}):
        name = load_own(path).name
        if name in found:
            raise ConfigError(
                f"installed packages bring two metrics {name!r}: {found[name]!r} and {path!r}",
                next_step="uninstall one of them, or name the other metrics to evaluate",
            )
        found[name] = path
    return found


def _text_digest(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    text = Path(file).read_bytes() if file and Path(file).is_file() else module.__name__.encode()
    return hashlib.sha256(text).hexdigest()
