"""What the page does, with readings that no model made: streaming, Stop, Clear, sentences, the endpoint."""

import json
import re
import threading
import wave
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio.utils import diff
from made_up import THRESHOLDS, made_up_maps, made_up_reading
from processes import PATIENCE

from fv2es.emotions import MOSEI
from fv2es.hub import Checkpoint, CheckpointError
from fv2es.limits import Limits
from fv2es.media import MediaError
from fv2es.modalities.speech import SpeechError
from fv2es.results import analysis_json, reading_json, summarise
from fv2es.schema import Prediction
from fv2es.takeaway import Shelf
from fv2es.ui import build_demo, launch_options
from fv2es.ui.drawing import Drawing
from fv2es.ui.handlers import DRAWN, FULL, NO_CLIP, Handlers
from fv2es.ui.looking import MARKUP, Looking
from fv2es.ui.models import Models, Offer
from fv2es.ui.page import forgets, shared_analyse
from fv2es.ui.session import Run, Session
from fv2es.ui.sound import Sounds
from fv2es.ui.words import head, language_of
from fv2es.views.notices import empty
from fv2es.views.timeline import timeline, utterance_list

OPTIONS = ("auto", None, None, "largest", None)
get, post = (partial(ask, timeout=PATIENCE) for ask in (httpx.get, httpx.post))  # its own is five seconds


def made_up_checkpoint(name: str = "made-up", /, **config) -> Checkpoint:
    config = {"sha256": name.encode().hex().ljust(64, "0"), "version": "1"} | config
    return Checkpoint(name, Path("nowhere"), name, MOSEI, THRESHOLDS, config)


def made_up_reader(name: str = "made-up", /, attends: bool = True, **config) -> SimpleNamespace:
    checkpoint = made_up_checkpoint(name, **config)

    def predict(utterances, attention=False):
        """Nothing is felt, but it is said where one looks."""
        return [Prediction(np.zeros(6), {}, made_up_maps(one) if attention and attends else None) for one in utterances]

    return SimpleNamespace(
        name=name, emotions=MOSEI, thresholds=THRESHOLDS, checkpoint=checkpoint, attends=attends, predict=predict
    )


READER = made_up_reader()
CHECKPOINT = READER.checkpoint
OTHER = made_up_reader("other-compact", attends=False, description="It hears <nothing>.")


def two_models() -> Models:
    """Those of READER, which is the default, and OTHER."""
    readers = {one.name: one for one in (READER, OTHER)}
    offers = [Offer(one.checkpoint) for one in readers.values()]
    return Models(offers, READER.name, load=lambda checkpoint: readers[checkpoint.name])


class MadeUp:
    """Stands where `pipeline.analyse` stands; remembers what it was asked for and whether it was closed."""

    def __init__(self, readings=3, notes=(), before=None, error=None):
        self.readings, self.notes, self.before, self.error = readings, list(notes), before, error
        self.asked, self.closed, self.given = [], 0, 0

    def __call__(self, path, cancel=None, model=None, **options):
        self.asked.append({"path": path, "model": model, **options})
        if self.before:
            raise self.before
        return _Analysis(self, cancel or threading.Event(), OTHER if model == OTHER.name else READER)


class _Analysis:
    duration, expected = 9.0, 9.0

    def __init__(self, maker, cancel, reader):
        self.maker, self.cancel, self.notes, self.reader = maker, cancel, maker.notes, reader

    def __iter__(self):
        for index in range(self.maker.readings):
            if self.cancel.is_set():
                return
            self.maker.given += 1
            yield made_up_reading(index, 3.0 * index, 3.0 * index + 2, attention=False)
        if self.maker.error:
            raise self.maker.error

    def close(self):
        self.cancel.set()  # as the real one does
        self.maker.closed += 1


def handlers_of(analyse: MadeUp, folder: Path | None = None, models: Models | None = None) -> Handlers:
    """folder: of the shelf, which keeps nothing before something is put there."""
    shelf = Shelf(folder or Path("nowhere"))
    return Handlers(analyse, Looking(models, shelf, Limits()), shelf, models)


