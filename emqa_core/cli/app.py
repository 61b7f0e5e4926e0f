"""The commands: what each is called, takes and says in its help. What they do is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from emqa_core.cli import options

CODES = (
    "Exit codes: 0 done, 1 bug, 2 options, 3 input, 4 quarantine, 5 plan, 6 storage, 7 no such run,"
    " 8 table columns, 9 cluster, 10 run busy, 11 own metric, 130 Ctrl-C, 143 SIGTERM."
)


def _epilog(*examples: str) -> str:
    # \b keeps the lines as they are: an example is there to be copied.
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples)]) + f"\n\n{CODES}"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # boxes would break the examples, and take as long as all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_epilog(
        "emqa demo", "emqa run --labels l.json --predictions p.json --output eval", "emqa show eval"
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import emqa_core
        from emqa_core.schema import SCHEMA_VERSION

        typer.echo(f"emqa {emqa_core.__version__} (tables: schema version {SCHEMA_VERSION})")
        raise typer.Exit


@app.callback()
def _emqa(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Say which properties of the data a vision model's failures depend on.

    Evaluates predictions against labels and writes tables: AP and AR, performance by quality metric,
    metric importance and correlation.
    """


@app.command(
    epilog=_epilog(
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
    epilog=_epilog("emqa validate --labels labels.json.gz --predictions predictions.json.gz --output eval")
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


@app.command(
    epilog=_epilog(
        "emqa show eval",
        "emqa show eval --metric object_area_px2 --class person --iou-threshold 0.75",
        "emqa show s3://bucket/eval --run 2026-01-05 --json",
    )
)
def show(
    output: Location,
    run: RunChoice = None,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="One class, by name or id; default: all.")
    ] = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option(metavar="T", help="Another evaluated IoU threshold; default: the run's chosen one."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="Performance by this metric; default: the most important one."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every metric and every class.")] = False,
    config: StorageConfigFile = None,
    set_: StorageSet = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="One object with the rows of summary, class_performance, metric_importance, run."
        ),
    ] = False,
) -> None:
    """Print a run: its measures and what its failures depend on.

    AP and AR with their intervals, metric importance and correlation, performance by the most important
    metric, the best and the worst classes.
    """
    from emqa_core.cli.show import show_run

    show_run(
        output,
        run,
        options.configuration(config, set_).storage,
        class_=class_,
        iou_threshold=iou_threshold,
        metric=metric,
        show_all=all_,
        as_json=json,
    )


@app.command(
    epilog=_epilog(
        "emqa report eval",
        "emqa report s3://bucket/eval --run 2026-01-05 --images s3://bucket/images",
        "emqa report eval --to night.html --charts charts",
    )
)
def report(
    output: Location,
    run: RunChoice = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where the page goes; default: beside the tables, in report/."),
    ] = None,
    images: options.Images = None,
    examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="The worst objects and frames, with pictures.")
    ] = True,
    charts: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="The main charts as PNG and SVG too (pip install emqa[charts])."),
    ] = None,
    config: StorageConfigFile = None,
    set_: StorageSet = None,
    json: Annotated[bool, typer.Option("--json", help="One object with the locations.")] = False,
) -> None:
    """Write a run's page: one HTML file that opens anywhere and fetches nothing.

    Measures, metric importance, performance by metric, advice, classes and examples, for any selection of
    classes and any evaluated IoU threshold.
    """
    from emqa_core.cli.report import write_report

    write_report(
        output,
        run,
        options.configuration(config, set_, images=images),
        to=to,
        with_examples=examples,
        charts=charts,
        as_json=json,
    )


@app.command(
    epilog=_epilog(
        "emqa explain object_area_px2 eval",
        "emqa explain frame_brightness s3://bucket/eval --class person --iou-threshold 0.75",
    )
)
def explain(
    metric: Annotated[
        str, typer.Argument(metavar="METRIC", help="A quality metric of the run.", show_default=False)
    ],
    output: Location,
    run: RunChoice = None,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="One class, by name or id; default: all.")
    ] = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option(metavar="T", help="Another evaluated IoU threshold; default: the run's chosen one."),
    ] = None,
    config: StorageConfigFile = None,
    set_: StorageSet = None,
) -> None:
    """Explain one metric: what it is, and what depends on it, how surely and where.

    Importance and correlations with their intervals for predictions, labels and frames, TPR and FNR by its
    ranges, the slices and recommendations that name it.
    """
    from emqa_core.cli.explain import explain_metric

    explain_metric(
        metric,
        output,
        run,
        options.configuration(config, set_).storage,
        class_=class_,
        iou_threshold=iou_threshold,
    )


@app.command(
    epilog=_epilog(
        "emqa worst eval --by object_area_px2 --class person --limit 50",
        "emqa worst eval --by localization --format coco --to localization.json",
        "emqa worst eval --by frame --format coco --to frames.json",
    )
)
def worst(
    output: Location,
    by: Annotated[
        str,
        typer.Option(
            metavar="METRIC|ERROR|frame",
            help="A quality metric, error_type, one of the error types, or frame.",
            show_default=False,
        ),
    ],
    run: RunChoice = None,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="One class, by name or id; default: all.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Objects, or frames, at most.")] = 100,
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="csv or coco.")] = "csv",
    to: Annotated[str | None, typer.Option(metavar="FILE", help="Where it goes; default: stdout.")] = None,
    config: StorageConfigFile = None,
    set_: StorageSet = None,
) -> None:
    """Export the frames or objects that went worst, for inspection or for labelling them again.

    False positives and missed labels, first those of the ranges of a metric in which most more goes wrong
    than on average; or those of an error type; or whole frames by lowest F1.
    """
    from emqa_core.cli.worst import export_worst

    export_worst(
        output,
        run,
        options.configuration(config, set_).storage,
        by=by,
        class_=class_,
        limit=limit,
        format_=format_,
        to=to,
    )


@app.command(epilog=_epilog("emqa runs eval", "emqa runs s3://bucket/eval --json"))
def runs(
    output: Location,
    config: StorageConfigFile = None,
    set_: StorageSet = None,
    json: Annotated[bool, typer.Option("--json", help="One object with the rows of the table run.")] = False,
) -> None:
    """List the runs of an output location, the newest first."""
    from emqa_core.cli.show import list_output

    list_output(output, options.configuration(config, set_).storage, as_json=json)


@app.command(
    epilog=_epilog(
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
    config: StorageConfigFile = None,
    set_: StorageSet = None,
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
    epilog=_epilog(
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
    epilog=_epilog(
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


@app.command(epilog=_epilog("emqa demo", "emqa demo --folder /tmp/demo"))
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
