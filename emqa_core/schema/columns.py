"""What a column and a table are, and the types that columns have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

STRING = pa.string()


LABEL = pa.dictionary(pa.int32(), pa.string())  # few distinct values in many rows


INT = pa.int64()


FLOAT = pa.float64()


FLOAT32 = pa.float32()


BOOL = pa.bool_()


DATE = pa.date32()


TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type in memory, unit, whether it may be null, and what it means."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.type, self.nullable)


@dataclass(frozen=True)
class TableSchema:
    """The declared columns of one output table; `open` tables carry metric columns besides."""

    name: str
    row: str
    columns: tuple[Column, ...]
    open: bool = False

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def own(self) -> pa.Schema:
        """The Arrow schema without the common columns."""
        return pa.schema([column.field for column in self.columns])

    @cached_property
    def _complete(self) -> pa.Schema:
        return pa.schema([column.field for column in (*COMMON, *self.columns)])

    def arrow(self) -> pa.Schema:
        """The Arrow schema, common columns first."""
        return self._complete


def column(name: str, type_: pa.DataType, meaning: str, unit: str = "", nullable: bool = False) -> Column:
    return Column(name, type_, meaning, unit, nullable)


RUN_ID = column("run_id", STRING, "The run: date, model and digest. The tables are partitioned by it.")


COMMON = (
    RUN_ID,
    column("run_date", DATE, "The night the run stands for."),
    column("model", LABEL, "The model whose predictions were evaluated."),
    column("dataset", LABEL, "The data set they were evaluated on."),
)
