"""The page in a real browser: what a visitor sees and does. Needs Chromium; nothing is fetched from elsewhere."""

import shutil
import threading
from pathlib import Path

import pytest
from conftest import shades, tone
from made_up import made_up_reading
from test_app import OTHER, READER, two_models

from fv2es.ui import build_demo, launch_options

pytestmark = pytest.mark.browser
WAIT = 60_000  # milliseconds: an upper bound and never the thing that is tested
CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "v2em-compact" / "config.json"


class Paced:
    """An analysis that gives its next reading when the test says so."""

    def __init__(self, readings: int = 3) -> None:
        self.readings = readings
        self.gate = threading.Semaphore(0)
        self.given = 0
        self.closed = threading.Event()

    def __call__(self, path, cancel=None, model=None, **options):
        self.given = 0
        self.closed.clear()
        return _PacedAnalysis(self, cancel, OTHER if model == OTHER.name else READER)


class _PacedAnalysis:
    duration, expected = 9.0, 9.0
    notes = ("No face was found, so voice and words alone were read.",)

    def __init__(self, pace, cancel, reader):
        self.pace, self.cancel, self.reader = pace, cancel, reader

    def __iter__(self):
        for index in range(self.pace.readings):
            while not self.pace.gate.acquire(timeout=0.05):
                if self.cancel.is_set():
                    return
            self.pace.given += 1
            yield made_up_reading(index, 3.0 * index, 3.0 * index + 2)

    def close(self):
        self.pace.closed.set()


@pytest.fixture(scope="module")
def browser():
    where = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if where is None:
        pytest.skip("there is no Chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=where, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def paced(tmp_path_factory):
    """The page with a stub, and its address."""
    pace = Paced()
    demo = build_demo(pace, examples=tmp_path_factory.mktemp("none"), models=two_models())
    demo.queue().launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(demo))
    yield pace, demo.local_url
    demo.close()


@pytest.fixture
def visit(browser):
    """`visit(url, width)` → a page; complains at the end about errors and about requests to elsewhere."""
    pages, complaints = [], []

    def open_page(url: str, width: int = 1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: complaints.append(asked.url) if is_elsewhere(asked.url, url) else None)
        page.goto(url)
        page.locator("#submit").wait_for()
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []


def is_elsewhere(asked: str, home: str) -> bool:
    return not asked.startswith((home, "data:", "blob:"))


def upload(page, path: Path) -> None:
    page.locator("#clip input[type=file]").first.set_input_files(path)
    page.locator("#clip video").wait_for()


def heading(page, number: int):
    """That of the chart on the page, if it shows this utterance."""
    return page.locator("#stage").get_by_role("heading", name=f"Utterance {number}")


def summary(page, text: str) -> None:
    """Waits until the clip's sentence has this in it."""
    page.locator("#summary .fv-some").get_by_text(text).wait_for()


