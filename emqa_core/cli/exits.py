"""What the exit codes mean. The codes of expected errors stand with their classes in errors.py."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from emqa_core.errors import EmqaError

UNEXPECTED = 1


@dataclass(frozen=True)
class ExitCode:
    """An exit code, the `kind` that `--json` gives with it, and its meaning."""

    code: int
    kind: str
    meaning: str


def exit_codes() -> tuple[ExitCode, ...]:
    """Every exit code, ascending."""
    errors = sorted(EmqaError.__subclasses__(), key=lambda kind: kind.exit_code)
    return (
        ExitCode(0, "", "Done; also when the run was committed before and there was nothing to do."),
        ExitCode(UNEXPECTED, "any other", "A bug of emqa: the traceback says where."),
        *(ExitCode(e.exit_code, e.__name__, (e.__doc__ or "").strip().split("\n")[0]) for e in errors),
        ExitCode(128 + signal.SIGINT, "Stopped", "Stopped by Ctrl-C."),
        ExitCode(128 + signal.SIGPIPE, "", "The reader of the output went away, as `head` does."),
        ExitCode(128 + signal.SIGTERM, "Stopped", "Stopped by SIGTERM."),
    )


def exit_code_table() -> str:
    """The exit codes as a Markdown table, for docs/command-line.md."""
    lines = ["| code | kind | meaning |", "|---|---|---|"]
    for entry in exit_codes():
        kind = f"`{entry.kind}`" if entry.kind.isidentifier() else entry.kind
        lines.append(f"| {entry.code} | {kind} | {entry.meaning} |")
    return "\n".join(lines) + "\n"