def start(analyse: MadeUp, session: Session | None = None, *options):
    """Handlers, and what `begin` and `read` give."""
    handlers, session = handlers_of(analyse), session or Session()
    begun = handlers.begin(session, "clip.mp4", *(options or OPTIONS))
    return handlers, session, begun, handlers.read(session)


def page_after(updates) -> dict:
    """What the page shows after all of them."""
    page = {}
    for update in updates:
        page |= update
    return page


def rows(page: dict) -> int:
    return "".join(page["utterances"]).count('role="option"')


def told(session: Session, **message) -> str:
    """What the browser says of its run."""
    return json.dumps({"run": session.run.name, **message})


def test_it_answers_at_once_and_shows_the_first_utterance_before_the_second_is_read():
    analyse = MadeUp(3)
    _, _, begun, updates = start(analyse)
    assert not begun["submit"].interactive
    assert begun["stop"].interactive
    assert "Reading the clip…" in next(updates)["status"]
    assert analyse.asked == []
    first = next(updates)
    assert "Utterance 1 " in first["feed"]
    assert "What face" not in first["feed"]
    assert "Average so far" in first["summary"]
    assert rows(first) == 1
    assert "fv-lane" in "".join(first["timeline"])
    assert "Back to the model" in first["thresholds"]
    assert first["results"].visible
    assert analyse.given == 1
    page = page_after(updates)
    assert "Utterance 3 " in page["feed"]
    assert "On average over 3 utterances" in page["summary"]
    assert "so far" not in page["summary"]
    assert rows(page) == 3
    assert "Done: 3 utterances" in page["status"]
    assert page["submit"].interactive
    assert not page["stop"].interactive
    assert analyse.closed == 1


def test_what_grows_is_what_would_be_drawn_at_once():
    _, session, _, updates = start(MadeUp(3))
    for update in updates:
        if "utterances" in update:
            run = session.run
            shown = [run.seen(one) for one in run.readings]
            assert "".join(update["utterances"]) == utterance_list(shown, run.name)
            assert "".join(update["timeline"]) == timeline(shown, 9.0)
            assert run.summary.average.tolist() == run.result.summary.average.tolist()
        if len(session.run.readings) == 2:
            session.run.moved = THRESHOLDS / 2  # and after a threshold was moved


def test_an_update_sends_what_is_new_and_not_the_whole_again():
    """Gradio's own difference between what it sent and what it is to send."""
    *_, updates = start(MadeUp(40))
    sent, sizes = {}, []
    for update in updates:
        if "timeline" not in update:
            continue
        parts = {name: update[name] for name in ("timeline", "utterances")}
        sizes.append(len(json.dumps(diff(sent, parts))))
        sent = parts
    assert max(sizes[60:78]) < 1.5 * max(sizes[4:20])


def test_what_was_lost_on_the_way_comes_when_the_browser_asks():
    handlers, session, _, updates = start(MadeUp(2))
    assert handlers.heed(session, json.dumps({"rows": 0})) == {}, "nothing has been lost yet"
    next(update for update in updates if "feed" in update)
    page = handlers.heed(session, json.dumps({"run": None, "rows": 0}))
    assert rows(page) == 1
    assert page["results"].visible
    assert "Utterance 1 " in page["feed"]
    assert "submit" not in page, "it still goes on"
    assert handlers.heed(session, told(session, rows=1)) == {}
    page_after(updates)
    page = handlers.heed(session, told(session, rows=1, chosen=0))
    assert "Done: 2 utterances" in page["status"]
    assert page["submit"].interactive
    assert session.run.chosen == 0
    handlers.clear(session)
    assert handlers.heed(session, json.dumps({"rows": 0}))["submit"].interactive


def test_a_run_whose_connection_broke_off_says_so_and_keeps_what_is_there():
    handlers, session, _, updates = start(MadeUp(3))
    assert handlers.settle(session) == {}, "it goes on"
    next(update for update in updates if "feed" in update)
    updates.close()
    page = handlers.failed(session)
    assert "The connection broke off after one utterance." in page["status"]
    assert rows(page) == 1
    assert page["submit"].interactive
    assert handlers.settle(session)["status"] == page["status"]


