"""Classes as the rows of a table name them: by id, by name, or both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core import schema
from emqa_core.classes import ClassList
from emqa_core.combined import combined
from emqa_core.errors import InputError
from emqa_core.id_places import index_by_place

ClassPairs = list[tuple[int | str, str]]


def classes_of(table: pa.Table) -> ClassPairs:
    """The classes of the rows, each once: (id, name), ids ascending; a missing one of the two is the other.

    Raises InputError for an id with two names.
    """
    names = [name for name in ("class_id", "class_name") if name in table.column_names]
    pairs = table.select(names).group_by(names).aggregate([]).to_pydict()
    classes: dict[int | str, str] = {}
    for class_id, class_name in zip(pairs[names[0]], pairs[names[-1]], strict=True):
        if class_id is None:
            continue
        name = str(class_id if class_name is None else class_name)
        if classes.setdefault(class_id, name) != name:
            raise InputError(
                f"class {class_id!r} has two names, {classes[class_id]!r} and {name!r}",
                next_step="give each class one name in all rows",
            )
    return sorted(classes.items())


def with_class_names(table: pa.Table, classes: ClassPairs) -> pa.Table:
    """The table with both class columns; `class_name` taken from the list, an id not listed as it is."""
    if "class_id" not in table.column_names:
        table = table.append_column("class_id", table["class_name"].cast(pa.string()))
    if "class_name" in table.column_names:
        return table
    codes = _codes(table["class_id"], pa.array([class_id for class_id, _ in classes], table["class_id"].type))
    listed = pa.array([name for _, name in classes], pa.string())
    if codes.null_count == 0:
        names = pa.DictionaryArray.from_arrays(codes, listed)
    else:
        names = pc.coalesce(listed.take(codes), table["class_id"].cast(pa.string())).dictionary_encode()
    position = table.schema.get_field_index("class_id") + 1
    return table.add_column(position, pa.field("class_name", schema.LABEL), names)


def class_codes(table: pa.Table, classes: ClassList) -> np.ndarray:
    """Index of each row's class in the list, (n,) int32; -1 where the list does not have it.

    Rows are known by class_id; by class_name where they have no id, or where the list was made of names
    alone and does not have the id.
    """
    if "class_id" not in table.column_names:
        return _codes_by(table["class_name"], classes.names, integers=False)
    codes = _codes_by(table["class_id"], classes.ids, integers=classes.integer_ids)
    names_alone = classes.ids == classes.names and not classes.integer_ids
    if names_alone and "class_name" in table.column_names and bool((codes < 0).any()):
        by_name = _codes_by(table["class_name"], classes.names, integers=False)
        codes = np.where(codes < 0, by_name, codes)
    return codes


def _codes_by(column: pa.ChunkedArray, listed: Sequence[str], *, integers: bool) -> np.ndarray:
    """Index of each value among the listed ones, (n,) int32, -1 where it is not there."""
    if pa.types.is_dictionary(column.type):
        column = combined(column)
        codes = _codes(column.dictionary.cast(pa.string()), pa.array(listed, pa.string())).take(
            column.indices
        )
    elif integers and pa.types.is_integer(column.type):
        ids = pa.array([int(value) for value in listed], pa.int64())
        column = combined(column).cast(pa.int64())
        if (by_place := index_by_place(column, ids)) is not None:
            return by_place
        codes = _codes(column, ids)
    else:
        codes = _codes(column.cast(pa.string()), pa.array(listed, pa.string()))
    return np.asarray(pc.fill_null(codes, -1).to_numpy())


def _codes(column: pa.Array | pa.ChunkedArray, listed: pa.Array) -> pa.Array:
    """Index in the list, null where it is not there, int32."""
    return combined(pc.index_in(column, value_set=listed))
