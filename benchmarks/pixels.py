"""Images measured per second and core: decoding and all pixel metrics, with and without objects.

    python -m benchmarks.pixels [--images FOLDER] [--rounds 3]

The images are those of a folder, scaled to 640 x 480 and stored as JPEG of two qualities; objects are random
boxes with the sizes of COCO's, seven a frame, or the fifty of a detector's predictions.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.page import print_page
from benchmarks.results import save
from emqa_core.pixels.decode import DecodeOptions, decode_image
from emqa_core.pixels.planes import PixelPlanes
from emqa_core.pixels.statistics import pixel_boxes, region_statistics

SIZE = (640, 480)
QUALITIES = (75, 95)
N_IMAGES = 200
AIMS = {"frames alone": "700 per s", "7 objects a frame": "+30%"}
OBJECTS = {"frames alone": 0, "7 objects a frame": 7, "50 objects a frame": 50}


def encoded(folder: Path, quality: int) -> list[bytes]:
    """The folder's images as JPEG of one size and quality."""
    images = []
    for path in sorted(folder.iterdir())[:N_IMAGES]:
        with Image.open(path) as image:
            buffer = io.BytesIO()
            image.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=quality)
        images.append(buffer.getvalue())
    return images


def boxes_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """n boxes whose sides are log-normal, as COCO's: a median of a tenth of the image's sides."""
    width, height = np.minimum(rng.lognormal(np.log(0.12), 0.9, (2, n)), 0.95) * np.array(
        [[SIZE[0]], [SIZE[1]]]
    )
    left, top = rng.uniform(0, SIZE[0] - width), rng.uniform(0, SIZE[1] - height)
    return pixel_boxes(left, top, width, height)


def measure(images: list[bytes], n_objects: int) -> dict[str, float]:
    """CPU seconds of each step over all images."""
    rng = np.random.default_rng(5)
    whole = np.array([[0, 0, *SIZE]], np.int32)
    options = DecodeOptions(10**8)
    spent = {"decode": 0.0, "planes": 0.0, "statistics": 0.0}
    for data in images:
        boxes = np.concatenate([whole, boxes_of(rng, n_objects)])
        start = time.process_time()
        pixels = decode_image(data, SIZE, options)
        decoded = time.process_time()
        planes = PixelPlanes.of(pixels)
        computed = time.process_time()
        region_statistics(planes, boxes)
        spent["decode"] += decoded - start
        spent["planes"] += computed - decoded
        spent["statistics"] += time.process_time() - computed
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="folder with images, such as coco446's")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rows = []
    for quality in QUALITIES:
        images = encoded(given.images, quality)
        measure(images[:3], 1)
        rounds = [{name: measure(images, n) for name, n in OBJECTS.items()} for _ in range(given.rounds)]
        for name in OBJECTS:
            steps = {
                step: statistics.median(each[name][step] for each in rounds) / len(images)
                for step in rounds[0][name]
            }
            total = statistics.median(sum(each[name].values()) for each in rounds) / len(images)
            alone = statistics.median(sum(each["frames alone"].values()) for each in rounds) / len(images)
            rows.append(
                {
                    "quality": quality,
                    "mean_bytes": sum(map(len, images)) / len(images),
                    "objects": name,
                    **{f"{step}_ms": seconds * 1e3 for step, seconds in steps.items()},
                    "images_per_s": 1 / total,
                    "over_frames_alone": total / alone - 1,
                }
            )
    result = {"n_images": N_IMAGES, "n_rounds": given.rounds, "rows": rows}
    save("pixels", "640x480", f"benchmarks.pixels --images coco446/images --rounds {given.rounds}", result)
    print(markdown(result))
    print_page()


def markdown(result: dict) -> str:
    """The table of docs/benchmarks.md."""
    lines = [
        f"{result['n_images']} images of 640 x 480, medians of {result['n_rounds']} rounds, one core.",
        "",
        "| JPEG | objects | decode ms | planes ms | statistics ms | images per s | over frames alone | aim |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| quality {row['quality']}, {row['mean_bytes'] / 1024:,.0f} KiB | {row['objects']} |"
        f" {row['decode_ms']:.2f} | {row['planes_ms']:.2f} | {row['statistics_ms']:.2f} |"
        f" {row['images_per_s']:,.0f} | {row['over_frames_alone']:+.0%} | {AIMS.get(row['objects'], '')} |"
        for row in result["rows"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