def test_a_full_queue_says_so():
    handlers, session, *_ = start(MadeUp())
    page = handlers.failed(session)
    assert FULL in page["notices"]
    assert page["submit"].interactive
    assert session.run.cancel.is_set()


def test_the_sound_of_an_utterance_is_a_file_that_its_card_names(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    heard = made_up_reading(sound=True)
    run, drawing = Run(None), Drawing(Sounds(), "en", str)
    run.add(heard)
    card = drawing.card(run, heard)
    (address,) = re.findall(r'data-sound="gradio_api/file=([^"]+)"', card)
    with wave.open(address) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    assert np.allclose(samples, heard.utterance.waveform, atol=1e-4)
    assert Path(address).is_relative_to(tmp_path)
    assert "<audio" in card
    other = Run(None)
    other.add(heard)
    assert address not in drawing.card(other, heard), "nobody finds it who knows another's"
    assert 'data-sound=""' in drawing.card(run, made_up_reading())
    assert "The sound itself is not here" in drawing.card(run, made_up_reading())


def test_options_reach_the_pipeline():
    analyse = MadeUp(0)
    *_, updates = start(analyse, None, "none", "words.srt", "  ", "left", "other-compact", "es")
    page_after(updates)
    (asked,) = analyse.asked
    assert asked["path"] == "clip.mp4"
    assert str(asked["speech"]) == "words.srt"
    assert not isinstance(asked["speech"], str), "a file, whatever its name"
    assert asked["text"] is None
    assert asked["speaker"] == "left"
    assert asked["model"] == "other-compact"
    assert asked["language"] == "es"


def test_without_a_clip_nothing_is_begun():
    handlers, session = handlers_of(MadeUp()), Session()
    page = handlers.begin(session, None, *OPTIONS)
    assert NO_CLIP in page["notices"]
    assert session.run is None
    assert list(handlers.read(session)) == []


def test_what_could_not_be_read_is_not_read_again_without_a_clip():
    handlers, session, _, updates = start(MadeUp(before=MediaError("This file is empty.")))
    assert "This file is empty." in page_after(updates)["notices"]
    handlers.begin(session, None, *OPTIONS)
    assert list(handlers.read(session)) == []


def test_without_a_clip_the_last_result_stays():
    handlers, session = handlers_of(MadeUp(notes=["A note."])), Session()
    handlers.begin(session, "talk.mp4", *OPTIONS)
    list(handlers.read(session))
    run = session.run
    assert NO_CLIP not in handlers.settle(session)["notices"]
    page = handlers.begin(session, None, *OPTIONS)
    assert set(page) == {"notices"}
    assert NO_CLIP in page["notices"]
    assert session.run is run
    assert list(handlers.read(session)) == []
    assert handlers.settle(session) == {}, "it would take the sentence away"
    told = handlers.chosen(session)["notices"]
    assert NO_CLIP not in told
    assert "A note." in told


def test_stop_keeps_what_is_there():
    analyse = MadeUp(3)
    handlers, session, _, updates = start(analyse)
    next(update for update in updates if "feed" in update)
    page = handlers.stop(session)
    assert page["status"].count("Stopped after one utterance.") == 1
    assert "On average over one utterance" in page["summary"]
    assert not {"feed", "thresholds", "results"} & page.keys(), "what is shown stays"
    assert rows(page) == 1
    assert page["submit"].interactive
    rest = list(updates)
    assert analyse.given == 1
    assert analyse.closed == 1
    assert not any("status" in update for update in rest)
    assert "Utterance 1 " in handlers.heed(session, told(session, missing=0))["feed"]


def test_stop_while_waiting_means_that_nothing_is_read():
    analyse = MadeUp()
    handlers, session, _, updates = start(analyse)
    assert "before anything was read" in handlers.stop(session)["status"]
    assert page_after(updates) == {}
    assert analyse.asked == []


def test_clear_empties_and_ends():
    analyse = MadeUp(3)
    handlers, session, _, updates = start(analyse)
    next(update for update in updates if "feed" in update)
    page = handlers.clear(session)
    assert page["status"] == empty()
    assert page["notices"] == "" == "".join(page[name] for name in (*DRAWN, *MARKUP))
    assert not page["results"].visible
    assert not page["tabs"].visible
    assert [update for update in updates if "status" in update] == []
    assert analyse.given == 1
    assert analyse.closed == 1
    assert handlers.heed(session, json.dumps({"run": "gone", "missing": 0})) == {}


def test_a_closed_tab_ends_the_work():
    analyse = MadeUp(3)
    *_, updates = start(analyse)
    next(update for update in updates if "feed" in update)
    updates.close()
    assert analyse.closed == 1


def test_a_new_clip_ends_the_old_one():
    handlers, session, _, updates = start(MadeUp(3))
    next(update for update in updates if "feed" in update)
    old = session.run
    handlers.begin(session, "other.mp4", *OPTIONS)
    assert old.cancel.is_set()
    assert not session.run.cancel.is_set()


@pytest.mark.parametrize("error", [MediaError, SpeechError, CheckpointError])
def test_errors_become_sentences(error):
    page = page_after(start(MadeUp(before=error("This file is <empty>.")))[3])
    assert "This file is &lt;empty&gt;." in page["notices"]
    assert 'role="alert"' in page["notices"]
    assert page["submit"].interactive


def test_an_error_in_the_middle_keeps_what_was_read():
    page = page_after(start(MadeUp(2, error=MediaError("The rest is damaged.")))[3])
    assert "The rest is damaged." in page["notices"]
    assert "On average over 2 utterances" in page["summary"]
    assert "Utterance 2 " in page["feed"]


def test_unknown_errors_are_logged_and_not_shown(caplog):
    page = page_after(start(MadeUp(before=OSError("/secret/path")))[3])
    assert "secret" not in page["notices"]
    assert "Something went wrong" in page["notices"]
    assert "/secret/path" in caplog.text
    number = page["notices"].split("noted as ")[1][:8]
    assert number in caplog.text


def test_no_speech_and_no_face_are_results():
    page = page_after(start(MadeUp(0, notes=["Neither speech nor a face was found."]))[3])
    assert "Neither speech nor a face was found." in page["notices"]
    assert 'role="alert"' not in page["notices"]
    assert "there is no utterance in it" in page["status"]


def test_a_chosen_utterance_stays_while_others_arrive():
    handlers, session, _, updates = start(MadeUp(3))
    next(update for update in updates if "feed" in update)
    session.tab = "attention"
    page = handlers.heed(session, told(session, chosen=0, missing=0))
    assert "Utterance 1 " in page["feed"]
    assert "I got the job!" in page["feed"]
    assert "Level 1" in page["attention"]
    assert "attention" not in page_after(updates), "it is that of the chosen one"
    assert session.run.shown.index == 0
    assert "Utterance 3 " in handlers.heed(session, told(session, chosen=2, missing=2))["feed"]
    assert "feed" not in handlers.heed(session, told(session, chosen=1, missing=None)), "the browser has that card"


@pytest.mark.parametrize(
    "message",
    ["", "nonsense", "[]", "{}", '{"run": "another", "missing": 0}', '{"run": null, "missing": 0}'],
)
def test_what_is_no_message_of_this_run_changes_nothing(message):
    handlers, session, _, updates = start(MadeUp(3))
    page_after(updates)
    assert handlers.heed(session, message) == {}
    assert handlers.heed(Session(), message) == {}


@pytest.mark.parametrize("index", [-1, 3, "0", 0.5, [], {}])
def test_an_utterance_that_is_not_there_is_not_chosen(index):
    handlers, session, _, updates = start(MadeUp(3))
    page_after(updates)
    assert "feed" not in handlers.heed(session, told(session, chosen=index, missing=index))
    assert session.run.chosen is None


def test_moved_thresholds_hold_for_what_is_drawn_and_written_from_then_on():
    handlers, session, _, updates = start(MadeUp(2))
    next(update for update in updates if "feed" in update)
    low = dict.fromkeys(MOSEI, 0.5) | {"fear": 0.0625}
    page = handlers.heed(session, told(session, chosen=None, missing=0, thresholds=low))
    assert active(page["feed"]) == {"fear", "happy"}
    assert session.run.shown.active == ("fear", "happy")
    page = page_after(updates)
    assert active(page["feed"]) == {"fear", "happy"}
    assert active(page["summary"]) == {"fear", "happy"}
    assert session.run.summary.active == ("fear", "happy")
    assert session.run.result.document()["moved_thresholds"]["fear"] == 0.0625
    handlers.heed(session, told(session, thresholds=dict(zip(MOSEI, THRESHOLDS.tolist(), strict=True))))
    assert session.run.moved is None, "the checkpoint's own are not moved"


@pytest.mark.parametrize(
    "thresholds", [None, [], {"happy": 0.5}, dict.fromkeys(MOSEI, 1.5), dict.fromkeys(MOSEI, "0.5"), {"x": {}}]
)
def test_thresholds_that_are_none_are_not_taken(thresholds):
    handlers, session, _, updates = start(MadeUp(1))
    page_after(updates)
    handlers.heed(session, told(session, thresholds=thresholds))
    assert session.run.moved is None


def active(markup: str) -> set[str]:
    """The emotions whose bar stands over its threshold."""
    return set(re.findall(r'class="fv-bar fv-on" data-emotion="(\w+)"', markup))


def test_the_open_tab_is_drawn_when_the_clip_is_read():
    handlers, session, _, updates = start(MadeUp(2))
    assert not any("attention" in update for update in updates), "nobody has opened it yet"
    assert "Level 1" in handlers.settle(session)["attention"]
    assert handlers.settle(Session()) == {}


def test_a_tab_that_nobody_has_opened_waits_for_the_end_of_every_clip():
    handlers, session, _, updates = start(MadeUp(2))
    page_after(updates)
    assert "Level 1" in handlers.settle(session)["attention"]
    handlers.begin(session, "clip.mp4", *OPTIONS)
    assert not any("attention" in update for update in handlers.read(session))
    assert "Level 1" in handlers.settle(session)["attention"]


def test_clips_are_read_without_attention(monkeypatch):
    for shared in ("warm_up", "FaceFinder", "Decoders"):
        monkeypatch.setattr(f"fv2es.ui.page.{shared}", lambda: None)
    monkeypatch.setattr("fv2es.ui.page.analyse", lambda path, **options: options)
    assert not shared_analyse(two_models(), Limits())("clip.mp4").get("attention")


def test_an_open_tab_follows_the_newest_utterance():
    _, session, _, updates = start(MadeUp(2))
    session.tab = "what-if"
    assert "other-words" in page_after(updates)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("de, zh-TW;q=0.5, en;q=0.2", "zh"),
        ("en;q=nonsense, zh", "zh"),
        ("*", "en"),
    ],
)
def test_the_language_is_that_of_the_browser(accepted, language):
    session = Session()
    handlers_of(MadeUp()).greet(session, accepted)
    assert session.language == language_of(accepted) == language


