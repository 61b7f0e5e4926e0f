"""What is printed from code is current, and what the documents point to is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emqa_core.quality.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("infra/*.md")])


def test_printed_files_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name) if name else document
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            missing.append(target)
    assert not missing


def _anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_definitions_name_every_metric_of_the_catalogue_and_no_other() -> None:
    text = (ROOT / "docs/definitions.md").read_text(encoding="utf-8")
    section = text.split("\n## Quality metrics\n")[1].split("\n**Your own columns**")[0]
    names = re.findall(r"`((?:object|frame)_\w+|confidence)`", section)
    assert sorted(set(names) - {"frame", "frame_index"}) == sorted(metric.name for metric in CATALOGUE)
