"""The commands that read an output: names, options, help. What they do is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from emqa_core.cli import options
from emqa_core.cli.app import app, epilog


@app.command(
    epilog=epilog(
        "emqa show eval",
        "emqa show eval --metric object_area_px2 --class person --iou-threshold 0.75",
        "emqa show s3://bucket/eval --run 2026-01-05 --json",
    )
)
def show(
    output: options.Location,
    run: options.RunChoice = None,
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
    config: options.StorageConfigFile = None,
    set_: options.StorageSet = None,
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
    epilog=epilog(
        "emqa report eval",
        "emqa report s3://bucket/eval --run 2026-01-05 --images s3://bucket/images",
        "emqa report eval --to night.html --charts charts",
    )
)
def report(
    output: options.Location,
    run: options.RunChoice = None,
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
    config: options.StorageConfigFile = None,
    set_: options.StorageSet = None,
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
    epilog=epilog(
        "emqa explain object_area_px2 eval",
        "emqa explain frame_brightness s3://bucket/eval --class person --iou-threshold 0.75",
    )
)
def explain(
    metric: Annotated[
        str, typer.Argument(metavar="METRIC", help="A quality metric of the run.", show_default=False)
    ],
    output: options.Location,
    run: options.RunChoice = None,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="One class, by name or id; default: all.")
    ] = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option(metavar="T", help="Another evaluated IoU threshold; default: the run's chosen one."),
    ] = None,
    config: options.StorageConfigFile = None,
    set_: options.StorageSet = None,
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
    epilog=epilog(
        "emqa worst eval --by object_area_px2 --class person --limit 50",
        "emqa worst eval --by localization --format coco --to localization.json",
        "emqa worst eval --by frame --format coco --to frames.json",
    )
)
def worst(
    output: options.Location,
    by: Annotated[
        str,
        typer.Option(
            metavar="METRIC|ERROR|frame",
            help="A quality metric, error_type, one of the error types, or frame.",
            show_default=False,
        ),
    ],
    run: options.RunChoice = None,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="One class, by name or id; default: all.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Objects, or frames, at most.")] = 100,
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="csv or coco.")] = "csv",
    to: Annotated[str | None, typer.Option(metavar="FILE", help="Where it goes; default: stdout.")] = None,
    config: options.StorageConfigFile = None,
    set_: options.StorageSet = None,
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


@app.command(epilog=epilog("emqa runs eval", "emqa runs s3://bucket/eval --json"))
def runs(
    output: options.Location,
    config: options.StorageConfigFile = None,
    set_: options.StorageSet = None,
    json: Annotated[bool, typer.Option("--json", help="One object with the rows of the table run.")] = False,
) -> None:
    """List the runs of an output location, the newest first."""
    from emqa_core.cli.show import list_output

    list_output(output, options.configuration(config, set_).storage, as_json=json)
