"""The tabs: what they show of a result, what they do with it, and the files and links that they give."""

import csv
import io
import json
import zipfile
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from made_up import THRESHOLDS, made_up_maps, made_up_reading
from processes import until
from stubs import Predicting, predicting_models
from test_app import READER, handlers_of, page_after, two_models

from fv2es.limits import Limits
from fv2es.schema import MODALITIES
from fv2es.takeaway import Shelf
from fv2es.ui.looking import NO_CLIP, NO_MODEL, Looking
from fv2es.ui.parts import named
from fv2es.ui.session import Request, Run, Session
from fv2es.ui.sweeping import Sweeper


@pytest.fixture
def session():
    """A visitor whose clip of two utterances has been read."""
    run = Run(Request("/secret/clip.mp4"), "clip.mp4")
    run.add(made_up_reading(0, attention=False))
    run.add(made_up_reading(1, 3.0, 5.0, attention=False))
    run.begun(Predicting())
    return Session(run)


@pytest.fixture
def looking(tmp_path):
    return Looking(predicting_models()[0], Shelf(tmp_path / "shelf"), Limits())


def test_nothing_is_drawn_of_nothing(looking):
    for name in ("attention", "files", "nonsense"):
        assert looking.open(Session(), name) == {}
    assert list(looking.compare(Session(), "made-up")) == []
    assert looking.again(Session(), "words", []) == looking.link(Session()) == {}


def test_attention_is_looked_at_by_head_and_by_piece(looking, session):
    page = looking.open(session, "attention")
    assert "Level 3" in page["attention"]
    assert [value for _, value in page["head"].choices] == [-1, 0, 1, 2, 3]
    assert page["piece"].value == -1
    one = looking.look(session, 2, 1)
    assert one["attention"] != page["attention"]
    assert (one["head"].value, one["piece"].value) == (2, 1)
    assert looking.look(session, -1, 99)["piece"].value == -1, "there is no such piece"


def test_the_model_is_asked_where_it_looks_once_for_the_utterance_that_is_shown(looking, session):
    assert "Finding out" in looking.ask(session)["attention"]
    shown = looking.open(session, "attention")["attention"]
    looking.look(session, 2, 1)
    assert looking.look(session, -1, -1)["attention"] == shown
    assert looking.ask(session) == {}, "what is known is not asked for again"
    assert session.run.reader.asked == [session.run.readings[1].utterance]
    session.run.chosen = 0
    assert "Finding out" in looking.ask(session)["attention"]
    assert looking.draw(session)["attention"] != shown
    assert session.run.reader.asked[1:] == [session.run.readings[0].utterance]
    assert [one.attention for one in session.run.readings] == [None, None], "maps do not pile up"
    assert looking.ask(Session()) == {}


def test_two_visitors_are_shown_their_own_maps(looking, session):
    run = Run(Request("/secret/other.mp4"), "other.mp4", reader=session.run.reader)
    run.add(made_up_reading(0, 7.0, 8.0, attention=False))
    other = Session(run)
    session.run.chosen = 0
    for visitor, start in ((session, 0.5), (other, 7.0)) * 2:
        looking.open(visitor, "attention")
        shown = visitor.run.watched(visitor.run.shown)
        wanted = made_up_maps(shown.utterance)
        assert shown.span.start == start
        np.testing.assert_array_equal(shown.attention["level2"], wanted["level2"])


def test_a_model_that_looks_nowhere_is_not_asked(looking, session):
    session.run.reader.attends = False
    assert looking.ask(session) == {}
    assert "no attention to show" in looking.open(session, "attention")["attention"]
    assert not looking.open(session, "files")["npz"].visible
    assert session.run.reader.asked == []
    assert "clip-attention.npz" not in zipfile.ZipFile(io.BytesIO(taken(looking, session, "zip")[1])).namelist()


def test_where_nobody_speaks_there_are_no_arrays_to_take_away(looking, session):
    assert looking.open(session, "files")["npz"].visible
    silent = Run(Request("/secret/clip.mp4"), "clip.mp4", reader=session.run.reader)
    silent.add(made_up_reading(0, voice=False))
    assert not looking.open(Session(silent), "files")["npz"].visible


def test_modalities_are_left_out_one_by_one(looking, session):
    card = looking.open(session, "modalities")["modalities"]
    assert "What each says alone" in card
    left = [set(MODALITIES) - set(each.modalities) for each in session.run.reader.asked]
    assert left == [{"face"}, {"voice"}, {"words"}]


