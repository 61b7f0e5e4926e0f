"""COCO JSON against json.load and plain Python."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from emqa_core.errors import EmqaError, InputError
from emqa_core.ingest.source import read_frames, read_labels, read_predictions
from tests.data import data_folder
from tests.ingest.sources import (
    CONFIG,
    FILES,
    annotation,
    config_with_columns,
    instances,
    prediction,
    write,
    write_json,
)

REAL_LABELS = [
    ("coco446", "labels.json.gz"),
    ("coco_val2014_100", "labels.json.gz"),
    ("voc2007_test", "gt_all.json.gz"),
    ("mot17", "gt_pedestrian_ignore.json.gz"),
    ("kidney318", "labels.json.gz"),
    ("formats_voc100", "gt.json"),
]
REAL_PREDICTIONS = [
    ("coco446", "predictions_yolox_nano.json.gz"),
    ("coco446", "predictions_fastestdet.json.gz"),
    ("coco_val2014_100", "predictions_bbox.json.gz"),
    ("voc2007_test", "dt_yolov2_ep260.json.gz"),
    ("mot17", "dt_lift_FRCNN.json.gz"),
    ("kidney318", "predictions.json.gz"),
]


def _loaded(path: Path) -> Any:
    with (gzip.open if path.suffix == ".gz" else open)(path) as file:
        return json.load(file)


def _boxes(table: pa.Table) -> np.ndarray:
    return np.stack([table[name].to_numpy() for name in ("x_px", "y_px", "width_px", "height_px")], axis=1)


@pytest.mark.parametrize(("data_set", "name"), REAL_LABELS)
def test_real_labels_are_read_as_json_load_reads_them(data_set: str, name: str) -> None:
    path = data_folder(data_set) / name
    expected = _loaded(path)
    labels = read_labels(str(path), CONFIG, FILES)

    annotations, images = expected["annotations"], expected["images"]
    assert labels.frame is not None
    assert labels.frame["frame_id"].to_pylist() == [image["id"] for image in images]
    assert labels.frame["frame_order"].to_pylist() == [image["id"] for image in images]
    assert labels.frame["image_uri"].to_pylist() == [image["file_name"] for image in images]
    assert labels.frame["width_px"].to_pylist() == [image["width"] for image in images]
    assert labels.frame["height_px"].to_pylist() == [image["height"] for image in images]

    names = {category["id"]: category["name"] for category in expected["categories"]}
    table = labels.label
    assert table["label_id"].to_pylist() == [row["id"] for row in annotations]
    assert table["frame_id"].to_pylist() == [row["image_id"] for row in annotations]
    assert table["input_index"].to_pylist() == list(range(len(annotations)))
    assert table["class_name"].to_pylist() == [names[row["category_id"]] for row in annotations]
    assert np.array_equal(_boxes(table), [row["bbox"] for row in annotations])
    assert table["area_px2"].to_pylist() == [row["area"] for row in annotations]
    assert table["is_crowd"].to_pylist() == [bool(row["iscrowd"]) for row in annotations]
    assert labels.classes == list(names.items())
    assert labels.n_rows == {"frame": len(images), "label": len(annotations)}
    assert labels.quarantine.num_rows == 0
    assert labels.bytes_read == path.stat().st_size


@pytest.mark.parametrize(("data_set", "name"), REAL_PREDICTIONS)
def test_real_predictions_are_read_as_json_load_reads_them(data_set: str, name: str) -> None:
    path = data_folder(data_set) / name
    expected = _loaded(path)
    table = read_predictions(str(path), CONFIG, FILES).prediction
    assert table["prediction_id"].to_pylist() == list(range(len(expected)))
    assert table["frame_id"].to_pylist() == [row["image_id"] for row in expected]
    assert table["class_id"].to_pylist() == [row["category_id"] for row in expected]
    assert np.array_equal(_boxes(table), [row["bbox"] for row in expected])
    assert table["score"].to_pylist() == [row["score"] for row in expected]


def test_further_keys_of_real_data_become_columns() -> None:
    voc = data_folder("voc2007_test") / "gt_all.json.gz"
    table = read_labels(str(voc), CONFIG, FILES).label
    rows = _loaded(voc)["annotations"]
    for name in ("truncated", "difficult", "pose"):
        assert table[name].to_pylist() == [row[name] for row in rows]

    path = data_folder("mot17") / "gt_pedestrian.json.gz"
    config = config_with_columns(frame={"sequence_id": "sequence", "frame_index": "frame"})
    labels = read_labels(str(path), config, FILES)
    loaded = _loaded(path)
    assert labels.frame is not None
    assert labels.frame["sequence_id"].to_pylist() == [image["sequence"] for image in loaded["images"]]
    assert labels.frame["frame_index"].to_pylist() == [image["frame"] for image in loaded["images"]]
    assert labels.label["visibility"].to_pylist() == [row["visibility"] for row in loaded["annotations"]]
    assert labels.label["track_id"].to_pylist() == [str(row["track_id"]) for row in loaded["annotations"]]


def test_addresses_licences_and_masks_are_no_columns(tmp_path: Path) -> None:
    labels = instances([annotation(1, segmentation=[[1, 2, 3, 4, 5, 6]], keypoints=[1, 2, 2], occluded=True)])
    labels["images"][0].update(coco_url="u", flickr_url="u", date_captured="2013", license=3, camera="left")
    read = read_labels(write_json(tmp_path / "labels.json", labels), CONFIG, FILES)
    assert read.frame is not None
    assert read.frame.column_names == [
        "frame_id", "frame_order", "width_px", "height_px", "image_uri", "camera",
    ]  # fmt: skip
    assert read.frame["camera"].to_pylist() == ["left", None]
    assert read.label.column_names[-3:] == ["is_crowd", "is_ignored", "occluded"]
    assert read.label["occluded"].to_pylist() == [True]


def test_categories_may_come_last_and_without_labels(tmp_path: Path) -> None:
    labels = instances([annotation(5, iscrowd=1, ignore=1)])
    read = read_labels(write_json(tmp_path / "labels.json.gz", labels), CONFIG, FILES)
    assert read.classes == [(3, "cat"), (7, "dog")]
    row = read.label.to_pylist()[0]
    assert (row["is_crowd"], row["is_ignored"], row["class_name"]) == (True, True, "cat")


def test_ids_may_be_text(tmp_path: Path) -> None:
    labels = instances([annotation(1, "b"), annotation(2, "10"), annotation(3, "9")], ("b", "10", "9"))
    read = read_labels(write_json(tmp_path / "labels.json", labels), CONFIG, FILES)
    assert read.frame is not None
    assert dict(zip(*read.frame.select(["frame_id", "frame_order"]).to_pydict().values(), strict=True)) == {
        "10": 0, "9": 1, "b": 2,
    }  # fmt: skip
    assert read.label["frame_id"].to_pylist() == ["b", "10", "9"]


def test_ids_of_both_kinds_become_text(tmp_path: Path) -> None:
    read = read_predictions(
        write_json(tmp_path / "p.json", [prediction(1), prediction("x"), prediction(2.0)]), CONFIG, FILES
    )
    assert read.prediction["frame_id"].to_pylist() == ["1", "x", "2"]


@pytest.mark.parametrize("keys", [("images",), ("annotations",), ("images", "annotations", "categories")])
def test_empty_labels_are_ordinary(tmp_path: Path, keys: tuple[str, ...]) -> None:
    labels = instances([annotation(1)])
    labels.update({key: [] for key in keys})
    read = read_labels(write_json(tmp_path / "labels.json", labels), CONFIG, FILES)
    assert read.frame is not None
    assert read.frame.num_rows == len(labels["images"])
    assert read.label.num_rows + read.quarantine.num_rows == len(labels["annotations"])
    assert {"frame_id", "class_name", "x_px", "area_px2", "is_crowd"} <= set(read.label.column_names)


@pytest.mark.parametrize("text", ["[]", "[ ]\n", " [\n] "])
def test_empty_predictions_are_ordinary(tmp_path: Path, text: str) -> None:
    read = read_predictions(write(tmp_path / "p.json", text), CONFIG, FILES)
    assert read.prediction.num_rows == read.n_rows == 0
    assert read.prediction.schema.field("score").type == pa.float64()


def test_results_may_stand_in_a_coco_object(tmp_path: Path) -> None:
    dataset = instances([annotation(4, score=0.25)])
    read = read_predictions(write_json(tmp_path / "p.json", dataset), CONFIG, FILES)
    assert read.prediction["score"].to_pylist() == [0.25]
    assert read.prediction["prediction_id"].to_pylist() == [4]


def test_a_folder_is_one_source_in_path_order(tmp_path: Path) -> None:
    for name, scores in (("b", [0.3]), ("a", [0.1, 0.2])):
        write_json(tmp_path / f"{name}.json", [prediction(1, score=score) for score in scores])
    read = read_predictions(str(tmp_path), CONFIG, FILES)
    assert read.prediction.select(["input_index", "score"]).to_pydict() == {
        "input_index": [0, 1, 2],
        "score": [0.1, 0.2, 0.3],
    }


def test_labels_of_several_files_share_their_categories(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", instances([annotation(1)], (1,)))
    second = instances([annotation(1, 2, category_id=8)], (2,))
    second["categories"] = [{"id": 8, "name": "horse"}]
    write_json(tmp_path / "b.json", second)
    read = read_labels(str(tmp_path), CONFIG, FILES)
    assert read.classes == [(3, "cat"), (7, "dog"), (8, "horse")]
    assert read.label["class_name"].to_pylist() == ["cat", "horse"]


def test_frames_can_be_read_from_coco_images(tmp_path: Path) -> None:
    read = read_frames(write_json(tmp_path / "f.json", instances([annotation(1)])), CONFIG, FILES)
    assert read.frame["frame_id"].to_pylist() == [1, 2]


def test_labels_may_be_an_array_of_rows(tmp_path: Path) -> None:
    rows = [{"frame_id": "a", "class_name": "cat", "x": 1, "y": 2, "w": 3, "h": 4}]
    read = read_labels(write_json(tmp_path / "l.json", rows), CONFIG, FILES)
    assert read.frame is None
    assert read.classes == [("cat", "cat")]
    assert read.label["width_px"].to_pylist() == [3.0]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    first = read_predictions(write_json(tmp_path / "a.json", [prediction()]), CONFIG, FILES)
    same = read_predictions(write_json(tmp_path / "b.json", [prediction()]), CONFIG, FILES)
    other = read_predictions(write_json(tmp_path / "c.json", [prediction(score=0.6)]), CONFIG, FILES)
    assert first.digest == same.digest != other.digest


CAT_TWICE = [{"id": 3, "name": "cat"}, {"id": 7, "name": "cat"}]
REFUSED: list[tuple[str, Any, tuple[str, ...]]] = [
    ("labels given as predictions", instances([annotation(1)]), ("file of labels", "--labels")),
    ("an object of something else", {"precision": 1}, ("not a file of COCO results", "precision")),
    ("no score in any row", [prediction(score=...)] * 2, ("no column 'score'", "bbox")),
    ("no box in any row", [prediction(bbox=...)] * 2, ("no boxes", "bbox")),
    ("masks only", [prediction(bbox=..., segmentation={"size": [2, 2]})], ("no boxes", "segmentation")),
    ("no frame in any row", [prediction(image_id=...)] * 2, ("no column 'frame_id'", "image_id")),
    ("no class in any row", [prediction(category_id=...)] * 2, ("no class column", "category_id")),
    ("scores are text", [prediction(score="0.5")] * 2, ("'score'", "numbers", "0.5")),
    ("boxes are text", [prediction(bbox="1 2 3 4")] * 2, ("'bbox'", "lists of four numbers")),
    ("rows are numbers", [1, 2, 3], ("no rows", "JSON objects")),
]


@pytest.mark.parametrize(("value", "words"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_predictions_that_are_refused_at_once(tmp_path: Path, value: Any, words: tuple[str, ...]) -> None:
    path = write_json(tmp_path / "predictions.json", value)
    with pytest.raises(InputError) as caught:
        read_predictions(path, CONFIG, FILES)
    for word in (path, *words):
        assert word in str(caught.value)
    assert caught.value.next_step


LABELS_REFUSED: list[tuple[str, Any, tuple[str, ...]]] = [
    ("results given as labels", [prediction()], ("file of predictions", "--predictions")),
    ("no images", {"annotations": [], "categories": []}, ("'images'", "annotations, categories")),
    ("no categories", {"images": [], "annotations": []}, ("'categories'",)),
    ("no annotations", {"images": [], "categories": []}, ("'annotations'",)),
    ("two names alike", instances([]) | {"categories": CAT_TWICE}, ("'cat'", "3", "7")),
    ("a category without id", instances([]) | {"categories": [{"name": "cat"}]}, ("category", "id")),
    ("categories are no array", instances([]) | {"categories": {"3": "cat"}}, ("categories",)),
]


@pytest.mark.parametrize(
    ("value", "words"), [case[1:] for case in LABELS_REFUSED], ids=[case[0] for case in LABELS_REFUSED]
)
def test_labels_that_are_refused_at_once(tmp_path: Path, value: Any, words: tuple[str, ...]) -> None:
    path = write_json(tmp_path / "labels.json", value)
    with pytest.raises(InputError) as caught:
        read_labels(path, CONFIG, FILES)
    for word in (path, *words):
        assert word in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("suffix", [".json", ".json.gz", "damaged.json.gz"])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float, suffix: str) -> None:
    text = json.dumps([prediction(1, score=index / 3000) for index in range(3000)]).encode()
    packed = gzip.compress(text)
    path = tmp_path / f"p{suffix}"
    if suffix == ".json":
        path.write_bytes(text[: int(share * len(text))])
    elif suffix == ".json.gz":
        path.write_bytes(packed[: int(share * len(packed))])
    else:
        at = 10 + int(share * (len(packed) - 11))
        path.write_bytes(packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :])
    with pytest.raises(InputError) as caught:
        read_predictions(str(path), CONFIG, FILES)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["[{]", '[{"image_id": 1}}]', '[{"image_id": 1} {"image_id": 2}]', "[1,]", "nothing", b"[\xff\xfe]"],
)
def test_broken_json_is_refused_with_its_place(tmp_path: Path, text: str | bytes) -> None:
    path = write(tmp_path / "p.json", text)
    with pytest.raises(EmqaError) as caught:
        read_predictions(path, CONFIG, FILES)
    assert path in str(caught.value)


@pytest.mark.parametrize("name", ["labels.txt", "labels", "labels.json.zip"])
def test_a_name_that_tells_no_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"does not tell a format.*\.json"):
        read_labels(write(tmp_path / name, "{}"), CONFIG, FILES)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "labels.json", tmp_path):
        with pytest.raises(InputError, match="does not exist or holds no data file"):
            read_labels(str(path), CONFIG, FILES)


def test_a_folder_of_several_formats_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "[]")
    write(tmp_path / "b.csv", "x")
    with pytest.raises(InputError, match=r"mixes formats.*a\.json, b\.csv"):
        read_predictions(str(tmp_path), CONFIG, FILES)


@pytest.mark.parametrize(
    ("changes", "n_unread"),
    [({"score": ...}, 0), ({"score": "0.5"}, 60), ({"bbox": ...}, 0), ({"bbox": "1"}, 60)],
)
def test_bad_rows_at_the_start_are_not_a_bad_file(
    tmp_path: Path, changes: dict[str, Any], n_unread: int
) -> None:
    rows = [prediction(**changes)] * 60 + [prediction()] * 2000
    read = read_predictions(write_json(tmp_path / "p.json", rows), CONFIG, FILES)
    assert read.quarantine["row"].to_pylist() == list(range(n_unread))
    assert read.prediction["score"].to_pylist()[-2000:] == [0.5] * 2000
    in_object = [annotation(number, score=0.5) for number in range(1000)]
    in_object[:60] = [annotation(number, **{"score": 0.5, **changes}) for number in range(60)]
    object_url = write_json(tmp_path / "o.json", instances(in_object))
    assert read_predictions(object_url, CONFIG, FILES).n_rows == 1000


def test_optional_values_that_do_not_fit_at_the_start_are_bad_rows(tmp_path: Path) -> None:
    rows = [annotation(number, area="large" if number < 60 else 5.0) for number in range(2000)]
    read = read_labels(write_json(tmp_path / "labels.json", instances(rows)), CONFIG, FILES)
    assert read.quarantine.num_rows == 60
    long_first = [annotation(0, area="large", note="x" * 5000)]  # a block of its own, the rest is typed
    long_first += [annotation(number, note="") for number in range(1, 2000)]
    read = read_labels(write_json(tmp_path / "labels.json", instances(long_first)), CONFIG, FILES)
    assert read.quarantine["row"].to_pylist() == [0]
    everywhere = [annotation(number, area="large") for number in range(2000)]
    with pytest.raises(InputError, match="'area' has the wrong type throughout"):
        read_labels(write_json(tmp_path / "labels.json", instances(everywhere)), CONFIG, FILES)


def test_flags_and_ids_in_either_kind_of_number(tmp_path: Path) -> None:
    n_rows = 12_000  # several blocks: the bad flag's is read loosely, the others are typed
    rows = [annotation(number, iscrowd=number % 2, category_id=3.0) for number in range(n_rows)]
    rows[3000]["iscrowd"] = 2
    read = read_labels(write_json(tmp_path / "labels.json", instances(rows)), CONFIG, FILES)
    assert read.quarantine.select(["row", "column"]).to_pylist() == [{"row": 3000, "column": "is_crowd"}]
    kept = [number for number in range(n_rows) if number != 3000]
    assert read.label["is_crowd"].to_pylist() == [number % 2 == 1 for number in kept]
    assert read.label["class_id"].type == pa.int64()
    assert set(read.label["class_name"].to_pylist()) == {"cat"}


def test_what_follows_the_labels_is_refused(tmp_path: Path) -> None:
    text = json.dumps(instances([annotation(1)])) + " {}"
    with pytest.raises(InputError, match="expected the end of the file"):
        read_labels(write(tmp_path / "labels.json", text), CONFIG, FILES)


def test_in_a_video_data_set_the_id_is_the_frame(tmp_path: Path) -> None:
    labels = instances([annotation(1, 7), annotation(2, 8)], (7, 8))
    for position, image in enumerate(labels["images"]):
        image.update(frame_id=position % 1, video_id=3)
    config = config_with_columns(frame={"sequence_id": "video_id", "frame_index": "frame_id"})
    for chosen, columns in ((CONFIG, ["video_id"]), (config, ["sequence_id", "frame_index"])):
        frame = read_labels(write_json(tmp_path / "labels.json", labels), chosen, FILES).frame
        assert frame is not None
        assert frame["frame_id"].to_pylist() == [7, 8]
        assert frame.column_names[5:] == columns


def test_whole_numbers_beyond_64_bits_are_ids_as_text(tmp_path: Path) -> None:
    path = write_json(tmp_path / "p.json", [prediction(2**63), prediction(1)])
    assert read_predictions(path, CONFIG, FILES).prediction["frame_id"].to_pylist() == [str(2**63), "1"]


def test_a_mask_nested_too_deeply_is_refused_among_good_rows(tmp_path: Path) -> None:
    rows = [prediction(segmentation=[[1]]) for _ in range(3000)]
    text = json.dumps(rows).replace("[[1]]}]", "[" * 100_000 + "]" * 100_000 + "}]")
    with pytest.raises(InputError, match=r"p\.json"):
        read_predictions(write(tmp_path / "p.json", text), CONFIG, FILES)


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5000], ids=["deep", "long"])
def test_values_that_no_parser_takes_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"p\.json"):
        read_predictions(write(tmp_path / "p.json", f'[{{"image_id": 1, "score": {value}'), CONFIG, FILES)


def test_keys_and_types_that_come_late_are_kept(tmp_path: Path) -> None:
    rows = [prediction(1, blur=1) for _ in range(6000)]
    rows[3000].update(blur=0.25, night=True)
    rows[5000].update(blur=None, camera="left")
    table = read_predictions(write_json(tmp_path / "p.json", rows), CONFIG, FILES).prediction
    assert table["blur"].to_pylist() == [row["blur"] for row in rows]
    assert table["night"].to_pylist() == [row.get("night") for row in rows]
    assert table["camera"].to_pylist() == [row.get("camera") for row in rows]
