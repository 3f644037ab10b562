"""Clips made on the fly, so that no test needs a file from elsewhere."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from fv2es.modalities.faces import FaceFinder
    from fv2es.reader import Reader

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000
WAIT = 120_000  # milliseconds for a browser: an upper bound and never the thing that is tested


def pytest_configure() -> None:
    """Processes that share the tests share no temporary folder: a page deletes at its end what was uploaded to it, and
    the same clip has the same name in all pages."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        folder = tempfile.mkdtemp(prefix=f"{worker}-")
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        # multiprocessing's own folder lies in it and goes first, with priority -100.
        Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-101)


def tone(seconds: float, hertz: float = 440.0, rate: int = RATE) -> np.ndarray:
    """(n,) float32, a sine of half the full scale."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def shades(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures that can be told apart: the n-th is a grey of 40 + 4 n with a white upper left quarter."""
    pictures = []
    for number in range(count):
        picture = np.full((height, width, 3), 40 + 4 * number, np.uint8)
        picture[: height // 2, : width // 2] = 255
        pictures.append(picture)
    return pictures


def shade(pixels: np.ndarray) -> int:
    """Which of `shades` this picture is."""
    return round((float(np.median(pixels[pixels.shape[0] // 2 + 2 :])) - 40) / 4)


def write_clip(
    path: Path,
    sound: np.ndarray | None = None,
    pictures: list[np.ndarray] | None = None,
    *,
    rate: int = RATE,
    fps: int = 10,
    rotation: int = 0,
    aspect: Fraction | None = None,
    codecs: tuple[str, str] = ("aac", "libx264"),
    sound_at: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """A clip in the container that the name's ending asks for. sound: (n,) or (channels, n). options: of its muxer."""
    import av

    with av.open(str(path), "w", options=options) as out:
        audio = video = None
        if pictures is not None:
            video = out.add_stream(codecs[1], rate=fps)
            video.height, video.width = pictures[0].shape[:2]
            video.pix_fmt = "yuvj420p" if codecs[1] == "mjpeg" else "yuv420p"
            if aspect:
                video.codec_context.sample_aspect_ratio = aspect
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            samples = np.atleast_2d(sound)
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
            audio = out.add_stream(codecs[0], rate=rate, layout=layout)
            _encode_sound(out, audio, samples, rate, layout, sound_at)
        for number, picture in enumerate(pictures or []):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            out.mux(video.encode(frame))
        for stream in (audio, video):
            if stream is not None:
                out.mux(stream.encode(None))
    return path


def _encode_sound(out, stream, samples: np.ndarray, rate: int, layout: str, begin: float) -> None:
    import av

    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, round(begin * rate), Fraction(1, rate)
    resampler = av.AudioResampler(stream.format, layout, rate, stream.frame_size or None)
    for part in resampler.resample(frame) + resampler.resample(None):
        out.mux(stream.encode(part))


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """`clip("name.mp4", sound=…, pictures=…)` → the file, see `write_clip`."""
    return lambda name, *given, **more: write_clip(tmp_path / name, *given, **more)


@pytest.fixture(scope="session")
def examples() -> list[Path]:
    """The clips that ship with the project."""
    return sorted((ROOT / "examples").glob("*.mp4"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of shared data; the test is skipped where there is none."""
    folder = Path(os.environ.get("FV2ES_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the shared data is not here (FV2ES_DATA names its folder)")
    return folder


@pytest.fixture(scope="session")
def reader() -> Reader:
    """The model that ships, loaded once."""
    from fv2es.reader import load_reader

    return load_reader()


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    """Loaded once."""
    from fv2es.modalities.faces import FaceFinder

    return FaceFinder()


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by Playwright; the test is skipped where there is none."""
    where = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if where is None:
        pytest.skip("there is no Chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as running:
        playwright.expect.set_options(timeout=WAIT)
        chromium = running.chromium.launch(executable_path=where, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """`visit(url, width, **context)` → a page in a window of its own; complains at the end about errors in the browser
    and about whatever was asked for from elsewhere."""
    contexts, complaints = [], []

    def open_page(url: str, width: int = 1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        own = (url.partition("?")[0], "data:", "blob:")
        page.on("request", lambda asked: None if asked.url.startswith(own) else complaints.append(asked.url))
        page.goto(url)
        page.locator("#submit").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def served_stubs(tmp_path_factory):
    """A page with stubs behind it: the pace of their analyses, and its address."""
    from browsing import serve

    demo, pace, url = serve(tmp_path_factory.mktemp("none"))
    yield pace, url
    demo.close()


@pytest.fixture
def paced(served_stubs):
    """The same, and what one test has not used of its pace is not there for the next."""
    yield served_stubs
    while served_stubs[0].gate.acquire(blocking=False):
        pass


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A clip as long as those stubs say."""
    return write_clip(tmp_path_factory.mktemp("clips") / "talk.mp4", tone(9.0), shades(45), fps=5)
