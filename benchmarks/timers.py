"""Functions of the pipeline timed from outside: wrapped where they are looked up, in this process only."""

from __future__ import annotations

import functools
import importlib
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Timers:
    """CPU nanoseconds and calls by stage. A timed function that calls another one is not counted with it."""

    ns: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    _timed_within: list[int] = field(default_factory=lambda: [0])

    def install(self, stage: str, name: str, only_in: str | None = None) -> None:
        """Time a function as part of a stage. name: `module:function` or `module:Class.method`.

        only_in: the one module in which to replace a function that several use for different stages.
        Raises AttributeError or LookupError where the pipeline has no such function any more.
        """
        module_name, _, path = name.partition(":")
        *owners, last = path.split(".")
        owner: Any = importlib.import_module(module_name)
        for each in owners:
            owner = getattr(owner, each)
        found = vars(owner)[last] if owners else getattr(owner, last)
        if owners:
            is_class_method = isinstance(found, classmethod)
            timed = self.timed(stage, found.__func__ if is_class_method else found)
            setattr(owner, last, classmethod(timed) if is_class_method else timed)
            return
        timed = self.timed(stage, found)
        wanted = (
            [only_in] if only_in else [module for module in sys.modules if module.startswith("emqa_core")]
        )
        if not sum(_replace(vars(sys.modules[module]), found, timed) for module in wanted):
            raise LookupError(f"{name} is used nowhere in {', '.join(wanted)}")

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            self._timed_within.append(0)
            begun = time.process_time_ns()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.process_time_ns() - begun
                self.ns[stage] += spent - self._timed_within.pop()
                self.calls[stage] += 1
                self._timed_within[-1] += spent

        return call

    def clear(self) -> None:
        """Forget what was timed so far."""
        self.ns.clear()
        self.calls.clear()


def _replace(names: dict[str, Any], found: Any, timed: Any) -> int:
    """Put `timed` wherever `found` stands in a module: under its name, or in a table of functions."""
    n_replaced = 0
    for name, value in list(names.items()):
        if value is found:
            names[name] = timed
            n_replaced += 1
        elif type(value) is dict and any(each is found for each in value.values()):
            n_replaced += _replace(value, found, timed)
    return n_replaced
