"""Pictures of every state of the page, wide and narrow, light and dark: python -m tests.screens FOLDER.

Takes the shipped model and the first example; needs Chromium and Playwright, as the browser tests do.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from fv2es.ui import build_demo, launch_options

WIDTHS = {"desktop": 1280, "phone": 360}
SCHEMES = ("light", "dark")
TABS = {"modalities": "Modalities", "what-if": "What if", "compare": "Compare", "files": "Files"}


def states(page) -> Iterator[str]:
    """Brings the page from one state to the next, and says which it is."""
    page.locator("#submit").wait_for()
    page.get_by_text("Choose a clip, record yourself").wait_for()
    yield "empty"
    page.locator("#submit").click()
    page.get_by_role("alert").wait_for()
    yield "no-clip"
    page.get_by_role("button", name="Bad day").click()
    page.locator("#clip video").wait_for()
    page.get_by_role("button", name="Options").click()
    yield "options"
    page.get_by_role("button", name="Options").click()
    page.locator("#submit").click()
    page.get_by_text("Reading the clip").wait_for()
    yield "reading"
    page.locator("#stage .fv-bar").first.wait_for()
    yield "first"
    page.get_by_text("Done: ").wait_for()
    page.locator("#attention img").first.wait_for()
    yield "attention"
    page.locator('#utterances [data-index="1"]').click()
    page.locator("#thresholds input").nth(3).focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    yield "moved"
    page.locator(".fv-reset").click()
    for name, title in TABS.items():
        page.get_by_role("tab", name=title, exact=True).click()
        _use(page, name)
        yield name
    page.locator("#submit").click()
    page.locator("#stop:not([disabled])").click()
    page.get_by_text("Stopped").wait_for()
    yield "stopped"


def _use(page, name: str) -> None:
    """Does what the tab is for."""
    if name == "what-if":
        page.locator("#other-words textarea").fill("What a wonderful day.")
        page.locator("#again").click()
        page.locator("#what-if .fv-card").wait_for()
    elif name == "compare" and page.locator("#compare-button").count():
        page.locator("#compare-button").click()
        page.locator("#compared .fv-card").wait_for()
    elif name == "files":
        page.locator("#link-button").click()
        page.locator("#link a").wait_for()


def main(folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    demo = build_demo()
    demo.queue().launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(demo))
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        for (size, width), scheme in product(WIDTHS.items(), SCHEMES):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.set_default_timeout(120_000)
            page.goto(demo.local_url)
            for state in states(page):
                page.wait_for_timeout(600)
                page.screenshot(path=folder / f"{state}-{size}-{scheme}.png", full_page=True)
            page.close()
        browser.close()
    demo.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
