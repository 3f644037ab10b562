"""The tabs in a real browser: attention, what if, another model, every file, a link. Needs Chromium."""

import csv
import io
import json
import threading
import zipfile

import numpy as np
import pytest
from browsing import heading, overflow, read, submit
from processes import PATIENCE

from fv2es.media import open_media
from fv2es.modalities.speech import read_subtitles
from fv2es.schema import Frame, Sound

pytestmark = pytest.mark.browser


@pytest.fixture
def page(visit, paced, talk):
    pace, url = paced
    opened = visit(url)
    read(opened, pace, talk)
    return opened


def choose(page, name: str, option: str) -> None:
    page.locator(f"#{name} input").click()
    page.get_by_role("option", name=option).click()


def test_attention_by_head_and_by_piece(page):
    attention = page.locator("#attention")
    attention.get_by_text("average of").first.wait_for()
    choose(page, "piece", "6.4–6.8 s")
    attention.get_by_text("piece 2 of").first.wait_for()
    choose(page, "head", "Head 3")
    attention.get_by_text("head 3 of 4").first.wait_for()
    with page.expect_download() as taken:
        page.locator("#save-png").click()
    assert taken.value.suggested_filename == "talk-attention-3.png"
    assert taken.value.path().read_bytes().startswith(b"\x89PNG")
    page.locator('#utterances [data-index="0"]').click()
    heading(page, 1).wait_for()
    attention.get_by_text("0.4–0.8 s").first.wait_for()
    page.locator('#attention [data-of="0"][aria-busy="false"]').wait_for()


def test_maps_that_take_a_while_say_so(page, paced, monkeypatch):
    attention, held = page.locator("#attention"), threading.Event()
    attention.get_by_text("6.0–8.0 s").first.wait_for()
    reader = paced[0].readers["made-up"]
    predict = reader.predict
    monkeypatch.setitem(vars(reader), "predict", lambda *given, **how: held.wait(PATIENCE) and predict(*given, **how))
    with page.expect_request("**/run/predict*"):  # the server is told of it a moment later
        page.locator('#utterances [data-index="0"]').click()
    page.locator('#attention [data-of="2"][aria-busy="true"]').wait_for()
    page.get_by_role("tab", name="What if").click()
    page.get_by_role("tab", name="Attention").click()
    attention.get_by_text("Finding out where the model looks…").wait_for()
    held.set()
    attention.get_by_text("0.0–2.0 s").first.wait_for()


def test_a_transcript_is_edited_and_read_again(page):
    page.get_by_role("tab", name="What if").click()
    words = page.locator("#other-words textarea")
    page.wait_for_function("document.querySelector('#other-words textarea').value === 'I got job 3!'")
    words.fill("I lost it.")
    page.locator("#left-out").get_by_label("face").check()
    page.locator("#again").click()
    answer = page.locator("#what-if")
    answer.get_by_text("I lost it.").wait_for()
    answer.get_by_text("The face was left out.").wait_for()
    drawn = answer.inner_html()
    page.locator("#thresholds input").first.evaluate("it => { it.value = 0; }")
    for kind in ("input", "change"):
        page.locator("#thresholds input").first.dispatch_event(kind)
    page.wait_for_function("drawn => document.querySelector('#what-if').innerHTML !== drawn", arg=drawn)
    answer.get_by_text("I lost it.").wait_for()
    assert words.input_value() == "I lost it."
    assert page.locator("#left-out").get_by_label("face").is_checked()
    page.locator('#utterances [data-index="0"]').click()
    page.wait_for_function("document.querySelector('#other-words textarea').value === 'I got job 1!'")
    page.wait_for_function("!document.querySelector('#what-if').innerText.trim()")


def test_who_edits_a_transcript_stays_with_its_utterance(visit, paced, talk):
    pace, url = paced
    page = visit(url)
    submit(page, talk)
    pace.gate.release()
    heading(page, 1).wait_for()
    page.get_by_role("tab", name="What if").click()
    words, answer = page.locator("#other-words textarea"), page.locator("#what-if")
    page.wait_for_function("document.querySelector('#other-words textarea').value === 'I got job 1!'")
    with page.expect_response("**/run/predict*"):
        words.focus()
    words.fill("I lost it.")
    pace.gate.release()
    page.get_by_text("I got job 2!").first.wait_for()
    page.locator("#again").click()
    answer.get_by_text("I lost it.").wait_for()
    pace.gate.release()
    with page.expect_response("**/run/predict*"):  # what comes with the end
        page.get_by_text("Done: 3 utterances").wait_for()
    assert words.input_value() == "I lost it."
    assert "I lost it." in answer.inner_text()
    assert heading(page, 1).is_visible()


