"""Draw docs/page.png and docs/page-narrow.png: the demo's page as a browser shows it, wide and on a phone.

`make demo` writes the page; `make page` installs the browser.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "demo-output" / "tables" / "report"
CHROMIUM = "/usr/bin/chromium"
# Width and height of the picture, and what is looked at.
PICTURES = {
    "page.png": (1280, 1750, "#metric=object_height_px"),
    "page-narrow.png": (390, 1500, "#metric=object_height_px"),
}


def main() -> None:
    """Take both pictures of the newest page."""
    newest = max(PAGES.glob("*.html"), key=lambda file: file.stat().st_mtime)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, (width, height, view) in PICTURES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
            page = context.new_page()
            page.goto(f"file://{newest}{view}")
            page.wait_for_function("document.documentElement.dataset.pending === '0'")
            page.wait_for_timeout(300)  # charts take the width of their place
            page.screenshot(path=str(ROOT / "docs" / name))
        browser.close()


if __name__ == "__main__":
    main()
