"""From the arguments to the exit code: what a command raises becomes words, JSON and a code."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence

from emqa_core.cli.exits import UNEXPECTED
from emqa_core.cli.stopping import Stopped, stop_on_signals
from emqa_core.errors import ConfigError, EmqaError, printable

# What Delta's client logs unless told otherwise, without AWS's search for credentials: its end is our error.
_CLIENT_LOG = "warn,aws_config=error"
REPORT = "this is a bug of emqa: please report it with the lines above and the output of `emqa --version`"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Only bugs of emqa leave a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    os.environ.setdefault("RUST_LOG", _CLIENT_LOG)
    try:
        with stop_on_signals():
            code = _run(words)
            sys.stdout.flush()
            return code
    except EmqaError as error:
        _tell(error, as_json)
        return error.exit_code
    except Stopped as stopped:
        _tell(stopped, as_json)
        return stopped.exit_code
    except BrokenPipeError:
        # Python flushes stdout once more at exit; it must not fail there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 the traceback is printed, with what to do about it
        _tell_bug(error, as_json)
        return UNEXPECTED


def _run(words: list[str]) -> int:
    from typer import main as typer_main
    from typer.exceptions import TyperException

    from emqa_core.cli.app import complete

    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows a question mark rather than ending the command.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    command = typer_main.get_command(complete())
    try:
        result = command.main(args=words, prog_name="emqa", standalone_mode=False)
    except TyperException as error:
        text = error.format_message().rstrip(".")
        if not text:  # no arguments: the help was printed
            return 0
        context = getattr(error, "ctx", None)
        name = context.command_path if context is not None else "emqa"
        raise ConfigError(text[:1].lower() + text[1:], next_step=f"see `{name} --help`") from None
    return result if isinstance(result, int) else 0


def _tell(error: EmqaError | Stopped, as_json: bool) -> None:
    if isinstance(error, Stopped):
        lines = [error.problem, error.next_step]
        details = {}
    else:
        facts = [("expected", error.expected), ("found", error.found)]
        details = {name: None if value is None else str(value) for name, value in facts}
        known = [f"{name} {value}" for name, value in facts if value is not None]
        lines = ["; ".join([error.problem, *known]), error.next_step]
    first, next_step = lines
    print(f"error: {printable(str(first))}", file=sys.stderr)
    if next_step:
        print(f"       {printable(next_step)}", file=sys.stderr)
    if as_json:
        _print_json(
            type(error).__name__, error.exit_code, error.problem, **details, next_step=error.next_step
        )


def _tell_bug(error: Exception, as_json: bool) -> None:
    import traceback

    traceback.print_exception(error)
    print(f"error: {REPORT}", file=sys.stderr)
    if as_json:
        _print_json(type(error).__name__, UNEXPECTED, str(error), next_step=REPORT)


def _print_json(kind: str, exit_code: int, problem: str, **more: str | None) -> None:
    fields = {"kind": kind, "exit_code": exit_code, "problem": problem, **more}
    print(json.dumps({"error": fields}, ensure_ascii=False), flush=True)
