"""A page opened in the browser: what was asked of the network, what went wrong, what its tables say."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOCAL = ("data:", "file:", "blob:")


class OpenPage:
    """The page. errors: what the console and scripts complained of; requests: what was asked of a network."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(LOCAL) else self.requests.append(r.url))
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def open(self, file: Path, fragment: str = "") -> None:
        self.page.goto(f"file://{file}{fragment}")
        self.settle()

    def settle(self) -> None:
        """Until what was asked for is drawn, on the screen and below it."""
        self.page.wait_for_function("document.documentElement.dataset.pending === '0'")
        twice = "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)))"
        self.page.evaluate(f"new Promise(done => {twice})")

    def look_at(self, fragment: str) -> None:
        """Change the view by the address, as a shared link does."""
        self.page.evaluate("fragment => { window.location.hash = fragment; }", fragment)
        self.page.wait_for_timeout(50)
        self.settle()

    def value(self, selector: str) -> float:
        text = self.page.locator(selector).first.get_attribute("data-value")
        return math.nan if text in (None, "NaN") else float(text)

    def saved(self, name: str) -> str:
        """What the button below a chart or table saves."""
        with self.page.expect_download() as download:
            self.page.locator(f"[data-save='{name}']").first.click()
        return Path(download.value.path()).read_text("utf-8")

    def rows(self, name: str) -> list[dict[str, str]]:
        """The rows of a table that is saved as CSV."""
        return list(csv.DictReader(io.StringIO(self.saved(f"{name}.csv"))))


@contextmanager
def open_page(browser: Any, width: int = 1280, **options: Any) -> Iterator[OpenPage]:
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield OpenPage(page)
    context.close()


def number(text: str) -> float:
    return float(text) if text else math.nan
