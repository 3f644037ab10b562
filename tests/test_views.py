"""What is drawn of a reading: true to its numbers, whole at the edges, and safe with anybody's words."""

import dataclasses
import re
import warnings

import numpy as np
import pytest
from made_up import THRESHOLDS, made_up_reading
from markup import parse, seen_words, with_class

from fv2es.emotions import COLOURS, MOSEI
from fv2es.results import Fold, summarise
from fv2es.views import VIEWS, attention_card, inputs_card, reading_chart, summary_chart
from fv2es.views.inputs import decibels, spectrogram_figure
from fv2es.views.markup import sentence_list
from fv2es.views.notices import notices, status
from fv2es.views.words import english

EDGES = {
    "usual": {},
    "all active": {"probabilities": (1.0,) * 6},
    "none active": {"probabilities": (0.0,) * 6},
    "no face": {"faces": 0},
    "one face": {"faces": 1},
    "no voice": {"voice": False},
    "no words": {"text": "", "source": "none"},
    "face alone": {"voice": False, "text": "", "source": "none"},
    "no attention": {"attention": False},
    "shorter than a piece": {"end": 0.7},
    "long": {"end": 15.5, "text": "and so on " * 400},
    "letters of all kinds": {"text": "“Ünïcödé” — 你好 🎭 ${value} {{value}} \\ ` '"},
}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("edge", EDGES)
def test_every_view_draws_every_edge(edge):
    reading = made_up_reading(**EDGES[edge])
    for draw in (*VIEWS.values(), lambda one, say: attention_card(one)):
        parse(draw(reading, english))


def test_the_chart_says_what_the_reading_says():
    reading = made_up_reading(probabilities=(0.259, 0.15, 0.0, 0.5, 1.0, 0.29))
    rows = with_class(parse(reading_chart(reading)), "fv-bar")
    assert [with_class(row, "fv-name")[0].text for row in rows] == list(MOSEI)
    highlighted = [name for name, row in zip(MOSEI, rows, strict=True) if "fv-on" in row.get("class")]
    assert tuple(highlighted) == reading.active == ("disgust", "happy", "sad")
    for name, row, value, threshold in zip(MOSEI, rows, reading.probabilities, THRESHOLDS, strict=True):
        assert COLOURS[name] in row.get("style")
        assert with_class(row, "fv-fill")[0].get("style") == f"--value:{value:.4f}"
        line = with_class(row, "fv-threshold")[0].get("style")
        assert line == f"--threshold:var(--threshold-{name}, {threshold:.4f})", "the visitor's, or else the model's"
        assert (row.get("data-emotion"), row.get("data-value")) == (name, repr(float(value))), "to the last bit"
        assert with_class(row, "fv-value")[0].text == f"{value:.2f}"


def test_the_headline_names_what_is_active_and_neutral_where_nothing_is():
    assert seen_words(parse(reading_chart(made_up_reading()))) == ["happy", "surprise"]
    quiet = parse(reading_chart(made_up_reading(probabilities=(0,) * 6)))
    assert seen_words(quiet) == ["neutral"]
    assert not with_class(quiet, "fv-on")


def test_the_sentence_names_the_strongest_first():
    readings = [made_up_reading(probabilities=(0.8, 0, 0.3, 0, 0.9, 0))]
    tree = parse(summary_chart(summarise(readings, MOSEI, THRESHOLDS)))
    items = [one.text for one in with_class(tree, "fv-item") if "fv-on" in one.get("class")]
    assert items == ["sad (0.90)", "anger (0.80)", "fear (0.30)"]
    assert "reads as neutral" in "".join(with_class(tree, "fv-none")[-1].itertext()), "there, and not seen"


def test_the_average_has_both_means():
    readings = [
        made_up_reading(0, 0, 1, probabilities=(0, 0, 0, 1.0, 0, 0)),
        made_up_reading(1, 1, 4, probabilities=(0, 0, 0, 0, 0, 0)),
    ]
    chart = summary_chart(summarise(readings, MOSEI, THRESHOLDS))
    happy = with_class(parse(chart), "fv-bar")[MOSEI.index("happy")]
    assert with_class(happy, "fv-fill")[0].get("style") == "--value:0.5000"
    assert with_class(happy, "fv-second")[0].get("style") == "--value:0.2500"
    assert "On average over 2 utterances, the clip expresses" in chart
    assert "so far" not in chart
    assert "so far" in summary_chart(summarise(readings, MOSEI, THRESHOLDS), complete=False)


