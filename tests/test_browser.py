"""The page in a real browser: what a visitor sees and does. Needs Chromium; nothing is fetched from elsewhere."""

import statistics
from pathlib import Path

import pytest
from browsing import heading, overflow, read, submit, summary, upload, words_of
from conftest import shades, tone
from processes import PATIENCE

from fv2es.media import MediaError
from fv2es.ui import build_demo, launch_options

pytestmark = pytest.mark.browser
CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "v2em-compact" / "config.json"


def at(page) -> float:
    """Where the player is, in seconds."""
    return page.evaluate("document.querySelector('#clip video').currentTime")


def row(page, index: int):
    return page.locator(f'#utterances [data-index="{index}"]')


@pytest.mark.parametrize("width", [1280, 360])
def test_a_clip_from_upload_to_clear(visit, paced, talk, width):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url, width)
    assert page.get_by_text("Expressed, not felt.").is_visible()
    assert page.get_by_text("deleted an hour after").is_visible()
    assert overflow(page) <= 0
    upload(page, talk)

    page.locator("#submit").click()
    page.get_by_text("Reading the clip…").wait_for()
    pace.gate.release()
    heading(page, 1).wait_for()
    page.locator("#summary").get_by_text("Average so far").wait_for()
    assert pace.given == 1, "the first chart is there before the second utterance is read"
    assert page.locator("#stage .fv-bar.fv-on").count() == 2
    expect(page.locator("#timeline .fv-lane")).to_have_count(6)

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
    for part in ("#stage", "#timeline", "#summary", "#thresholds", "#attention"):
        expect(page.locator(part)).to_be_hidden()


