"""Images in a real object store: each is fetched once for all nights, and a store in trouble hides none."""

from __future__ import annotations

import numpy as np
import pytest

from emqa_core.errors import StorageError
from emqa_core.storage.location import Location
from tests.faults.fault_proxy import Fault, fault_proxy
from tests.seaweed import S3Store
from tests.test_image_sources import N_FRAMES, assert_expected, expected, pictures, png, run, values

__all__ = ["expected"]  # the fixture


@pytest.mark.s3
def test_a_store_is_asked_for_an_image_once(s3: S3Store, expected: dict[str, list], monkeypatch) -> None:
    root, output = f"{s3.folder()}/images", s3.folder()
    for place, pixels in enumerate(pictures()):
        Location.of(f"{root}/{place:02d}.png").write_bytes(png(pixels))
    first = run(root, output=output, run_date="2026-01-01")
    assert_expected(first, expected)
    with fault_proxy(s3.endpoint) as proxy, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        proxy.inject(Fault("500", method="GET", path=r"\.png"))
        # The next night, cut in other partitions: nothing is fetched, and the same comes out.
        again = run(root, output=output, run_date="2026-01-02", cluster={"address": "none", "partitions": 3})
        assert proxy.injected == []
        assert values(again) == values(first)
    # An image that changed is measured anew, the others are not.
    Location.of(f"{root}/05.png").write_bytes(png(np.full((24, 32, 3), 255, np.uint8)))
    third = values(run(root, output=output, run_date="2026-01-03"))
    differing = [
        place
        for place in range(N_FRAMES)
        if third["frame.frame_brightness"][place] != values(first)["frame.frame_brightness"][place]
    ]
    assert differing == [5] and third["label.object_brightness"][5] == 1


@pytest.mark.s3
def test_a_store_in_trouble_is_no_missing_image(s3: S3Store, monkeypatch) -> None:
    root = f"{s3.folder()}/images"
    for place, pixels in enumerate(pictures()):
        Location.of(f"{root}/{place:02d}.png").write_bytes(png(pixels))
    with fault_proxy(s3.endpoint) as proxy, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        with (
            proxy.failing(Fault("503", method="GET", path=r"07\.png")),
            pytest.raises(StorageError, match="errors"),
        ):
            run(root, storage={"timeout_s": 3})
        with proxy.failing(Fault("503", method="GET", path=r"\.png", first_of_each=1)):
            assert run(root).table("quarantine").num_rows == 0  # a passing fault is outlived
