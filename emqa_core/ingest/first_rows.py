"""A file's first rows: enough of them to tell a file of the wrong kind from one with bad rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emqa_core.errors import InputError
from emqa_core.ingest import quarantine
from emqa_core.ingest.arrow_columns import wrong_type
from emqa_core.ingest.columns import Kind, check_columns, content_of

_ENOUGH_ROWS = 1000


@dataclass
class FirstRows:
    """Counts over the first rows of a file of JSON objects."""

    n_rows: int = 0
    keys: set[str] = field(default_factory=set)
    _n_values: dict[str, int] = field(default_factory=dict)
    _misfits: dict[str, list[Any]] = field(default_factory=dict)
    _not_objects: list[Any] = field(default_factory=list)

    @property
    def are_enough(self) -> bool:
        return self.n_rows >= _ENOUGH_ROWS

    def count(self, key: str, n_values: int, misfits: Sequence[Any]) -> None:
        """Values of a key that are not null, and those among them that are not what its column holds."""
        self._n_values[key] = self._n_values.get(key, 0) + n_values
        self._misfits.setdefault(key, []).extend(misfits)

    def count_rows(self, n_rows: int, not_objects: Sequence[Any] = ()) -> None:
        """Rows, and those among them that are not objects."""
        self.n_rows += n_rows
        self._not_objects.extend(not_objects)

    def check(self, kind: Kind, names: Mapping[str, str], mapping: Mapping[str, str], source: str) -> None:
        """Raise InputError if no row is an object, or a column is in none or of the wrong type in all."""
        if not self.n_rows:
            return
        if len(self._not_objects) == self.n_rows:
            raise InputError(
                f"{source} holds no rows",
                expected="JSON objects, one for each row",
                found=quarantine.shown(self._not_objects[0]),
                next_step="check that it is the right file",
            )
        found = {names[key] for key in self.keys if key in names}
        check_columns(kind, self.keys, found, mapping, source)
        for key, misfits in self._misfits.items():
            content = content_of(kind, names[key])
            if content is not None and misfits and len(misfits) == self._n_values[key]:
                raise wrong_type(source, key, content, misfits[0])