def test_an_utterance_is_chosen_by_mouse_by_keyboard_and_by_the_player(visit, paced, talk):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url)
    read(page, pace, talk)
    heading(page, 3).wait_for()
    assert at(page) == 0, "what arrives does not move the player"

    row(page, 0).click()
    heading(page, 1).wait_for()
    assert at(page) == pytest.approx(0, abs=0.1)
    page.keyboard.press("ArrowDown")
    heading(page, 2).wait_for()
    assert at(page) == pytest.approx(3, abs=0.1)
    expect(row(page, 1)).to_be_focused()
    expect(row(page, 1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    heading(page, 3).wait_for()

    lanes = page.locator(".fv-lanes")
    lanes.focus()
    page.keyboard.press("ArrowLeft")
    heading(page, 2).wait_for()
    assert lanes.get_attribute("aria-valuenow") == "2"
    assert "I got job 2!" in lanes.get_attribute("aria-valuetext")
    box = page.locator(".fv-over-lanes").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 7.0 / 9, box["y"] + 40)
    heading(page, 3).wait_for()
    assert at(page) == pytest.approx(6, abs=0.1)

    page.evaluate("""() => {
        const video = document.querySelector('#clip video');
        window.seeks = 0;
        video.addEventListener('seeking', () => window.seeks += 1);
        video.currentTime = 3.5;
    }""")
    heading(page, 2).wait_for()
    assert at(page) == pytest.approx(3.5, abs=0.1), "the player is not moved by what it chooses"
    page.evaluate("""() => { const video = document.querySelector('#clip video'); video.muted = true;
        video.playbackRate = 4; video.play(); }""")
    heading(page, 3).wait_for()
    expect(row(page, 2)).to_have_attribute("aria-selected", "true")
    assert page.evaluate("window.seeks") == 1, "while it plays, nobody moves it"


def late(clip: Path, path: Path) -> Path:
    """The same clip, whose time stamps begin at 5 s."""
    import av

    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.pts is not None:
                packet.pts, packet.dts = (int(stamp + 5 / packet.time_base) for stamp in (packet.pts, packet.dts))
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return path


def test_a_clip_whose_time_stamps_begin_late(visit, paced, talk, tmp_path):
    pace, url = paced
    page = visit(url)
    read(page, pace, late(talk, tmp_path / "late.mp4"))
    page.wait_for_function("document.querySelector('#clip video').readyState >= 2")
    begin = at(page)
    assert begin == pytest.approx(5, abs=0.1), "or browsers begin at 0 now, and nothing of this is needed"
    row(page, 1).click()
    heading(page, 2).wait_for()
    assert at(page) == pytest.approx(begin + 3, abs=0.1)
    page.evaluate("time => { document.querySelector('#clip video').currentTime = time; }", begin + 6.5)
    heading(page, 3).wait_for()
    share = float(page.evaluate("document.querySelector('.fv-lanes').style.getPropertyValue('--playhead')"))
    assert share == pytest.approx(6.5 / 9, abs=0.02)


def test_a_recording_gets_the_length_that_browsers_leave_out(visit, paced, clip):
    """As their recorders write it: WebM that is never gone back to."""
    pace, url = paced
    page = visit(url)
    recorded = clip("me.webm", tone(9.0), shades(45), fps=5, codecs=("libopus", "libvpx"), options={"live": "1"})
    upload(page, recorded)
    page.locator("#clip").get_by_text("0:00 / 0:09").wait_for(state="attached")
    page.wait_for_function("document.querySelector('#clip video').currentTime === 0")
    page.locator("#submit").click()
    pace.gate.release(pace.readings)
    row(page, 1).wait_for()
    row(page, 1).click()
    heading(page, 2).wait_for()
    page.wait_for_function("Math.abs(document.querySelector('#clip video').currentTime - 3) < .1")


def test_another_clip_is_not_tied_to_what_was_read(visit, paced, talk, clip):
    pace, url = paced
    page = visit(url)
    read(page, pace, talk)
    row(page, 1).click()
    heading(page, 2).wait_for()
    assert at(page) == pytest.approx(3, abs=0.1)
    page.locator("#clip").get_by_label("Clear").click()
    upload(page, clip("other.mp4", tone(9.0), shades(45), fps=5))
    page.wait_for_function("document.querySelector('#clip video').readyState >= 2")
    row(page, 0).click()
    heading(page, 1).wait_for()
    page.evaluate("document.querySelector('#clip video').currentTime = 6.5")
    page.wait_for_function("!document.querySelector('#clip video').seeking")
    assert at(page) == pytest.approx(6.5, abs=0.1)
    assert heading(page, 1).is_visible()
    page.locator("#submit").click()
    page.get_by_text("Reading the clip…").wait_for()
    pace.gate.release(pace.readings)
    page.get_by_text("Done: 3 utterances").wait_for()
    row(page, 1).click()
    page.wait_for_function("Math.abs(document.querySelector('#clip video').currentTime - 3) < .1")


def test_submit_without_a_clip_says_so_and_keeps_the_result(visit, paced, talk):
    pace, url = paced
    page = visit(url)
    read(page, pace, talk)
    page.get_by_text("No face was found").wait_for()
    page.locator("#clip").get_by_label("Clear").click()
    page.locator("#clip video").wait_for(state="detached")
    with page.expect_response("**/queue/data*"):  # the whole chain of Submit
        page.locator("#submit").click()
    page.get_by_text("Choose a clip first").wait_for()
    page.wait_for_timeout(500)
    assert page.get_by_text("Choose a clip first").is_visible()
    assert row(page, 2).is_visible()
    upload(page, talk)
    page.get_by_text("Choose a clip first").wait_for(state="detached")
    page.get_by_text("No face was found").wait_for()


def test_a_choice_stays_while_others_arrive(visit, paced, talk):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url)
    submit(page, talk)
    pace.gate.release(2)
    heading(page, 2).wait_for()
    row(page, 0).click()
    heading(page, 1).wait_for()
    pace.gate.release()
    page.get_by_text("Done: 3 utterances").wait_for()
    assert heading(page, 1).is_visible()
    expect(row(page, 0)).to_have_attribute("aria-selected", "true")


