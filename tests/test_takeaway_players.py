"""A browser plays what is taken away: the annotated video with its sound, and the WebVTT beside it."""

import functools
import http.server
import shutil
import threading

import pytest
from conftest import WAIT, shades, tone
from test_takeaway_files import NASTY, spoken
from test_takeaway_video import two_utterances

from fv2es.takeaway import annotate, write

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><title>player</title>
<video src="a-annotated.mp4" muted preload="auto"><track src="holiday.vtt" default kind="subtitles"></video>"""
WATCH = """async () => {
  const video = document.querySelector('video'), track = video.textTracks[0];
  track.mode = 'showing';
  const until = async ready => { while (!ready() && !video.error) await new Promise(wake => setTimeout(wake, 20)); };
  await until(() => video.readyState >= 2 && track.cues && track.cues.length);
  await video.play();
  await until(() => video.currentTime > 0.3);
  video.currentTime = 1.6;
  await until(() => !video.seeking);
  return {
    error: video.error && video.error.message, duration: video.duration,
    size: [video.videoWidth, video.videoHeight], heard: video.webkitAudioDecodedByteCount,
    cues: [...track.cues].map(cue => [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent]),
  };
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it hands out."""

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def served(tmp_path):
    """`tmp_path` at an address of its own."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_chromium_plays_it(clip, served, tmp_path):
    where = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if where is None:
        pytest.skip("there is no Chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    list(annotate(clip("a.mp4", tone(2), shades(20, 96, 54)), two_utterances(), tmp_path / "a-annotated.mp4"))
    write("vtt", spoken(*NASTY), tmp_path)
    (tmp_path / "player.html").write_text(PAGE)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=where, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(WAIT)
        page.goto(f"{served}/player.html")
        seen = page.evaluate(WATCH)
        browser.close()
    assert seen["error"] is None
    assert seen["duration"] == pytest.approx(2.0, abs=0.1)
    assert seen["size"] == [640, 508]
    assert seen["heard"] > 0
    assert [cue[:2] for cue in seen["cues"]] == [[2.0 * number, 2.0 * number + 1.5] for number in range(len(NASTY))]
    texts = [cue[2] for cue in seen["cues"]]
    assert all(text.startswith("[happy 0.91] [surprise 0.44]") for text in texts)
    assert texts[1].endswith("a --> b & <b>bold</b> </c> &amp; <00:00:01.000>")  # letter by letter, and no markup