def test_what_if_reads_the_chosen_utterance_again_and_no_clip(looking, session):
    session.run.chosen = 1
    page = looking.open(session, "what-if")
    assert page["other-words"] == "I got the job!"
    card = looking.again(session, "I hate <this>.", ["face"])["what-if"]
    (asked,) = session.run.reader.asked
    assert (asked.transcript.text, asked.faces) == ("I hate <this>.", ())
    assert asked.span == session.run.readings[1].span
    assert "I hate &lt;this&gt;." in card
    assert "keep at least one" in looking.again(session, "", list(MODALITIES))["what-if"]


def test_where_nothing_was_watched_there_is_no_picture_to_be_saved(looking, session):
    assert looking.open(session, "attention")["png"].visible
    session.run.add(made_up_reading(2, 6.0, 8.0, voice=False))
    update = looking.open(session, "attention")
    assert "There is no attention to show" in update["attention"]
    assert not update["png"].visible
    with pytest.raises(gr.Error, match="no attention here"):
        next(looking.file(session, "png"))


def test_what_if_keeps_the_thresholds_that_were_moved(looking, session):
    session.run.moved = np.full(6, 0.99)
    assert "fv-bar fv-on" not in looking.again(session, "", [])["what-if"]


def test_what_was_put_in_stays_until_another_utterance_is_chosen(looking, session):
    session.run.chosen = 1
    looking.open(session, "what-if")
    assert looking.draw(session) == {}, "somebody may be typing"
    card = looking.again(session, "I hate this.", [])["what-if"]
    assert looking.draw(session) == {"what-if": card}
    session.run.moved = np.full(6, 0.99)
    moved = looking.draw(session)
    assert set(moved) == {"what-if"}
    assert moved["what-if"] != card
    assert "I hate this." in moved["what-if"]
    session.run.moved = None
    assert looking.open(session, "what-if") == {"what-if": card}
    session.run.chosen = 0
    page = looking.draw(session)
    assert page["other-words"] == session.run.readings[0].utterance.transcript.text
    assert page["what-if"] == ""
    session.run.chosen = 1
    assert looking.draw(session)["other-words"] == "I got the job!"


def test_another_model_reads_the_same_inputs(looking, session, monkeypatch):
    monkeypatch.setattr("fv2es.ui.looking.OFTEN", 0.0)
    *some, last = looking.compare(session, "other-compact")
    assert len(some) == 2
    assert "Other compact" in last["compare"]
    assert "Made up, version 1" in last["compared"]
    assert "Utterance 2" in last["compared"], "the utterance on the page"
    assert session.run.compared[0][1].active == ("anger",)
    session.run.chosen = 0
    assert "Utterance 1" in looking.open(session, "compare")["compared"]


def test_no_model_is_compared_with_itself(looking, session):
    (told,) = looking.compare(session, session.run.model)
    assert "choose another one" in told["compare"]
    assert session.run.compared == []


def test_a_comparison_ends_when_the_visitor_goes_on(looking, session):
    updates = looking.compare(session, "other-compact")
    next(updates)
    session.run = None
    assert list(updates) == [{"compare": "", "compared": ""}], "what comes last is sent once more"


def taken(looking, session, kind) -> tuple[str, bytes]:
    """The name and the bytes of a file, which is gone once it has been handed over."""
    updates = looking.file(session, kind)
    path = next(updates)["download"].value["path"]
    with open(path, "rb") as file:
        content = file.read()
    assert list(updates) == []
    return path.rpartition("/")[2], content


def test_every_file_is_the_result_under_the_visitors_thresholds(looking, session):
    session.run.moved = THRESHOLDS.copy()
    session.run.moved[3] = 0.95
    name, content = taken(looking, session, "json")
    document = json.loads(content)
    assert (name, document["file"], document["thresholds"]["happy"]) == ("clip.json", "clip.mp4", 0.95)
    assert "secret" not in content.decode()
    table = list(csv.DictReader(io.StringIO(taken(looking, session, "csv")[1].decode("utf-8-sig"))))
    assert [one["active"] for one in table] == ["surprise", "surprise"]
    assert taken(looking, session, "vtt")[1].startswith(b"WEBVTT")
    assert b"-->" in taken(looking, session, "srt")[1]
    arrays = np.load(io.BytesIO(taken(looking, session, "npz")[1]))
    for number, one in enumerate(session.run.readings):
        for level, maps in made_up_maps(one.utterance).items():
            np.testing.assert_array_equal(arrays[f"utterance_000{number}_{level}"], maps)
    assert "README.txt" in zipfile.ZipFile(io.BytesIO(taken(looking, session, "zip")[1])).namelist()
    name, picture = taken(looking, session, "png")
    assert name == "clip-attention-2.png"
    assert picture.startswith(b"\x89PNG")
    assert "moved" in looking.open(session, "files")["files"]