def test_an_average_of_nothing_is_no_chart():
    assert summary_chart(Fold(MOSEI, THRESHOLDS).summary) == ""


def test_what_is_no_number_has_no_bar():
    row = with_class(parse(reading_chart(made_up_reading(probabilities=(np.nan, 0, 0, 1, 0, 0)))), "fv-bar")[0]
    assert with_class(row, "fv-value")[0].text == "–"
    assert with_class(row, "fv-fill")[0].get("style") == "--value:0"
    assert "fv-on" not in row.get("class")


@pytest.mark.parametrize("source", ["subtitles", "typed", "<b>somebody</b>"])
def test_words_stay_words(source):
    nasty = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    card = inputs_card(made_up_reading(text=nasty, source=source))
    tree = parse(card)
    assert not list(tree.iter("script"))
    assert len(list(tree.iter("img"))) == 5
    assert not list(tree.iter("b"))
    assert next(tree.iter("blockquote")).text == nasty


def test_every_input_is_there_or_said_to_be_missing():
    whole = inputs_card(made_up_reading())
    assert whole.count("<img") == 5
    assert whole.count("<svg") == 1
    assert "from the subtitles" in whole
    assert "left out" not in whole
    nothing = inputs_card(made_up_reading(faces=0, voice=False, text="", source="whisper"))
    assert "<img" not in nothing
    assert "<svg" not in nothing
    assert "No face was found" in nothing
    assert "No speech was heard" in nothing
    assert "Whisper heard no words" in nothing
    assert "Whisper heard no words" in inputs_card(made_up_reading(text="", source="whisper-es"))
    translated = inputs_card(made_up_reading(source="whisper-es"))
    assert "heard by Whisper, translated from Spanish" in translated


def test_how_sure_a_recogniser_is_stands_beside_its_words():
    assert "heard by PocketSphinx, roughly, 30 % sure" in inputs_card(
        made_up_reading(source="pocketsphinx", confidence=0.3)
    )
    assert "sure" not in inputs_card(made_up_reading(source="pocketsphinx"))


def test_each_input_says_what_it_reads_alone():
    reading = made_up_reading(faces=0)
    reading = dataclasses.replace(
        reading, modalities={"face": None, "voice": np.zeros(6), "words": np.array([0, 0, 0, 0.9, 0, 0.9])}
    )
    face, voice, words = with_class(parse(inputs_card(reading)), "fv-alone")
    assert face.text == "left out"
    assert seen_words(voice) == ["neutral"]
    assert seen_words(words) == ["happy", "surprise"]


def test_the_spectrogram_lies_on_the_clips_time_and_on_hertz():
    figure = spectrogram_figure(made_up_reading(start=4.0, end=6.4))
    (axes,) = figure.axes
    assert axes.get_xlim() == pytest.approx((4.0, 6.4))
    assert axes.get_ylim() == (0, 128)
    places = dict(zip([one.get_text() for one in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert places["250"] < places["1k"] < places["4k"]
    assert places["1k"] == pytest.approx(128 * np.log10(1 + 1000 / 700) / np.log10(1 + 8000 / 700), abs=1.0)


def test_decibels():
    assert decibels(np.array([[1.0, 0.1], [0.0, 1e-12]])) == pytest.approx(np.array([[0, -10], [-60, -60]]))
    assert (decibels(np.zeros((128, 3))) == -60).all()


def test_drawings_follow_the_page():
    """Their ink is that of the text, and nothing of them reaches the rest of the page."""
    markup = inputs_card(made_up_reading())
    assert "currentColor" in markup
    assert "#010203" not in markup
    assert "<style" not in markup
    assert "DejaVu" not in markup
    assert not re.search(r'(?:src|href)="(?!data:|#)', markup)
    assert all(one.get("aria-label") for one in parse(markup).iter() if one.get("role") == "img")


def test_notices_and_status_are_escaped():
    assert "<i>" not in notices(["<i>x</i>"], "<i>y</i>")
    assert 'role="alert"' in notices([], "This file is empty.")
    assert notices([]) == ""
    assert "&lt;i&gt;" in status("<i>")
    assert "--value:0.250" in status("x", 0.25, busy=True)
    assert "fv-unknown" in status("x", busy=True)
    assert "fv-progress" not in status("x")


def test_sentence_list():
    assert [sentence_list(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
