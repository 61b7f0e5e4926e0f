"""The commands that evaluate or prepare to: names, options, help. What they do is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from emqa_core.cli import options
from emqa_core.cli.app import app, epilog


@app.command(
    epilog=epilog(
        "emqa run --labels labels.json.gz --predictions predictions.json.gz --output eval",
        "emqa run --labels l.json --predictions small=s.json --predictions large=l.json --output s3://bucket/eval",
        "emqa run --config configs/production.yaml --set cluster.workers=4",
    )
)
def run(
    labels: options.Labels = None,
    predictions: options.Predictions = None,
    output: options.Output = None,
    frames: options.Frames = None,
    images: options.Images = None,
    model: options.Model = None,
    dataset: options.Dataset = None,
    run_date: options.RunDate = None,
    classes: options.Classes = None,
    iou_threshold: options.IouThreshold = None,
    score_threshold: options.ScoreThreshold = None,
    matching: options.Matching = None,
    metrics: options.Metrics = None,
    cluster: options.Cluster = None,
    config: options.Config = None,
    set_: options.Set = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Evaluate one or several models and commit a run of each.

    A run that was committed before, with the same inputs and options, is not evaluated again. A run that
    was stopped is started again by the same command.
    """
    from emqa_core.cli.run import run_evaluation

    given = options.configuration(
        config,
        set_,
        labels=labels,
        predictions=predictions,
        output=output,
        frames=frames,
        images=images,
        model=model,
        dataset=dataset,
        run_date=run_date,
        classes=classes,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        matching=matching,
        metrics=metrics,
        cluster=cluster,
    )
    run_evaluation(given, as_json=json, quiet=quiet)


@app.command(
    epilog=epilog("emqa validate --labels labels.json.gz --predictions predictions.json.gz --output eval")
)
def validate(
    labels: options.Labels = None,
    predictions: options.Predictions = None,
    output: options.Output = None,
    frames: options.Frames = None,
    images: options.Images = None,
    model: options.Model = None,
    dataset: options.Dataset = None,
    run_date: options.RunDate = None,
    classes: options.Classes = None,
    iou_threshold: options.IouThreshold = None,
    score_threshold: options.ScoreThreshold = None,
    matching: options.Matching = None,
    metrics: options.Metrics = None,
    cluster: options.Cluster = None,
    config: options.Config = None,
    set_: options.Set = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check what `emqa run` would do, and write nothing.

    Reads the inputs and shows the plan: rows, bad rows by reason, partitions, projected memory, the run's
    id, and whether it is committed already.
    """
    from emqa_core.cli.validate import validate_run

    given = options.configuration(
        config,
        set_,
        labels=labels,
        predictions=predictions,
        output=output,
        frames=frames,
        images=images,
        model=model,
        dataset=dataset,
        run_date=run_date,
        classes=classes,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        matching=matching,
        metrics=metrics,
        cluster=cluster,
    )
    validate_run(given, as_json=json, quiet=quiet)


@app.command(
    epilog=epilog(
        "emqa convert coco instances_val.json.gz results.json.gz --output tables",
        "emqa convert coco instances_val.json small=s.json large=l.json --output tables",
    )
)
def convert(
    format_: Annotated[
        str, typer.Argument(metavar="FORMAT", help="Format of the files: coco.", show_default=False)
    ],
    labels: Annotated[
        str, typer.Argument(metavar="LABELS", help="COCO instances (.json, .json.gz).", show_default=False)
    ],
    predictions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]PREDICTIONS...", help="COCO results (.json, .json.gz).", show_default=False
        ),
    ] = None,
    output: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where the three tables go.", show_default=False)
    ] = ...,  # type: ignore[assignment]
    config: options.StorageConfigFile = None,
    set_: options.StorageSet = None,
    json: options.Json = False,
) -> None:
    """Write COCO files as the three input tables, in Parquet.

    The tables are ordered by frame, so that large ones can be evaluated partition by partition.
    """
    from emqa_core.cli.convert import convert_inputs

    convert_inputs(
        format_,
        labels,
        options.named_predictions(predictions or [], None),
        output,
        options.configuration(config, set_),
        as_json=json,
    )


@app.command(
    epilog=epilog(
        "emqa config > my.yaml",
        "emqa config --config my.yaml --set iou_threshold=0.75",
        "emqa config --schema > schema.json",
    )
)
def config(
    config: options.Config = None,
    set_: options.Set = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="The JSON schema of configuration files instead.")
    ] = False,
) -> None:
    """Print the effective configuration, or its JSON schema.

    As YAML that --config takes: every option with its value and its meaning.
    """
    from emqa_core.config_text import config_schema, config_yaml

    given = options.configuration(config, set_)
    typer.echo(config_schema() if schema else config_yaml(given), nl=False)


@app.command(
    epilog=epilog(
        "emqa metrics",
        "emqa metrics --labels labels.json.gz --predictions predictions.json.gz --images images",
        "emqa metrics --metrics my_metrics:rain_amount --json",
    )
)
def metrics(
    labels: options.Labels = None,
    predictions: options.Predictions = None,
    frames: options.Frames = None,
    images: options.Images = None,
    metrics: options.Metrics = None,
    config: options.Config = None,
    set_: options.Set = None,
    json: Annotated[
        bool, typer.Option("--json", help="One object with a list of them, an object each.")
    ] = False,
) -> None:
    """List the quality metrics, and what of them a data set allows.

    Name, level, unit, range and meaning of each; with --labels also whether the data meet its needs, and the
    reason where they do not.
    """
    from emqa_core.cli.metrics import show_metrics

    given = options.configuration(
        config,
        set_,
        labels=labels,
        predictions=predictions,
        frames=frames,
        images=images,
        metrics=metrics,
    )
    show_metrics(given, as_json=json)


@app.command(epilog=epilog("emqa demo", "emqa demo --folder /tmp/demo"))
def demo(
    folder: Annotated[str, typer.Option(metavar="FOLDER", help="Where the data set goes.")] = "demo",
    json: options.Json = False,
) -> None:
    """Make a data set to try emqa on.

    Rendered frames with handwritten digits, and the predictions of a small real detector on them. In a
    checkout, `make demo` does this and then runs the nightly flow on a local cluster.
    """
    from emqa_core.cli.demo import make_demo

    make_demo(folder, as_json=json)