def overflow(page) -> int:
    """Pixels that the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.mark.parametrize("width", [1280, 360])
def test_a_clip_from_upload_to_clear(visit, paced, clip, width):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url, width)
    assert page.get_by_text("Expressed, not felt.").is_visible()
    assert overflow(page) <= 0
    upload(page, clip("talk.mp4", sound=tone(1.0), pictures=shades(10)))

    page.locator("#submit").click()
    page.get_by_text("Reading the clip…").wait_for()
    pace.gate.release()
    heading(page, 1).wait_for()
    page.locator("#summary").get_by_text("Average so far").wait_for()
    assert pace.given == 1, "the first chart is there before the second utterance is read"
    assert page.locator("#stage .fv-bar.fv-on").count() == 2

    pace.gate.release(2)
    page.get_by_text("Done: 3 utterances").wait_for()
    summary(page, "On average over 3 utterances")
    page.get_by_text("No face was found").wait_for()
    assert page.locator("#stage img").count() == 5
    assert page.locator("#stage svg").is_visible()

    page.locator("#attention").get_by_text("Warm = attended").first.wait_for()
    assert overflow(page) <= 0

    page.locator("#clear").click()
    page.get_by_text("Choose a clip, record yourself").wait_for()
    expect(page.locator("#clip video")).to_have_count(0)
    expect(page.locator("#stage")).to_be_hidden()
    expect(page.locator("#summary")).to_be_hidden()


def test_stop_keeps_what_is_there_and_frees_the_worker(visit, paced, clip):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url)
    upload(page, clip("talk.mp4", sound=tone(1.0), pictures=shades(10)))
    page.locator("#submit").click()
    pace.gate.release()
    heading(page, 1).wait_for()
    page.locator("#stop").click()
    page.get_by_text("Stopped after one utterance.").wait_for()
    assert pace.closed.wait(WAIT / 1000)
    assert pace.given == 1
    assert heading(page, 1).is_visible()
    summary(page, "On average over one utterance")
    expect(page.locator("#stop")).to_be_disabled()

    page.locator("#submit").click()  # and it can be used again
    pace.gate.release(3)
    page.get_by_text("Done: 3 utterances").wait_for()


def test_a_closed_tab_frees_the_worker(browser, paced, clip):
    pace, url = paced
    page = browser.new_page()
    page.goto(url)
    upload(page, clip("talk.mp4", sound=tone(1.0), pictures=shades(10)))
    page.locator("#submit").click()
    pace.gate.release()
    heading(page, 1).wait_for()
    page.close()
    assert pace.closed.wait(WAIT / 1000)
    assert pace.given < 3


def test_submit_without_a_clip_says_so(visit, paced):
    page = visit(paced[1])
    page.locator("#submit").click()
    page.get_by_role("alert").get_by_text("Choose a clip first").wait_for()


@pytest.mark.parametrize("width", [1280, 360])
def test_a_model_is_chosen_by_keyboard_and_named_by_what_it_made(visit, paced, clip, width):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url, width)
    page.get_by_role("button", name="Options").press("Enter")
    choice = page.locator("#model")
    expect(choice.get_by_role("radio", name="Made up")).to_be_checked()
    expect(page.get_by_text("It hears <nothing>.")).to_be_hidden()
    choice.get_by_role("radio", name="Made up").press("Tab")  # each is a stop of its own
    page.keyboard.press("Space")
    expect(choice.get_by_role("radio", name="Other compact")).to_be_checked()
    page.get_by_text("It hears <nothing>.").wait_for()
    assert overflow(page) <= 0

    upload(page, clip("talk.mp4", sound=tone(1.0), pictures=shades(10)))
    page.locator("#submit").click()
    pace.gate.release(3)
    page.get_by_text("Done: 3 utterances").wait_for()
    expect(page.locator("#made-by")).to_contain_text("Read by Other compact, version 1")
    page.get_by_text("Other compact has no nested attention").wait_for()

    choice.get_by_role("radio", name="Made up").check()
    expect(page.get_by_text("It hears <nothing>.")).to_be_hidden()
    expect(page.locator("#made-by")).to_contain_text("Read by Other compact")  # what is shown is still the other's
    page.locator("#submit").click()
    pace.gate.release(3)
    page.get_by_text("Done: 3 utterances").wait_for()
    expect(page.locator("#made-by")).to_contain_text("Read by Made up")
    page.locator("#attention").get_by_text("Level 3").first.wait_for()
    page.locator("#clear").click()
    expect(page.locator("#made-by")).to_be_hidden()
    expect(choice.get_by_role("radio", name="Made up")).to_be_checked()
    assert overflow(page) <= 0


@pytest.mark.slow
def test_an_example_with_the_shipped_model(visit, examples):
    if not CHECKPOINT.is_file() or not examples:
        pytest.skip("there is no shipped checkpoint or no example")
    demo = build_demo()
    demo.queue().launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(demo))
    try:
        page = visit(demo.local_url)
        page.get_by_role("button", name=examples[0].stem.replace("_", " ").capitalize()).click()
        page.locator("#clip video").wait_for()
        page.locator("#submit").click()
        page.locator("#stage .fv-bar").first.wait_for()
        page.get_by_text("Done: ").wait_for(timeout=4 * WAIT)
        page.locator("#stage").get_by_text("from the subtitles").wait_for()
        assert page.locator("#stage img").count() >= 1
    finally:
        demo.close()