def test_what_each_modality_says_and_another_model(page):
    page.get_by_role("tab", name="Modalities").click()
    page.get_by_text("What each says alone").wait_for()
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-button").click()
    page.locator("#compare").get_by_text("3 utterances").first.wait_for()
    page.locator("#compared").get_by_text("Other compact").wait_for()


def test_every_file(page, tmp_path):
    page.get_by_role("tab", name="Files").click()

    def take(kind: str) -> bytes:
        with page.expect_download() as taken:
            page.locator(f"#save-{kind}").click()
        path = tmp_path / taken.value.suggested_filename
        taken.value.save_as(path)
        return path.read_bytes()

    document = json.loads(take("json"))
    assert [one["start"] for one in document["utterances"]] == [0, 3, 6]
    table = list(csv.DictReader(io.StringIO(take("csv").decode("utf-8-sig"))))
    assert [one["transcript"] for one in table] == [f"I got job {n}!" for n in (1, 2, 3)]
    assert "[happy 0.91]" in take("srt").decode()
    assert take("vtt").startswith(b"WEBVTT")
    assert len(read_subtitles(tmp_path / "talk.vtt")) == len(read_subtitles(tmp_path / "talk.srt")) == 3
    arrays = np.load(io.BytesIO(take("npz")))
    assert arrays["utterance_0002_level1"].shape[-2:] == (32, 32)
    names = zipfile.ZipFile(io.BytesIO(take("zip"))).namelist()
    assert {"README.txt", "talk.json", "talk-attention.npz"} <= set(names)


def test_the_annotated_video_is_made_and_decodes_with_its_sound(page, tmp_path):
    page.get_by_role("tab", name="Files").click()
    page.locator("#annotate-button").click()
    page.locator("#annotate").get_by_text("Drawing the video…").wait_for()
    page.locator("#annotated video").wait_for()
    with page.expect_download() as taken:
        page.locator("#annotated a[download]").click()
    taken.value.save_as(tmp_path / "made.mp4")
    with open_media(tmp_path / "made.mp4") as media:
        read = list(media.read([1.0, 5.0]))
        assert [one.time for one in read if isinstance(one, Frame)] == [1.0, 5.0]
        assert any(isinstance(one, Sound) and np.abs(one.samples).max() > 0.1 for one in read)


def test_a_link_opens_the_result_for_somebody_else_and_an_old_one_says_so(visit, page, paced):
    page.get_by_role("tab", name="Files").click()
    page.locator("#link-button").click()
    page.get_by_text("It is deleted after an hour.").wait_for()
    address = page.locator("#link a").evaluate("(each) => each.href")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as on a page without TLS
    page.evaluate("document.addEventListener('copy', () => { window.copied = getSelection().toString(); })")
    page.locator("#link .fv-copy").click()
    page.locator("#link").get_by_text("Copied").wait_for()
    assert page.evaluate("window.copied") == address
    page.locator("#link").get_by_text("Copy", exact=True).wait_for()
    other = visit(address)
    other.get_by_text("This is a result that was kept").wait_for()
    other.locator('#utterances [data-index="0"]').click()
    heading(other, 1).wait_for()  # its card was not there, and has been asked for
    assert other.locator("#stage img").count() == 5
    assert overflow(other) <= 0
    gone = visit(paced[1] + "?result=" + "A" * 22)
    gone.get_by_role("alert").get_by_text("no longer here").wait_for()


def test_a_model_is_chosen_by_keyboard_and_named_by_what_it_made(visit, paced, talk):
    from playwright.sync_api import expect

    pace, url = paced
    page = visit(url, 360)
    page.get_by_role("button", name="Options").press("Enter")
    choice = page.locator("#model")
    expect(choice.get_by_role("radio", name="Made up")).to_be_checked()
    expect(page.get_by_text("It hears <nothing>.")).to_be_hidden()
    choice.get_by_role("radio", name="Made up").press("Tab")  # each is a stop of its own
    page.keyboard.press("Space")
    expect(choice.get_by_role("radio", name="Other compact")).to_be_checked()
    page.get_by_text("It hears <nothing>.").wait_for()
    assert overflow(page) <= 0

    submit(page, talk)
    pace.gate.release(3)
    page.get_by_text("Done: 3 utterances").wait_for()
    expect(page.locator("#made-by")).to_contain_text("Read by Other compact, version 1")
    choice.get_by_role("radio", name="Made up").check()
    expect(page.get_by_text("It hears <nothing>.")).to_be_hidden()
    expect(page.locator("#made-by")).to_contain_text("Read by Other compact")  # what is shown is still the other's
    page.locator("#clear").click()
    expect(page.locator("#made-by")).to_be_hidden()
    expect(choice.get_by_role("radio", name="Made up")).to_be_checked()
