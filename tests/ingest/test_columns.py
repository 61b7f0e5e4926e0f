"""Which column of a source is which."""

from __future__ import annotations

import pytest

from emqa_core.errors import ConfigError, InputError
from emqa_core.ingest.columns import COCO_LAYOUT, COLUMNS, LEFT_OUT, canonical_names, check_columns


def test_a_mapping_wins_over_the_name_itself_and_that_over_an_alias() -> None:
    found = ["image_id", "frame_id", "img"]
    assert canonical_names("frame", found, {}, "f") == {
        "frame_id": "frame_id",
        "image_id": "image_id",
        "img": "img",
    }
    assert canonical_names("frame", ["image_id", "img"], {"frame_id": "img"}, "f") == {
        "img": "frame_id",
        "image_id": "image_id",
    }
    with pytest.raises(InputError, match="clash"):
        canonical_names("frame", found, {"frame_id": "img"}, "f")


def test_a_box_is_four_columns_or_else_one() -> None:
    def sides(*found: str, **mapping: str) -> dict[str, str]:
        names = canonical_names("label", found, mapping, "f")
        return {name: canonical for name, canonical in names.items() if canonical != name}

    assert sides("x", "y", "w", "h") == {"x": "x_px", "y": "y_px", "w": "width_px", "h": "height_px"}
    assert sides("x", "y", "width", "height", "w")["width"] == "width_px"
    assert sides("bbox", "x", "y", "w", "h") == {"x": "x_px", "y": "y_px", "w": "width_px", "h": "height_px"}
    assert sides("bbox", "width", "height") == {"bbox": "box"}
    assert sides("corners", "x", "y", "w", "h", box="corners") == {"corners": "box"}


def test_in_the_layout_of_coco_its_own_keys_decide() -> None:
    images = ["id", "frame_id", "video_id", "file_name"]
    layout = COCO_LAYOUT["frame"]
    assert canonical_names("frame", images, {}, "f", layout) == {
        "id": "frame_id",
        "file_name": "image_uri",
        "video_id": "video_id",
    }
    mapping = {"frame_index": "frame_id", "sequence_id": "video_id"}
    assert canonical_names("frame", images, mapping, "f", layout) == {
        "id": "frame_id",
        "file_name": "image_uri",
        "frame_id": "frame_index",
        "video_id": "sequence_id",
    }
    by_name = {"frame_id": "file_name"}
    assert canonical_names("frame", ["id", "file_name"], by_name, "f", layout)["file_name"] == "frame_id"
    plain = canonical_names("prediction", ["frame_id", "bbox"], {}, "f", COCO_LAYOUT["prediction"])
    assert plain == {"frame_id": "frame_id", "bbox": "box"}


def test_what_describes_no_object_is_left_out_unless_it_is_mapped() -> None:
    assert canonical_names("label", sorted(LEFT_OUT - {"bbox"}), {}, "f") == {}
    assert canonical_names("frame", ["license"], {"content_hash": "license"}, "f") == {
        "license": "content_hash"
    }


def test_an_unknown_canonical_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"columns\.label\.sequence is not a column of the label table"):
        canonical_names("label", [], {"sequence": "s"}, "f")


@pytest.mark.parametrize("kind", ["frame", "label", "prediction"])
def test_each_required_column_is_asked_for(kind: str) -> None:
    columns = [column.name for column in COLUMNS[kind] if column.name != "box"]  # type: ignore[index]
    check_columns(kind, columns, columns, {}, "f")  # type: ignore[arg-type]
    for column in COLUMNS[kind]:  # type: ignore[index]
        if column.required:
            rest = [name for name in columns if name != column.name]
            with pytest.raises(InputError, match=f"no column '{column.name}'; expected '{column.name}'"):
                check_columns(kind, rest, rest, {}, "f")  # type: ignore[arg-type]