def test_a_threshold_recolours_everything_at_once_and_holds_on_the_server(visit, paced, talk):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url)
    read(page, pace, talk)
    headline, fear = page.locator("#stage .fv-chart .fv-words"), page.locator("#stage .fv-bar[data-emotion=fear]")
    assert words_of(headline) == ["happy", "surprise"]
    reset = page.locator(".fv-reset")
    expect(reset).to_be_hidden()

    slider = page.locator("#thresholds input[data-emotion=fear]")
    slider.focus()
    for _ in range(14):
        page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "0.07"
    assert words_of(headline) == ["fear", "happy", "surprise"]
    expect(fear).to_have_class("fv-bar fv-on")
    assert words_of(row(page, 2).locator(".fv-words")) == ["fear", "happy", "surprise"]
    assert words_of(page.locator("#summary .fv-words")) == ["fear", "happy", "surprise"]
    assert "fear (0.08)" in page.locator("#summary figcaption").inner_text()
    assert page.locator("#timeline .fv-block.fv-on[data-emotion=fear]").count() == 3
    place = fear.locator(".fv-threshold").evaluate(
        "(each) => (each.getBoundingClientRect().left - each.parentElement.getBoundingClientRect().left)"
        " / each.parentElement.getBoundingClientRect().width"
    )
    assert place == pytest.approx(0.07, abs=0.01)

    page.get_by_role("tab", name="Files").click()
    page.get_by_text("The thresholds that you have moved").wait_for()
    with page.expect_download() as taken:
        page.locator("#save-vtt").click()
    assert "[happy 0.91] [surprise 0.44] [fear 0.08]" in taken.value.path().read_text()

    reset.click()
    assert words_of(headline) == ["happy", "surprise"]
    expect(page.get_by_text("The thresholds that you have moved")).to_have_count(0)


def test_the_sound_of_the_chosen_utterance_is_played_beside_its_spectrogram(visit, paced, talk):
    pace, url = paced
    page = visit(url)
    sounds = []
    page.on("request", lambda asked: sounds.append(asked.url) if asked.url.endswith(".wav") else None)
    read(page, pace, talk)
    heading(page, 3).wait_for()
    sound = page.locator("#stage").get_by_label("The sound of utterance 3")
    page.wait_for_function("document.querySelector('#stage audio').duration > 1.9")
    sounds.clear()
    sound.focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('#stage audio').currentTime > 0.1")
    assert sound.evaluate("(each) => each.duration") == pytest.approx(2, abs=0.01)
    assert {one.rpartition("/")[2] for one in sounds} <= {"utterance-3.wav"}, "that of the chosen one alone"
    page.evaluate("() => { const clip = document.querySelector('#clip video'); clip.muted = true; clip.play(); }")
    page.wait_for_function("document.querySelector('#stage audio').paused")
    row(page, 0).click()
    page.locator("#stage").get_by_label("The sound of utterance 1").wait_for()


CLOSED = 'data: {"msg": "close_stream"}\n\n'  # the server's last word in a stream of updates


def test_updates_that_are_lost_on_the_way_are_asked_for(visit, paced, talk):
    """As on a busy machine: the stream ends, and nothing that the server still had to say arrives."""
    pace, url = paced
    page = visit(url)
    upload(page, talk)
    page.route("**/queue/data*", lambda route: route.fulfill(body=CLOSED))
    page.locator("#submit").click()
    pace.gate.release(2)
    heading(page, 2).wait_for()
    assert page.locator("#submit").is_disabled()
    row(page, 0).click()
    heading(page, 1).wait_for()
    pace.gate.release()
    page.get_by_text("Done: 3 utterances").wait_for()
    page.locator("#submit:not([disabled])").wait_for()
    assert page.locator("#utterances [data-index]").count() == 3
    assert heading(page, 1).is_visible()


def test_two_visitors_see_their_own(visit, paced, talk):
    pace, url = paced
    one, other = visit(url), visit(url)
    read(one, pace, talk)
    one.locator("#thresholds input[data-emotion=happy]").focus()
    one.keyboard.press("End")
    assert words_of(one.locator("#stage .fv-chart .fv-words")) == ["surprise"]
    assert other.locator("#stage").count() == 0
    read(other, pace, talk)
    assert words_of(other.locator("#stage .fv-chart .fv-words")) == ["happy", "surprise"]
    other.locator("#clear").click()
    other.get_by_text("Choose a clip, record yourself").wait_for()
    row(one, 0).click()
    heading(one, 1).wait_for()
    assert words_of(one.locator("#stage .fv-chart .fv-words")) == ["surprise"]


