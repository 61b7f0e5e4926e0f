"""Metrics of images, tracks and embeddings: the same on a cluster, from stored scratch, after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emqa_core import evaluate
from emqa_core.errors import InputError, PlanError
from emqa_core.pipeline import relations
from emqa_core.quality import neighbours
from emqa_core.quality.neighbours import NearestIndex, blocks, check_fits, measured_recall, unit_vectors
from tests.oracles.same_run import differences, tables_of
from tests.test_image_sources import pictures, png

N_FRAMES, PER_FRAME = 24, 4
NOT_OF_ONE_RUN = {"run_id", "run_date", "digest", "configuration"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Frames of three sequences in turn, with images, tracks and embeddings, and a column in a module."""
    folder = tmp_path_factory.mktemp("related")
    for place, pixels in enumerate([*pictures(1), *pictures(2)]):
        (folder / f"{place:02d}.png").write_bytes(png(pixels))
    rng = np.random.default_rng(8)
    frames = pd.DataFrame(
        {
            "frame_id": range(N_FRAMES),
            "width_px": 32.0,
            "height_px": 24.0,
            "image_uri": [f"{i:02d}.png" for i in range(N_FRAMES)],
            "sequence_id": [f"s{i % 3}" for i in range(N_FRAMES)],
            "frame_index": [i // 3 for i in range(N_FRAMES)],
            "embedding": list(rng.normal(size=(N_FRAMES, 6)).astype(np.float32)),
        }
    )
    n = N_FRAMES * PER_FRAME
    labels = pd.DataFrame(
        {
            "frame_id": np.repeat(range(N_FRAMES), PER_FRAME),
            "class_id": rng.integers(0, 2, n),
            "x_px": rng.uniform(0, 20, n),
            "y_px": rng.uniform(0, 15, n),
            "width_px": 9.0,
            "height_px": 8.0,
            "track_id": [f"t{i % PER_FRAME}" for i in range(n)],
            "embedding": list(rng.normal(size=(n, 5)).astype(np.float32)),
        }
    )
    predictions = labels.assign(score=rng.uniform(size=n), x_px=labels["x_px"] + 0.5).iloc[::2]
    return {"labels": labels, "predictions": predictions, "frames": frames, "images": {"root": str(folder)}}


def run(data: dict[str, object], **options):
    return evaluate(**data, intervals=False, run_date="2026-01-01", **options)


@pytest.fixture(scope="module")
def whole(data: dict[str, object]) -> dict[str, pa.Table]:
    tables = tables_of(run(data, cluster={"address": "none"}))
    columns = set(tables["label"].column_names)
    assert {"object_brightness", "object_track_age", "object_label_agreement"} <= columns
    return tables


@pytest.mark.parametrize("partitions", [5, 24])
def test_partitions_do_not_matter(data, whole, partitions: int) -> None:
    options = {"address": "none", "partitions": partitions}
    assert differences(tables_of(run(data, cluster=options)), whole) == []


@pytest.mark.slow
@pytest.mark.cluster
def test_a_cluster_does_not_matter(data, whole, tmp_path: Path) -> None:
    options = {"address": "local", "workers": 2, "partitions": 5}
    result = run(data, cluster=options, output=str(tmp_path / "out"))
    assert differences(tables_of(result), whole) == []


def test_buckets_of_tracks_do_not_matter(data, whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations, "_TRACK_ROWS", 20)
    result = run(data, cluster={"address": "none", "partitions": 3})
    assert differences(tables_of(result), whole) == []


def test_a_run_that_was_stopped_goes_on(data, whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions that were finished are taken over; the others are related to them all the same."""
    from emqa_core.pipeline import partition_tasks, stages

    class StoppedError(Exception):
        pass

    def stop_at_third(task):
        if task.index == 2:
            raise StoppedError
        return evaluate_partition(task)

    evaluate_partition = stages.evaluate_partition
    options = {"cluster": {"address": "none", "partitions": 5}, "output": str(tmp_path / "out")}
    monkeypatch.setattr(partition_tasks, "is_scratch_held", lambda *_: False)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "evaluate_partition", stop_at_third)
        with pytest.raises(StoppedError):
            run(data, **options)
    notes: list[str] = []

    class Progress:
        def start(self, *_): ...
        def advance(self, *_): ...
        def finish(self, *_): ...
        def note(self, text: str) -> None:
            notes.append(text)

    assert differences(tables_of(run(data, **options, progress=Progress())), whole) == []
    assert "reusing 2 of 5 finished partitions" in notes


def test_vectors_of_two_lengths_are_refused(data) -> None:
    frames = data["frames"].copy()
    frames.at[7, "embedding"] = np.ones(3, np.float32)
    with pytest.raises(InputError, match="embeddings of frame differ in length.*3 and 6"):
        run({**data, "frames": frames}, cluster={"address": "none", "partitions": 4})
    frames.at[7, "embedding"] = np.ones(0, np.float32)
    result = run({**data, "frames": frames}, cluster={"address": "none"})
    assert result.table("frame")["frame_uniqueness"].null_count == 1


def test_vectors_that_do_not_fit_are_refused() -> None:
    check_fits(40_000, 512, 1 << 30)
    with pytest.raises(PlanError, match=r"10,000,000 embeddings of 512 numbers need 5\.\d GiB"):
        check_fits(10_000_000, 512, 1 << 30)


@pytest.mark.slow
@pytest.mark.parametrize("most_whole", [1 << 30, 0])
def test_an_approximate_index_finds_most_neighbours(most_whole: int, monkeypatch) -> None:
    """Whole vectors and one byte for a number, against every pair compared by NumPy."""
    monkeypatch.setattr(neighbours, "MOST_EXACT", 1_000)
    monkeypatch.setattr(neighbours, "_MOST_WHOLE_BYTES", most_whole)
    rng = np.random.default_rng(2)
    n, d, k = 6_000, 24, 10
    centres = rng.normal(size=(40, d))
    raw = centres[rng.integers(0, 40, n)] + 0.4 * rng.normal(size=(n, d))
    vectors = unit_vectors(
        raw.astype(np.float32), np.zeros(n, np.int32), rng.integers(0, 2**63, n).astype(np.uint64) * 2
    )
    index = NearestIndex(n, d, vectors.vectors)
    assert not index.is_exact
    index.add(vectors.vectors[:100])
    index.add(vectors.vectors[100:])
    found, first = [], 0
    for block in blocks([vectors.vectors[:4_000], vectors.vectors[4_000:]]):
        found.append(index.nearest(block, first, k).place)
        first += len(block)
    cosine = vectors.vectors.astype(np.float64) @ vectors.vectors.T
    np.fill_diagonal(cosine, -2)
    true = np.argsort(-cosine, axis=1)[:, :k]
    hits = [
        len(set(some) & set(row))
        for some, row in zip(np.concatenate(found).tolist(), true.tolist(), strict=True)
    ]
    recall = sum(hits) / (n * k)
    assert recall > 0.9
    measured = measured_recall(index, lambda: iter([vectors]), n, k)
    assert abs(measured - recall) < 0.03


def test_many_categories_without_meaning_are_not_significant() -> None:
    """300 cameras at random: what is folded into `other` is not chosen by what was found."""
    rng = np.random.default_rng(5)
    n = 3_000
    frames = pd.DataFrame({"frame_id": range(n), "camera": [f"c{i}" for i in rng.integers(0, 300, n)]})
    labels = pd.DataFrame(
        {"frame_id": np.repeat(range(n), 2), "class_id": 1, "x_px": np.tile([0.0, 50], n), "y_px": 0.0,
         "width_px": 10.0, "height_px": 10.0}
    )  # fmt: skip
    predictions = labels[rng.uniform(size=2 * n) < 0.65].assign(score=0.9)
    result = evaluate(
        labels=labels,
        predictions=predictions,
        frames=frames,
        metrics=["frame_camera"],
        cluster={"address": "none"},
    )
    table = result.to_pandas("metric_importance")
    rows = table[
        (table["metric"] == "frame_camera") & (table["scope"] == "all") & (table["iou_threshold"] == 0.5)
    ]
    assert (rows["n_bins"] > 1).any()
    assert not rows["is_significant"].fillna(False).any()
    assert rows["correlation"].isna().all()
    bins = result.to_pandas("metric_bin")
    assert (bins["metric"] == "frame_camera").sum() == 200 and "other" in bins["category"].tolist()


def test_an_object_is_not_its_own_neighbour() -> None:
    """Equal vectors: which of them an index names first must not matter."""
    frames = pd.DataFrame({"frame_id": range(3)})
    rows = pd.DataFrame({"frame_id": range(3), "class_id": [0, 1, 2], "x_px": 0.0, "y_px": 0.0})
    rows = rows.assign(width_px=5.0, height_px=5.0, embedding=[[1.0, 2.0]] * 3)
    result = evaluate(
        labels=rows, predictions=rows.assign(score=0.5), frames=frames, metrics=["embeddings"],
        intervals=False, cluster={"address": "none"},
    )  # fmt: skip
    assert result.table("label")["object_label_agreement"].to_pylist() == [0, 0, 0]
