"""Metrics of embeddings equal the brute-force oracle's, in whatever form the vectors come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emqa_core import evaluate
from tests.metric_values import BOX, assert_metrics, metric_values, object_rows
from tests.oracles.nearest_rows import frame_uniqueness, label_agreement
from tests.oracles.same_run import differences, tables_of

Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
Vector = np.ndarray | None
UNIQUENESS, AGREEMENT = "frame_uniqueness", "object_label_agreement"


def _evaluate(frames: Any, labels: Any, predictions: Any, *, partitions: int = 1) -> Any:
    return evaluate(
        frames=frames,
        labels=labels,
        predictions=predictions,
        metrics=["embeddings"],
        cluster={"address": "none", "partitions": partitions},
        intervals=False,
        iou_thresholds=[0.5],
    )


def _vectors(
    rng: np.random.Generator, groups: Sequence[int], n_dimensions: int, nearest: float = 0.05
) -> list[Vector]:
    """Vectors of float32 around a direction for each group, near and far, of any length; a tenth unusable."""
    directions = rng.normal(size=(max(groups) + 1, n_dimensions))
    vectors: list[Vector] = []
    for group in groups:
        spread = float(rng.choice([nearest, 0.5, 2.0]))
        vector = directions[group] + spread * rng.normal(size=n_dimensions)
        vector = (vector * 10.0 ** rng.uniform(-4, 4)).astype(np.float32)
        kind = rng.random()
        if kind < 0.03:
            vectors.append(None)
        elif kind < 0.06:
            vectors.append(np.zeros(n_dimensions, np.float32))
        else:
            if kind < 0.1:
                vector[int(rng.integers(n_dimensions))] = np.nan
            vectors.append(vector)
    return vectors


def _tables(
    frame_vectors: Sequence[Any], label_vectors: Sequence[Any], label_classes: Sequence[int],
    prediction_vectors: Sequence[Any], prediction_classes: Sequence[int], seed: int = 0,
) -> Tables:  # fmt: skip
    """Objects in any order of frames; ids of frames count down."""
    rng = np.random.default_rng([71, seed])
    n_frames = len(frame_vectors)
    frames = pd.DataFrame(
        {
            "frame_id": np.arange(n_frames)[::-1],
            "width_px": 640.0,
            "height_px": 480.0,
            "embedding": pd.Series(list(frame_vectors), dtype=object),
        }
    )
    tables = []
    for id_column, vectors, classes in (
        ("label_id", label_vectors, label_classes),
        ("prediction_id", prediction_vectors, prediction_classes),
    ):
        rows = [
            {
                "frame_id": int(rng.integers(n_frames)),
                **dict(zip(BOX, rng.uniform(1, 200, 4), strict=True)),
                "class_id": class_id,
                "class_name": f"class {class_id}",
            }
            for class_id in classes
        ]
        tables.append(object_rows(rows, id_column).assign(embedding=pd.Series(list(vectors), dtype=object)))
    return frames, tables[0], tables[1]


def _random_tables(seed: int) -> Tables:
    """120 frames; labels and predictions in vectors of one length, so that they could be mixed up."""
    rng = np.random.default_rng([20240613, seed])
    of_frames = _vectors(rng, rng.integers(0, 40, 120).tolist(), 16)
    usable = [i for i, vector in enumerate(of_frames) if vector is not None and np.abs(vector).sum() > 0]
    # Duplicates, one of another length.
    of_frames[usable[5]] = of_frames[usable[3]]
    of_frames[usable[9]] = of_frames[usable[7]] * np.float32(8)
    label_classes, prediction_classes = (rng.integers(0, 4, n).tolist() for n in (300, 260))
    label_vectors = _vectors(rng, label_classes, 12, nearest=0.3)
    prediction_vectors = _vectors(rng, prediction_classes, 12, nearest=0.3)
    return _tables(of_frames, label_vectors, label_classes, prediction_vectors, prediction_classes, seed)


def _assert_equals_the_oracle(run: Any, tables: Tables) -> None:
    frames, labels, predictions = tables
    values = frame_uniqueness(frames["embedding"].tolist())
    expected = pd.DataFrame({UNIQUENESS: values}, index=frames["frame_id"].astype(str).to_numpy())
    assert_metrics(run, "frame", expected, rtol=1e-4, atol=1e-6)
    for name, objects in (("label", labels), ("prediction", predictions)):
        agreement = label_agreement(objects["embedding"].tolist(), objects["class_id"].tolist())
        # float32 has about 1e-7.
        assert agreement.margin > 1e-5, "take another seed: rounding decides who is a neighbour"
        assert_metrics(run, name, pd.DataFrame({AGREEMENT: agreement.share}), rtol=0, atol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_vectors_equal_the_oracle(seed: int) -> None:
    tables = _random_tables(seed)
    values = frame_uniqueness(tables[0]["embedding"].tolist())
    # The comparison says something: nulls, duplicates, near and far frames.
    assert 0 < np.isnan(values).mean() < 0.3
    assert (values < 1e-9).sum() >= 4
    assert np.nanmax(values) > 0.1
    agreement = label_agreement(tables[1]["embedding"].tolist(), tables[1]["class_id"].tolist())
    assert len(np.unique(agreement.share[~np.isnan(agreement.share)])) > 7
    _assert_equals_the_oracle(_evaluate(*tables, partitions=1 + seed), tables)


def test_partitions_do_not_matter() -> None:
    """The nearest row lies in any partition."""
    tables = _random_tables(0)
    whole = tables_of(_evaluate(*tables))
    for partitions in (3, 7):
        assert differences(tables_of(_evaluate(*tables, partitions=partitions)), whole) == []


def _as_lists(table: pd.DataFrame) -> pd.DataFrame:
    lists = [None if vector is None else vector.tolist() for vector in table["embedding"]]
    return table.assign(embedding=pd.Series(lists, dtype=object))


def _as_arrow(table: pd.DataFrame, type_: pa.DataType) -> pa.Table:
    arrow = pa.Table.from_pandas(table.drop(columns="embedding"), preserve_index=False)
    lists = _as_lists(table)["embedding"].tolist()
    # from_pandas would be asked to make nulls of NaN; these stay.
    return arrow.append_column("embedding", pa.array(lists, type_))


FORMS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "lists": _as_lists,
    "list of float32": lambda table: _as_arrow(table, pa.list_(pa.float32())),
    "list of float64": lambda table: _as_arrow(table, pa.list_(pa.float64())),
    "large list": lambda table: _as_arrow(table, pa.large_list(pa.float32())),
    "fixed size": lambda table: _as_arrow(
        table, pa.list_(pa.float32(), len(table["embedding"].dropna().iloc[0]))
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_vectors(form: str) -> None:
    tables = _random_tables(1)
    _assert_equals_the_oracle(_evaluate(*(FORMS[form](table) for table in tables), partitions=2), tables)


@pytest.mark.parametrize("form", ["list of float32", "fixed size"])
def test_vectors_in_parquet(tmp_path: Path, form: str) -> None:
    import pyarrow.parquet as pq

    tables = _random_tables(2)
    paths = []
    for name, table in zip(("frames", "labels", "predictions"), tables, strict=True):
        paths.append(str(tmp_path / f"{name}.parquet"))
        pq.write_table(FORMS[form](table), paths[-1], row_group_size=50)
    _assert_equals_the_oracle(_evaluate(*paths, partitions=3), tables)


def _at_angles(*degrees: float) -> list[np.ndarray]:
    return [np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0]) for angle in degrees]


def _only_frames(vectors: Sequence[Any]) -> Tables:
    """Frames to look at; a label and a prediction because a data set has them."""
    return _tables(vectors, _at_angles(0), [1], _at_angles(0), [1])


@pytest.mark.parametrize(
    ("degrees", "cosines"),
    [
        # Each frame's nearest: 45 degrees, 45, 90, 45.
        ((0, 90, 180, 45), (np.sqrt(0.5), np.sqrt(0.5), 0, np.sqrt(0.5))),
        ((0, 180), (-1, -1)),
        ((10, 10, 70), (1, 1, 0.5)),
    ],
)
def test_uniqueness_in_closed_form(degrees: tuple[float, ...], cosines: tuple[float, ...]) -> None:
    vectors = [length * vector for length, vector in enumerate(_at_angles(*degrees), start=1)]
    frames, labels, predictions = _only_frames(vectors)
    expected = [(1 - cosine) / 2 for cosine in cosines]
    assert frame_uniqueness(vectors).tolist() == pytest.approx(expected, abs=1e-12)
    values = metric_values(_evaluate(frames, labels, predictions), "frame", [UNIQUENESS])[UNIQUENESS]
    found = [values[str(frame_id)] for frame_id in frames["frame_id"]]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


NOTHING = [None, np.zeros(3), np.array([0.0, np.nan, 1.0])]


@pytest.mark.parametrize("others", [[], NOTHING])
def test_the_only_frame_with_a_vector_is_not_unique(others: list[Any]) -> None:
    """Null, not 0 nor 1; and so is the agreement of a single object with nobody."""
    run = _evaluate(*_only_frames([*_at_angles(30), *others]))
    assert metric_values(run, "frame", [UNIQUENESS])[UNIQUENESS].isna().all()
    for table in ("label", "prediction"):
        assert metric_values(run, table, [AGREEMENT])[AGREEMENT].isna().all()


@pytest.mark.parametrize(
    ("degrees", "classes", "expected"),
    [
        # Twelve on either side: the ten nearest are one's own.
        ([*range(12), *range(90, 102)], [1] * 12 + [2] * 12, [1.0] * 24),
        # Six on either side: all others but the farthest, which is of the other class.
        ([*range(6), *range(90, 96)], [1] * 6 + [2] * 6, [0.5] * 12),
        # Fewer than ten others: all of them.
        ([0, 10, 50], [1, 1, 2], [0.5, 0.5, 0.0]),
        # A stranger among eleven.
        ([*range(11), 5.5], [1] * 11 + [2], [0.9] * 11 + [0.0]),
    ],
)
def test_agreement_in_closed_form(degrees: list[float], classes: list[int], expected: list[float]) -> None:
    """Vectors of any length, and rows without a vector, which are nobody's neighbours."""
    vectors = [length * vector for length, vector in enumerate(_at_angles(*degrees), start=1)]
    vectors, classes = [*NOTHING, *vectors], [1, 2, 1, *classes]
    assert label_agreement(vectors, classes).share[3:].tolist() == pytest.approx(expected)
    # Predictions have the classes the other way round: the share is that of their own table.
    swapped = [3 - class_id for class_id in classes]
    tables = _tables(_at_angles(0, 40), vectors, classes, vectors, swapped)
    run = _evaluate(*tables, partitions=2)
    for table in ("label", "prediction"):
        values = metric_values(run, table, [AGREEMENT])[AGREEMENT]
        assert values.iloc[:3].isna().all()
        assert values.iloc[3:].tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_many_frames_equal_the_oracle() -> None:
    """3,000 frames: no neighbour is missed."""
    rng = np.random.default_rng(72)
    tables = _only_frames(_vectors(rng, rng.integers(0, 400, 3000).tolist(), 32))
    run = _evaluate(*tables, partitions=4)
    values = frame_uniqueness(tables[0]["embedding"].tolist())
    expected = pd.DataFrame({UNIQUENESS: values}, index=tables[0]["frame_id"].astype(str).to_numpy())
    assert_metrics(run, "frame", expected, rtol=1e-4, atol=1e-6)
