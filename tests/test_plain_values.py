from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from emqa_core.pipeline.plain_values import from_arrays, to_arrays
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part, read_arrays, write_arrays

SCHEMA = pa.schema([pa.field("score", pa.float64(), False), ("head", pa.dictionary(pa.int32(), pa.string()))])


@dataclass(frozen=True)
class Stranger:
    n: int


def through_a_file(value: object, folder: Path) -> object:
    location = Location.of(folder)
    write_arrays(location, "r1", "value", to_arrays(value, (DistinctValues, Part)))
    return from_arrays(read_arrays(location, "r1", "value"), (DistinctValues, Part))


def test_a_value_comes_back_from_a_file_to_the_bit(tmp_path: Path) -> None:
    table = pa.table({"score": [0.1, float("nan")], "head": ["fine", None]}).cast(SCHEMA)
    value = {
        "numbers": DistinctValues(np.array([-0.0, 0.1, np.inf]), np.arange(6).reshape(3, 2)),
        "text": DistinctValues(("", "Grüße", "sun"), np.zeros((3, 2), np.int64), True),
        "parts": (Part("label", "label/x.parquet", 3, 4, SCHEMA, "{}"),),
        "table": table,
        "plain": (None, True, 3, 0.1, "text", np.int64(7), np.float32(0.5)),
    }
    found = through_a_file(value, tmp_path)
    assert isinstance(found, dict)
    assert found["numbers"].values.tobytes() == value["numbers"].values.tobytes()  # type: ignore[attr-defined]
    assert found["numbers"].counts.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (found["text"].values, found["text"].overflow) == (("", "Grüße", "sun"), True)
    assert found["parts"] == value["parts"]
    assert found["parts"][0].schema.equals(SCHEMA)
    assert found["table"].schema.equals(SCHEMA)
    assert found["table"]["head"].to_pylist() == ["fine", None]
    assert found["plain"] == (None, True, 3, 0.1, "text", 7, 0.5)
    assert [type(each) for each in found["plain"][1:4]] == [bool, int, float]


@pytest.mark.parametrize("value", [Stranger(1), {1: 2}, object(), [1]], ids=["class", "key", "other", "list"])
def test_what_has_no_plain_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no form as plain arrays"):
        to_arrays({"value": value}, (DistinctValues,))


def test_a_class_that_is_not_listed_is_not_made() -> None:
    arrays = to_arrays(Stranger(1), (Stranger,))
    with pytest.raises(KeyError):
        from_arrays(arrays, (DistinctValues,))


def test_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        through_a_file(np.array([object()], object), tmp_path)