def test_the_time_of_deletion_is_on_the_page():
    assert "deleted an hour after" in head(3600)


def test_the_page_says_which_model_made_it_and_not_which_is_chosen():
    handlers, session, _, updates = start(MadeUp(1), None, "auto", None, None, "largest", "other-compact")
    page = page_after(updates)
    assert "Read by <b>Other compact</b>, version 1, weights 6f746865722d…" in page["made-by"]
    assert "made-by" not in handlers.describe(Session(), "made-up")
    assert handlers.clear(session)["made-by"] == ""


def test_a_chosen_model_is_described():
    handlers = handlers_of(MadeUp(), models=two_models())
    assert handlers.describe(Session(), "other-compact") == {
        "about-model": '<p class="fv-about-model">It hears &lt;nothing&gt;.</p>'
    }
    assert handlers.describe(Session(), "made-up") == {"about-model": ""}
    assert handlers.describe(Session(), "absent") == handlers.describe(Session(), None) == {}


def components(demo, kind) -> list:
    return [one for one in demo.blocks.values() if isinstance(one, kind)]


def test_the_choice_is_hidden_where_there_is_none(tmp_path):
    (choice,) = [one for one in components(build_demo(MadeUp(), examples=tmp_path), gr.Radio) if one.elem_id == "model"]
    assert not choice.visible
    one = Models([Offer(CHECKPOINT)], CHECKPOINT.name, load=lambda _: READER)
    demo = build_demo(MadeUp(), examples=tmp_path, models=one)
    (choice,) = [one for one in components(demo, gr.Radio) if one.elem_id == "model"]
    assert not choice.visible
    assert choice.value == "made-up"
    demo = build_demo(MadeUp(), examples=tmp_path, models=two_models())
    (choice,) = [one for one in components(demo, gr.Radio) if one.elem_id == "model"]
    assert choice.visible
    assert choice.choices == [("Made up", "made-up"), ("Other compact", "other-compact")]
    assert choice.value == "made-up"
    table = demo.words.i18n.translations_dict["en"]
    assert any("are <b>Made up</b> and <b>Other compact</b>" in one for one in table.values())


