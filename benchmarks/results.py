"""Measurements as they are kept: one JSON file for each benchmark and size, with where they were made."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.fresh import ROOT

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "emqa",
    "numba",
    "numpy",
    "pyarrow",
    "deltalake",
    "msgspec",
    "distributed",
    "ultrafast-pycocotools",
    "hotcoco",
    "vernier",
    "pycocotools",
)


def save(benchmark: str, size: str, command: str, measured: dict) -> Path:
    """Write what was measured. command: as it was typed, without `python -m`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{benchmark}-{size}.json"
    result = {
        "benchmark": benchmark,
        "size": size,
        "command": f"python -m {command}",
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short=10", "HEAD"),
        "code_changed": bool(_git("status", "--porcelain", "--", "emqa_core", "benchmarks/*.py")),
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "python": platform.python_version()},
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "load_average": os.getloadavg(),
        **measured,
    }
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def load(benchmark: str, size: str) -> dict | None:
    """What was kept, None where nothing was measured."""
    path = RESULTS / f"{benchmark}-{size}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
