"""The options of `emqa run` and `emqa validate`, and the configuration they make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emqa_core.errors import ConfigError

if TYPE_CHECKING:
    from emqa_core.config import EvaluationConfig

_INPUTS = {"rich_help_panel": "Inputs and output"}
_EVALUATION = {"rich_help_panel": "Evaluation"}
_CONFIGURATION = {"rich_help_panel": "Configuration"}
_SHOWN = {"rich_help_panel": "What is shown"}

Labels = Annotated[
    str | None,
    typer.Option(
        help="Labels: COCO JSON (.json, .json.gz), Parquet, CSV or JSON lines; a file, folder or URL.",
        metavar="PATH",
        **_INPUTS,
    ),
]
Predictions = Annotated[
    list[str] | None,
    typer.Option(
        help="Predictions: COCO results JSON, Parquet, CSV or JSON lines. Repeat NAME=PATH for several"
        " models: the labels are read once, and each model gets a run.",
        metavar="[NAME=]PATH",
        **_INPUTS,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        help="Where the tables go: a folder or s3://, gs://, abfs://.", metavar="LOCATION", **_INPUTS
    ),
]
Frames = Annotated[
    str | None,
    typer.Option(help="Frame table, where the labels do not bring one.", metavar="PATH", **_INPUTS),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Name of the model; default: the stem of the predictions' file.", metavar="NAME", **_INPUTS
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        help="Name of the data set; default: the stem of the labels' file.", metavar="NAME", **_INPUTS
    ),
]
RunDate = Annotated[
    str | None,
    typer.Option(help="Night the run stands for; default: today, UTC.", metavar="YYYY-MM-DD", **_INPUTS),
]
Classes = Annotated[
    str | None,
    typer.Option(
        help="Classes to evaluate, by name or id; mAP is their mean. Default: all.",
        metavar="A,B",
        **_EVALUATION,
    ),
]
IouThreshold = Annotated[
    float | None,
    typer.Option(help="The IoU threshold T; default 0.5.", metavar="T", **_EVALUATION),
]
ScoreThreshold = Annotated[
    float | None,
    typer.Option(
        help="Predictions below it are ignored in outcomes, not in AP; default 0.",
        metavar="SCORE",
        **_EVALUATION,
    ),
]
Matching = Annotated[
    str | None,
    typer.Option(help="Matching protocol: coco (default) or best_iou.", metavar="PROTOCOL", **_EVALUATION),
]
Images = Annotated[
    str | None,
    typer.Option(
        help="Folder or URL under which the frames' image_uri (COCO: file_name) lie; with it come the metrics"
        " of pixels: brightness, sharpness and others.",
        metavar="ROOT",
        **_INPUTS,
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="Quality metrics by name or group, or a function as module:function; `emqa metrics` lists them."
        " Default: all that the data allow.",
        metavar="A,B",
        **_EVALUATION,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        help="none: in this process; local: a Dask cluster on this machine; tcp://HOST:PORT or"
        " tls://HOST:PORT: a scheduler; auto (default): none or local, by size.",
        metavar="WHERE",
        **_EVALUATION,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        help="YAML file with any of the options of `emqa config`.", metavar="FILE", **_CONFIGURATION
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any option, over file and options above: --set max_quarantine_share=0.05 --set"
        " cluster.workers=4.",
        metavar="KEY=VALUE",
        **_CONFIGURATION,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, errors too.", **_SHOWN)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.", **_SHOWN)]
Location = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT", help="Where the tables lie: a folder or s3://, gs://, abfs://.", show_default=False
    ),
]
StorageConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="FILE", help="YAML file whose section `storage` says how to reach OUTPUT."
    ),
]
StorageSet = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="An option: --set storage.endpoint_url=http://host:8333."
    ),
]
RunChoice = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="Id of the run, or its beginning; default: the newest."),
]


def configuration(
    config_file: str | None,
    overrides: Sequence[str] | None,
    *,
    predictions: Sequence[str] | None = None,
    model: str | None = None,
    classes: str | None = None,
    cluster: str | None = None,
    images: str | None = None,
    metrics: str | None = None,
    **options: Any,
) -> EvaluationConfig:
    """File, then options that were given, then `--set`. Raises ConfigError."""
    from emqa_core.config import read_config

    given = {name: value for name, value in options.items() if value is not None}
    if predictions:
        given["predictions"] = named_predictions(predictions, model)
    elif model is not None:
        raise ConfigError(
            "--model names the file given by --predictions, and there is none",
            next_step="name models of a configuration file there: predictions: {NAME: PATH}",
        )
    if classes is not None:
        given["classes"] = [name.strip() for name in classes.split(",") if name.strip()]
    if metrics is not None:
        given["metrics"] = [name.strip() for name in metrics.split(",") if name.strip()]
    if images is not None:
        given["images"] = {"root": images}
    if cluster is not None:
        given["cluster"] = {"address": cluster}
    text, source = _text_of(config_file)
    return read_config(text, source, list(overrides or ()), given)


def named_predictions(values: Sequence[str], model: str | None) -> dict[str, str]:
    """Model name -> path, from `NAME=PATH` (no / or : in NAME) or a path, named by `model` or its stem."""
    named: dict[str, str] = {}
    for value in values:
        name, equals, path = value.partition("=")
        is_named = bool(equals) and bool(name) and not {"/", "\\", ":"} & set(name)
        if is_named and model is not None:
            raise ConfigError(
                f"--model {model} and --predictions {value} both name a model", next_step="keep one of them"
            )
        if not is_named:
            path = value
            name = model or _stem(value)
        if name in named:
            raise ConfigError(
                f"two predictions for the model {name!r}",
                found=f"{named[name]} and {path}",
                next_step="name them: --predictions NAME=PATH",
            )
        named[name] = path
    return named


def _stem(path: str) -> str:
    return PurePosixPath(path.rstrip("/")).name.split(".")[0] or "model"


def _text_of(config_file: str | None) -> tuple[str | None, str]:
    if config_file is None:
        return None, "no configuration file"
    try:
        return Path(config_file).read_text(encoding="utf-8"), config_file
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"cannot read the configuration file {config_file}",
            found=reason,
            next_step="see configs/ for examples, or `emqa config > my.yaml`",
        ) from None