def test_visitors_share_nothing():
    analyse = MadeUp(2)
    handlers, one, other = handlers_of(analyse), Session(), Session()
    for session, clip in ((one, "one.mp4"), (other, "other.mp4")):
        handlers.begin(session, clip, *OPTIONS)
    first, second = handlers.read(one), handlers.read(other)
    next(update for update in first if "feed" in update)
    handlers.stop(one)
    assert "Done: 2 utterances" in page_after(second)["status"]
    assert len(one.run.readings) == 1


def test_a_clip_of_ones_own_has_not_the_words_of_an_example():
    forget, session = forgets({"good_news.srt"}), Session()
    assert forget(session, "/tmp/a/good_news.mp4", "/tmp/b/good_news.srt") == gr.skip()
    assert forget(session, "/tmp/a/video.mp4", "/tmp/b/good_news.srt") is None
    assert forget(session, None, "/tmp/b/good_news.srt") is None
    assert forget(session, None, None) == gr.skip()


def test_subtitles_go_with_the_clip_that_was_read_with_them():
    handlers, session, forget = handlers_of(MadeUp()), Session(), forgets(set())
    assert forget(session, "/tmp/mine.mp4", "/tmp/mine.srt") == gr.skip(), "they may come before their clip"
    handlers.begin(session, "/tmp/mine.mp4", "auto", "/tmp/mine.srt", None, "largest", None)
    assert forget(session, "/tmp/mine.mp4", "/tmp/mine.srt") == gr.skip()
    assert forget(session, "/tmp/other.mp4", "/tmp/new.srt") == gr.skip()
    assert forget(session, "/tmp/other.mp4", "/tmp/mine.srt") is None
    assert forget(session, None, "/tmp/mine.srt") is None


