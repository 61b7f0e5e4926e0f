"""The command line. Imports stay small here: `emqa --help` answers in a third of a second."""

from emqa_core.cli.entry import main

__all__ = ["main"]