def test_a_file_that_nobody_waits_for_any_more_is_not_finished(looking, session):
    predict = session.run.reader.predict

    def leave(*given, **how):
        session.run = None
        return predict(*given, **how)

    session.run.reader.predict = leave
    reader = session.run.reader
    with pytest.raises(gr.Error, match="nothing to take away"):
        next(looking.file(session, "npz"))
    assert len(reader.asked) == 1


def test_a_link_opens_the_result_again_for_somebody_else(looking, session, tmp_path):
    session.run.moved = np.full(6, 0.5)
    token = looking.link(session)["link"].partition("?result=")[2].partition('"')[0]
    handlers = handlers_of(None, tmp_path / "shelf", two_models())
    other = Session()
    page = handlers.reopen(other, token)
    assert "clip.mp4" in page["status"]
    assert "".join(page["utterances"]).count('role="option"') == 2
    assert other.run.shown.active == ("happy",), "under the thresholds that were moved"
    assert other.run.reader is READER, "the weights that made it are here"
    assert not any(one.attention for one in other.run.readings)
    assert page["attention"] == looking.open(session, "attention")["attention"]
    assert looking.file(other, "json")
    assert NO_CLIP in page_after(looking.annotate(other))["annotate"]
    gone = handlers.reopen(Session(), "A" * 22)
    assert "no longer here" in gone["notices"]
    assert "results" not in gone


def test_a_result_whose_model_is_not_here_can_be_seen_and_not_asked(looking, session, tmp_path):
    token = looking.link(session)["link"].partition("?result=")[2].partition('"')[0]
    other = Session()
    page = handlers_of(None, tmp_path / "shelf").reopen(other, token)
    assert "made-up" in page["made-by"]
    assert NO_MODEL in looking.again(other, "words", [])["what-if"]
    assert NO_MODEL in looking.open(other, "modalities")["modalities"]
    assert NO_MODEL in looking.open(other, "attention")["attention"]
    assert not looking.open(other, "files")["npz"].visible


def test_maps_that_came_with_a_result_are_shown_without_its_model(looking):
    run = Run(None, "clip.mp4")
    run.add(made_up_reading(0))
    assert "Level 1" in looking.open(Session(run), "attention")["attention"]


def test_the_video_is_given_up_when_the_visitor_clears(looking, session, clip):
    from conftest import shades, tone

    session.run.request = Request(str(clip("talk.mp4", sound=tone(1.0), pictures=shades(10))))
    updates = looking.annotate(session)
    assert "Drawing the video" in next(updates)["annotate"]
    session.run = None
    *some, last = updates
    assert not any("video" in update and update["video"].visible for update in some)
    assert last["annotate"] == "", "what comes last is sent once more"
    assert not last["video"].visible


def test_a_video_is_made(looking, session, clip):
    from conftest import shades, tone

    session.run.request = Request(str(clip("talk.mp4", sound=tone(1.0), pictures=shades(10))))
    made = [SimpleNamespace(**update) for update in looking.annotate(session)]
    assert made[-1].video.visible
    assert made[-1].video.value["path"].endswith("clip-annotated.mp4") or made[-1].video.value


def test_kept_results_are_deleted_though_nobody_comes(tmp_path):
    shelf = Shelf(tmp_path / "shelf", keep_seconds=0.05)
    run = Run(None, "clip.mp4")
    run.add(made_up_reading(0))
    run.begun(READER)
    shelf.put(run.result)
    sweeper = Sweeper(shelf, 0.02)
    sweeper.wake()
    until(lambda: not list(shelf.folder.iterdir()))
    until(lambda: sweeper._timer is None)


def test_a_handler_that_gives_nothing_empties_nothing():
    def silent():
        yield from ()

    def speaking():
        yield {"one": 1}

    assert list(named({}, silent)()) == [gr.skip()]
    assert list(named({"one": "component"}, speaking)()) == [{"component": 1}]
