"""What a visitor does on the page, and what is seen there."""

from __future__ import annotations

from pathlib import Path

from stubs import Paced, predicting_models

from fv2es.takeaway import Shelf
from fv2es.ui import build_demo, launch_options


def serve(folder: Path):
    """The page with stubs → it, the pace of its analyses, and its address. folder: an empty one."""
    models, readers = predicting_models()
    pace = Paced(readers)
    demo = build_demo(pace, examples=folder, models=models, shelf=Shelf(folder / "results"))
    demo.queue().launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(demo))
    return demo, pace, demo.local_url


def upload(page, path: Path) -> None:
    page.locator("#clip input[type=file]").first.set_input_files(path)
    page.locator("#clip video").wait_for()


def submit(page, path: Path) -> None:
    """Upload a clip and have it read."""
    upload(page, path)
    page.locator("#submit").click()


def read(page, pace: Paced, path: Path) -> None:
    """Upload a clip and wait until all of it is read."""
    submit(page, path)
    pace.gate.release(pace.readings)
    page.locator("#utterances [data-index]").nth(pace.readings - 1).wait_for()
    page.locator("#submit:not([disabled])").wait_for()


def heading(page, number: int):
    """That of the card on the page, if it shows this utterance."""
    return page.locator("#stage").get_by_role("heading", name=f"Utterance {number}")


def summary(page, text: str) -> None:
    """Waits until the clip's sentence has this in it."""
    page.locator("#summary .fv-some").get_by_text(text).wait_for()


def words_of(locator) -> list[str]:
    """The emotions that a headline shows."""
    return locator.inner_text().split()


def overflow(page) -> int:
    """Pixels that the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
