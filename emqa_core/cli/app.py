"""The application: what stands above its commands, and what all of their helps end with."""

from __future__ import annotations

from typing import Annotated

import typer

CODES = (
    "Exit codes: 0 done, 1 bug, 2 options, 3 input, 4 quarantine, 5 plan, 6 storage, 7 no such run,"
    " 8 table columns, 9 cluster, 10 run busy, 11 own metric, 130 Ctrl-C, 143 SIGTERM."
)


def epilog(*examples: str) -> str:
    # \b keeps the lines as they are: an example is there to be copied.
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples)]) + f"\n\n{CODES}"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # boxes would break the examples, and take as long as all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=epilog(
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


def complete() -> typer.Typer:
    """The application with every command."""
    from emqa_core.cli import evaluating, reading  # noqa: F401 - commands join where they are declared

    return app