def test_stop_keeps_what_is_there_and_frees_the_worker(visit, paced, talk):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url)
    submit(page, talk)
    pace.gate.release()
    heading(page, 1).wait_for()
    page.locator("#stop").click()
    page.get_by_text("Stopped after one utterance.").wait_for()
    assert pace.closed.wait(PATIENCE)
    assert pace.given == 1
    assert heading(page, 1).is_visible()
    summary(page, "On average over one utterance")
    expect(page.locator("#stop")).to_be_disabled()

    page.locator("#submit").click()  # and it can be used again
    pace.gate.release(3)
    page.get_by_text("Done: 3 utterances").wait_for()


def test_a_closed_tab_frees_the_worker(visit, paced, talk):
    pace, url = paced
    page = visit(url)
    submit(page, talk)
    pace.gate.release()
    heading(page, 1).wait_for()
    page.close()
    assert pace.closed.wait(PATIENCE)
    assert pace.given < 3


def test_what_cannot_be_read_says_why_and_leaves_the_page_usable(visit, paced, talk, monkeypatch):
    pace, url = paced
    page = visit(url)
    page.locator("#submit").click()
    page.get_by_role("alert").get_by_text("Choose a clip first").wait_for()
    page.wait_for_timeout(1000)
    assert page.get_by_role("alert").is_visible(), "and it stays"
    monkeypatch.setattr(pace, "error", MediaError("This file is empty."))
    submit(page, talk)
    page.get_by_role("alert").get_by_text("This file is empty.").wait_for()
    monkeypatch.setattr(pace, "error", None)
    monkeypatch.setattr(pace, "notes", ["Neither speech nor a face was found, so there is nothing to read."])
    monkeypatch.setattr(pace, "readings", 0)
    page.locator("#submit:not([disabled])").click()
    page.get_by_text("there is no utterance in it").wait_for()
    page.get_by_text("Neither speech nor a face was found").wait_for()
    assert page.get_by_role("alert").count() == 0


# Milliseconds from an event to the picture after it: two frames, of which the second begins when the first is painted.
PAINTED = """async ({selector, count, act}) => {
    const times = [], change = new Function('element', 'number', act);
    for (let number = 0; number < count; number++) {
        const element = document.querySelectorAll(selector)[number % 2], began = performance.now();
        change(element, number);
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        times.push(performance.now() - began);
        await new Promise((done) => setTimeout(done, 30));
    }
    return times;
}"""
MOVE = "element.value = 0.1 + number % 2 * 0.5; element.dispatchEvent(new Event('input', {bubbles: true}))"


def test_how_long_a_change_takes_to_be_seen(visit, paced, talk, capsys):
    """Measured and told, not asserted; what is asserted is that there was something to be seen."""
    pace, url = paced
    page = visit(url)
    read(page, pace, talk)
    for index in range(3):  # every card has come to the browser
        row(page, index).click()
        heading(page, index + 1).wait_for()
    told = {}
    for name, selector, act in (
        ("utterance", "#utterances [data-index]", "element.click()"),
        ("threshold", "#thresholds input", MOVE),
    ):
        times = page.evaluate(PAINTED, {"selector": selector, "count": 20, "act": act})
        told[name] = statistics.median(times)
    assert heading(page, 2).is_visible()
    assert page.locator("#thresholds input").nth(1).input_value() == "0.6"
    with capsys.disabled():
        print(", ".join(f"{name}: {value:.0f} ms from click to picture (median of 20)" for name, value in told.items()))


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
        page.get_by_text("Done: ").wait_for(timeout=4_000 * PATIENCE)
        page.locator("#stage").get_by_text("from the subtitles").wait_for()
        assert page.locator("#stage img").count() >= 1
        page.context.close()  # before the server, which it goes on asking
    finally:
        demo.close()
