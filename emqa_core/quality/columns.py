"""The values of a metric, and how a further column of the inputs becomes one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core import schema
from emqa_core.combined import combined
from emqa_core.objects import Array

_BOOL_NAMES = ("false", "true")


@dataclass(frozen=True)
class MetricColumn:
    """One metric of n rows.

    values (n,): float32 for the catalogue, float64 for a further column of numbers, NaN where null. For a
    categorical metric int32 codes into `categories`, -1 where null; the categories are those of these rows,
    so that codes mean nothing beyond them. stored: the further column in the type of the fact table.
    """

    values: Array
    categories: tuple[str, ...] | None = None
    stored: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.values)

    def arrow(self) -> pa.Array:
        """The column of the fact table, null where the metric does not apply."""
        if self.stored is not None:
            return self.stored
        is_null = np.isnan(self.values)
        return pa.array(self.values, mask=is_null) if is_null.any() else pa.array(self.values)


def metric_of_numbers(values: Array) -> MetricColumn:
    """A metric of the catalogue: numbers rounded to float32, null where they leave its range."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32, copy=False)
    is_beyond = np.isinf(rounded)
    return MetricColumn(np.where(is_beyond, np.float32(np.nan), rounded) if is_beyond.any() else rounded)


def metric_of_column(column: pa.ChunkedArray | pa.Array) -> MetricColumn:
    """A further column as a metric.

    Numbers keep their type in the table and are used as float64; null, NaN and infinite values are null
    when used. Text and booleans become categories, booleans named `false` and `true`.
    """
    column = combined(column)
    if pa.types.is_dictionary(column.type) and not pa.types.is_string(column.type.value_type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        codes = pc.fill_null(column.cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
        return MetricColumn(codes, _BOOL_NAMES, column)
    if pa.types.is_dictionary(column.type):
        return _categories(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or _is_view(column.type):
        return _categories(column.cast(pa.string()).dictionary_encode())
    values = np.array(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    values[np.isinf(values)] = np.nan
    return MetricColumn(values, None, column)


def _is_view(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(type_))


def _categories(column: pa.DictionaryArray) -> MetricColumn:
    """Codes of a dictionary column; a null may stand in the dictionary as well as in the indices."""
    if column.dictionary.null_count:
        column = column.dictionary_decode().dictionary_encode()
    codes = pc.fill_null(column.indices.cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
    return MetricColumn(codes, tuple(column.dictionary.to_pylist()), column.cast(schema.LABEL))
