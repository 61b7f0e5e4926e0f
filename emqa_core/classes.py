"""The classes of a run, in the order in which everything is numbered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from emqa_core.errors import ConfigError, InputError


@dataclass(frozen=True)
class ClassList:
    """Classes in evaluation order: integer ids ascending, other ids in code-point order.

    ids are strings in the tables; `integer_ids` says that the sources hold integers. The position in
    the list is the class code of the kernels.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    integer_ids: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def code_of(self) -> dict[str, int]:
        return {class_id: code for code, class_id in enumerate(self.ids)}

    @classmethod
    def of(cls, pairs: Iterable[tuple[int | str, str]]) -> ClassList:
        """From (id, name) pairs. Two ids with one name are an InputError: rows could not be told apart."""
        listed = dict(pairs)
        integer_ids = all(isinstance(class_id, int) for class_id in listed)
        ordered = sorted(listed) if integer_ids else sorted(listed, key=str)
        names: dict[str, int | str] = {}
        for class_id in ordered:
            other = names.setdefault(listed[class_id], class_id)
            if other != class_id:
                raise InputError(
                    f"class name {listed[class_id]!r} stands for two ids, {other!r} and {class_id!r}",
                    next_step="give each class a name of its own",
                )
        return cls(tuple(str(c) for c in ordered), tuple(listed[c] for c in ordered), integer_ids)

    def select(self, wanted: Sequence[str]) -> ClassList:
        """The classes named by id or name, in evaluation order. Raises ConfigError for an unknown one."""
        by_name = dict(zip(self.names, self.ids, strict=True))
        chosen = set()
        for name in wanted:
            if name in by_name:
                chosen.add(by_name[name])
            elif name in self.code_of:
                chosen.add(name)
            else:
                raise ConfigError(
                    f"class {name!r} is not in the data set",
                    expected=f"one of {', '.join(self.names[:20])}{', ...' if len(self) > 20 else ''}",
                )
        kept = [code for code, class_id in enumerate(self.ids) if class_id in chosen]
        return ClassList(
            tuple(self.ids[c] for c in kept), tuple(self.names[c] for c in kept), self.integer_ids
        )