def expected_document(readings: int, name: str) -> dict:
    made = [made_up_reading(index, 3.0 * index, 3.0 * index + 2) for index in range(readings)]
    return analysis_json(
        file=name,
        duration=9.0,
        model="made-up",
        checkpoint=CHECKPOINT.identity,
        summary=summarise(made, MOSEI, THRESHOLDS),
        utterances=[reading_json(one) for one in made],
        notes=["A note."],
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The page on a port of this machine, with a stub, and a client of it."""
    from gradio_client import Client

    analyse = MadeUp(2, notes=["A note."])
    demo = build_demo(analyse, examples=tmp_path_factory.mktemp("none"), models=two_models())
    demo.queue(max_size=5).launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(demo))
    client = Client(demo.local_url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    yield analyse, client
    client.close()
    demo.close()


def test_the_endpoint_gives_the_documented_json_bit_by_bit(served, tmp_path):
    from gradio_client import handle_file

    analyse, client = served
    clip = tmp_path / "talk.mp4"
    clip.write_bytes(b"a clip")
    job = client.submit(handle_file(clip), "none", speaker="right", api_name="/analyze")
    assert job.result() == expected_document(2, "talk.mp4")
    assert [len(one["utterances"]) for one in job.outputs()] == [1, 2, 2]
    assert job.outputs()[0] == expected_document(1, "talk.mp4")
    assert analyse.asked[-1]["speech"] == "none"
    assert analyse.asked[-1]["speaker"] == "right"
    json.dumps(job.result(), allow_nan=False)


def test_the_endpoint_is_the_only_public_one(served):
    (name, described), *others = served[1].view_api(return_format="dict")["named_endpoints"].items()
    assert name == "/analyze"
    assert others == []
    assert [one["parameter_name"] for one in described["parameters"]] == [
        "clip", "speech", "subtitles", "text", "speaker", "model", "language",
    ]  # fmt: skip
    model, language = described["parameters"][-2:]
    assert model["parameter_default"] == "made-up"
    assert model["type"]["enum"] == ["made-up", "other-compact"]
    assert language["parameter_default"] == "en"
    assert {"en", "auto", "es", "zh"} < set(language["type"]["enum"])
    assert not served[1].view_api(return_format="dict")["unnamed_endpoints"]


def test_the_openapi_page_lists_nothing_else(served):
    paths = get(f"{served[1].src.rstrip('/')}/gradio_api/openapi.json").json()["paths"]
    assert {
        path.rpartition("/call/")[2].removeprefix("v2/").partition("/")[0] for path in paths if "/call/" in path
    } == {"analyze"}


def test_the_endpoint_is_a_tool_of_the_same_name(served):
    pytest.importorskip("mcp", reason="the extra gradio[mcp] is not installed")
    (tool,) = get(f"{served[1].src.rstrip('/')}/gradio_api/mcp/schema").json()
    assert tool["name"] == "analyze"
    assert tool["description"].startswith("Read the emotions expressed in a clip")
    assert tool["inputSchema"]["required"] == ["clip"]


def test_the_tool_answers_in_json(tmp_path):
    pytest.importorskip("mcp", reason="the extra gradio[mcp] is not installed")
    demo = build_demo(MadeUp(), examples=tmp_path)
    demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(demo))
    try:
        (said,) = demo.mcp_server_obj.postprocess_output_data([expected_document(1, "é.mp4")], "")
        assert json.loads(said.text) == expected_document(1, "é.mp4")
    finally:
        demo.close()


def test_the_page_comes_wherever_it_is_started(tmp_path, monkeypatch, examples):
    monkeypatch.chdir(tmp_path)
    demo = build_demo(MadeUp(), examples=examples[0].parent)
    demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(demo))
    load = next(number for number, made in demo.fns.items() if any(event == "load" for _, event in made.targets))
    asked = {"data": [None], "fn_index": load, "session_hash": "visitor"}
    try:
        assert post(f"{demo.local_url}gradio_api/run/predict", json=asked, headers={"accept-language": "zh"}).is_success
    finally:
        demo.close()


def test_the_endpoint_takes_a_model_and_names_it(served, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    analyse, client = served
    clip = tmp_path / "talk.mp4"
    clip.write_bytes(b"a clip")
    answer = client.predict(handle_file(clip), model="other-compact", api_name="/analyze")
    assert answer["model"] == answer["checkpoint"]["name"] == "other-compact"
    assert answer["checkpoint"]["sha256"] == OTHER.checkpoint.sha256
    assert client.predict(handle_file(clip), api_name="/analyze")["model"] == "made-up"
    asked = len(analyse.asked)
    with pytest.raises(AppError):
        client.predict(handle_file(clip), model="/etc/passwd", api_name="/analyze")
    assert len(analyse.asked) == asked


def test_the_endpoint_answers_who_knows_nothing_of_models(served, tmp_path):
    """Programs that send a bare list of five values, as they could before there was a choice."""
    analyse, client = served
    base = f"{client.src.rstrip('/')}/gradio_api"
    (path,) = post(f"{base}/upload", files={"files": ("talk.mp4", b"a clip")}).json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for values in ([file, "none", None, "", "largest"], [file, "none", None, "", "left", "made-up"]):
        event = post(f"{base}/call/analyze", json={"data": values}).json()["event_id"]
        said = get(f"{base}/call/analyze/{event}").text
        assert "event: complete" in said
        assert '"model": "made-up"' in said
        assert analyse.asked[-1]["model"] == "made-up"
    event = post(f"{base}/call/analyze", json={"data": [file, "none"]}).json()["event_id"]
    assert "event: error" in get(f"{base}/call/analyze/{event}").text


def test_null_stands_for_the_default(served, tmp_path):
    from gradio_client import handle_file

    analyse, client = served
    (tmp_path / "talk.mp4").write_bytes(b"a clip")
    client.predict(handle_file(tmp_path / "talk.mp4"), api_name="/analyze")
    client.predict(handle_file(tmp_path / "talk.mp4"), *[None] * 6, api_name="/analyze")
    usual, nothing = ({**asked, "path": ""} for asked in analyse.asked[-2:])
    assert nothing == usual
    assert nothing["speech"] == "auto"


@pytest.mark.parametrize("speech", ["/etc/hostname.srt", "nobody"])
def test_the_endpoint_takes_no_path_for_a_recogniser(served, tmp_path, speech):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    analyse, client = served
    asked = len(analyse.asked)
    (tmp_path / "talk.mp4").write_bytes(b"a clip")
    with pytest.raises(AppError):
        client.predict(handle_file(tmp_path / "talk.mp4"), speech, api_name="/analyze")
    assert len(analyse.asked) == asked


def test_the_endpoint_reads_no_file_of_the_server(served):
    """The client would upload the file, so this speaks to the server itself."""
    analyse, client = served
    asked = len(analyse.asked)
    for path in (__file__, "/etc/hostname", "../../etc/hostname"):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        call = f"{client.src.rstrip('/')}/gradio_api/call/analyze"
        event = post(call, json={"data": [file, "none", None, "", "largest"]}).json()["event_id"]
        assert "event: error" in get(f"{call}/{event}").text
    assert len(analyse.asked) == asked


def test_what_is_sent_wrongly_is_not_in_the_log(served, tmp_path, capfd):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    _, client = served
    (tmp_path / "talk.mp4").write_bytes(b"a clip")
    with pytest.raises(AppError, match="my private words"):
        client.predict(handle_file(tmp_path / "talk.mp4"), speech="my private words", api_name="/analyze")
    call = f"{client.src.rstrip('/')}/gradio_api/call/analyze"
    for file in ({"path": "/home/me/holiday.mp4", "meta": {"_type": "gradio.FileData"}}, {"holiday": 7}, "holiday"):
        event = post(call, json={"data": [file, "none", None, "", "largest"]}).json()["event_id"]
        assert "event: error" in get(f"{call}/{event}").text
    event = post(call, json={"data": ["holiday", "none"]}).json()["event_id"]
    assert "needs the values" in get(f"{call}/{event}").text
    written = "".join(capfd.readouterr())
    assert "private" not in written
    assert "holiday" not in written
    assert "Traceback" not in written


def test_the_endpoint_says_what_is_wrong(monkeypatch, served, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    analyse, client = served
    (tmp_path / "talk.mp4").write_bytes(b"a clip")
    monkeypatch.setattr(analyse, "before", MediaError("This file is empty."))
    with pytest.raises(AppError, match="This file is empty"):
        client.predict(handle_file(tmp_path / "talk.mp4"), api_name="/analyze")
    monkeypatch.setattr(analyse, "before", OSError("/secret/path"))
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(tmp_path / "talk.mp4"), api_name="/analyze")
    assert "secret" not in str(caught.value)
