"""The Python and SQL of the documents do what they say, on the demo data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from duckdb_extensions import import_extension

from emqa_core import evaluate
from emqa_core.demo import DemoPaths
from tests.data import ROOT

pytestmark = pytest.mark.slow


def examples(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found
    return found


@pytest.fixture(scope="module")
def beside_tables(demo: DemoPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `eval` holds a run, as in the documents."""
    folder = tmp_path_factory.mktemp("examples")
    evaluate(labels=str(demo.labels), predictions=str(demo.predictions), output=str(folder / "eval"))
    return folder


@pytest.fixture
def in_folder(beside_tables: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(beside_tables)
    yield beside_tables
    os.chdir(before)


@pytest.mark.usefixtures("in_folder")
def test_sql_of_the_documents() -> None:
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    import_extension("delta", con=connection)
    for query in examples("docs/getting-started.md", "sql"):
        table = connection.sql(query.rstrip().rstrip(";")).to_arrow_table().to_pandas()
        assert len(table) > 10
        assert table["bin"].is_monotonic_increasing
        assert table["bin"].is_unique
        assert table["tpr"].between(0, 1).any()
        assert table["fnr"].between(0, 1).any()


@pytest.mark.parametrize("document", ["README.md", "docs/getting-started.md"])
def test_python_of_the_documents(document: str, demo: DemoPaths, beside_tables: Path) -> None:
    frames = pd.DataFrame(json.loads(demo.labels.read_text())["annotations"])
    labels_df = _with_boxes(frames)
    predictions_df = _with_boxes(pd.DataFrame(json.loads(demo.predictions.read_text())))
    labels_df.to_pickle(beside_tables / "labels.pkl")
    predictions_df.to_pickle(beside_tables / "predictions.pkl")
    given = (
        "import pandas\n"
        "labels_df = pandas.read_pickle('labels.pkl')\n"
        "predictions_df = pandas.read_pickle('predictions.pkl')\n"
    )
    for code in examples(document, "python"):
        subprocess.run([sys.executable, "-W", "error", "-c", given + code], cwd=beside_tables, check=True)


def _with_boxes(rows: pd.DataFrame) -> pd.DataFrame:
    box = pd.DataFrame(rows["bbox"].tolist(), columns=["x_px", "y_px", "width_px", "height_px"])
    kept = [name for name in ("image_id", "category_id", "score") if name in rows]
    return pd.concat([rows[kept], box], axis=1)
