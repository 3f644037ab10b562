"""Modalities, what if and compare: the numbers are those of the readings, and words stay words."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import THRESHOLDS, made_up_reading
from markup import parse, seen_words, with_class

from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.schema import Reading, Transcript
from fv2es.views.comparison import comparison_card, comparison_summary, what_if_card
from fv2es.views.modalities import ALONE, LEARNT, NOTHING_TO_LEAVE_OUT, SHARED, modalities_card
from fv2es.views.small import largest_change, signed

WEIGHTS = {"face": 0.5, "voice": 0.3, "words": 0.2}
NAMES = ("One <1>, version 2", "Other & more, version 1")
CHANGED = (0.02, 0.2, 0.08, 0.30, 0.05, 0.439)  # happy under its threshold, disgust over its own


def iemocap_reading(index: int = 0) -> Reading:
    values = np.array([0.1, 0.7, 0.2, 0.6, 0.3, 0.05])
    return replace(made_up_reading(index), emotions=IEMOCAP, probabilities=values, thresholds=np.full(6, 0.5))


def cells(tree, row: int) -> list[str]:
    (body,) = tree.iter("tbody")
    return ["".join(one.itertext()) for one in [*body][row]]


def text(tree) -> str:
    return " ".join("".join(tree.itertext()).split())


def test_signs():
    assert [signed(one) for one in (0.29, -0.034, 0.004, -0.004, 0.0051, 1)] == [
        "+0.29", "−0.03", "0.00", "0.00", "+0.01", "+1.00",
    ]  # fmt: skip


def test_the_largest_change_is_said():
    before, after = made_up_reading(), made_up_reading(probabilities=CHANGED)
    assert largest_change(before, after) == "Most changed: happy, from 0.91 to 0.30 (−0.61)."
    assert largest_change(before, before) == "No probability differs by as much as 0.01."


# Modalities


def test_each_modality_says_what_it_says():
    reading = replace(
        made_up_reading(),
        modalities={"face": np.full(6, 0.9), "voice": np.zeros(6), "words": np.array([0, 0, 0, 0.9, 0, 0.0])},
    )
    tree = parse(modalities_card(reading, WEIGHTS, {}))
    charts = with_class(tree, "fv-small")
    assert [next(one.iter("h4")).text for one in charts] == ["Face", "Voice", "Words"]
    assert [seen_words(one) for one in charts] == [list(MOSEI), ["neutral"], ["happy"]]
    (bar,) = with_class(tree, "fv-named")
    assert [one.get("style") for one in bar] == ["--value:0.5000", "--value:0.3000", "--value:0.2000"]
    assert "In force here: Face 0.50, Voice 0.30 and Words 0.20." in text(tree)
    assert SHARED not in text(tree)
    assert "sure" not in text(tree)


@pytest.mark.parametrize("weights", [WEIGHTS, None])
def test_how_far_words_are_believed_is_said(weights):
    card = parse(modalities_card(made_up_reading(confidence=0.3), weights, {}))
    assert "It is 30 % sure that the words were said." in text(card)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"voice": False}, "There is no voice here"),
        ({"faces": 0}, "There is no face here"),
        ({"text": "", "source": "none"}, "There are no words here"),
    ],
)
def test_what_is_missing_is_said_and_its_weight_is_shared(missing, said):
    reading = made_up_reading(**missing)
    weights = {name: 0.5 for name in WEIGHTS if reading.modalities[name] is not None}
    tree = parse(modalities_card(reading, weights, {}))
    assert said in text(tree)
    assert SHARED in text(tree)
    assert len(with_class(tree, "fv-bar")) == 12


def test_one_alone_is_the_answer_and_nothing_can_be_left_out():
    card = modalities_card(made_up_reading(voice=False, text="", source="none"), {"face": 1.0}, {})
    assert ALONE["face"] in card
    assert NOTHING_TO_LEAVE_OUT in card
    assert "<table" not in card


def test_learnt_fusion_is_told_in_a_sentence():
    tree = parse(modalities_card(made_up_reading(), None, {}))
    assert LEARNT in text(tree)
    assert not with_class(tree, "fv-share")


def test_without_its_model_nothing_is_said_that_only_the_model_knows():
    tree = parse(modalities_card(made_up_reading(), None))
    assert [one.text for one in tree.iter("h3")] == ["What each says alone"]
    assert len(with_class(tree, "fv-small")) == 3
    assert LEARNT not in text(tree)


def test_weights_below_zero_have_no_bar():
    tree = parse(modalities_card(made_up_reading(), {"face": 1.2, "voice": -0.2, "words": 0.1}, {}))
    assert not with_class(tree, "fv-share")
    assert "Voice -0.20" in text(tree)


def test_leaving_out_changes_what_the_table_says():
    reading = made_up_reading()
    without = {"face": made_up_reading(probabilities=CHANGED, faces=0), "words": made_up_reading(text="")}
    tree = parse(modalities_card(reading, WEIGHTS, without))
    assert [one.text for one in tree.iter("dt")] == ["All together", "Without the face", "Without the words"]
    assert [seen_words(one) for one in tree.iter("dd")] == [
        ["happy", "surprise"], ["disgust", "surprise"], ["happy", "surprise"],
    ]  # fmt: skip
    assert "Most changed: happy, from 0.91 to 0.30 (−0.61)." in text(tree)
    assert cells(tree, MOSEI.index("happy")) == ["happy", "0.91", "−0.61", "0.00"]
    assert cells(tree, MOSEI.index("disgust")) == ["disgust", "0.01", "+0.19", "0.00"]
    (happy,) = [one for one in tree.iter("tr") if text(one).startswith("happy")]
    assert [one.get("class") for one in happy] == [None, None, "fv-down", None]


# What if


def test_what_if_shows_both_and_what_was_changed():
    before, after = made_up_reading(), made_up_reading(probabilities=CHANGED, faces=0, text="<b>No</b>", source="typed")
    tree = parse(what_if_card(before, after))
    first, second = with_class(tree, "fv-small")
    assert seen_words(first) == ["happy", "surprise"]
    assert seen_words(second) == ["disgust", "surprise"]
    assert "The face was left out." in text(tree)
    assert [one.text for one in tree.iter("q")] == ["I got the job!", "<b>No</b>"]
    assert "as typed" in text(tree)
    assert not list(tree.iter("b"))
    assert not list(first.iter("small"))
    assert [one.text for one in second.iter("small")] == ["0.00", "+0.19", "0.00", "−0.61", "0.00", "0.00"]
    assert "from 0.91 to 0.30" in text(tree)


def test_words_for_words_that_were_not_there():
    before, after = made_up_reading(text="", source="none"), made_up_reading(text="Now", source="typed")
    said = text(parse(what_if_card(before, after)))
    assert "Words before none" in said.replace("before", "before ").replace("  ", " ")
    assert "left out" not in said


def test_nothing_changed_is_said():
    assert "Nothing was changed." in what_if_card(made_up_reading(), made_up_reading())


def test_dropped_words_are_left_out_and_not_quoted():
    after = made_up_reading(text="", source="none")
    tree = parse(what_if_card(made_up_reading(), after))
    assert "The words were left out." in text(tree)
    assert not list(tree.iter("q"))


# Compare


def test_two_models_stand_side_by_side_under_their_names():
    one, other = made_up_reading(), replace(made_up_reading(probabilities=CHANGED), thresholds=THRESHOLDS + 0.3)
    tree = parse(comparison_card(one, other, NAMES))
    assert [next(chart.iter("h4")).text for chart in with_class(tree, "fv-small")] == list(NAMES)
    assert "Most different: happy, 0.91 and 0.30 (−0.61)." in text(tree)
    first, second = (
        [line.get("style") for line in with_class(one, "fv-threshold")] for one in with_class(tree, "fv-small")
    )
    assert first[3] != second[3]


def test_thresholds_that_a_visitor_moves_are_not_the_second_models():
    tree = parse(comparison_card(made_up_reading(), made_up_reading(), NAMES))
    (own,) = with_class(tree, "fv-own")
    assert next(own.iter("h4")).text == NAMES[1]
    assert own.get("style").split(";") == [f"--threshold-{name}:initial" for name in MOSEI]
    first, second = with_class(tree, "fv-small")
    assert not [one for one in second.iter() if one.get("data-value")], "nothing that the page would recolour"
    assert [one for one in first.iter() if one.get("data-value")]


def test_the_clip_in_one_table():
    pairs = [
        (made_up_reading(0), made_up_reading(0)),
        (made_up_reading(1, 3, 4), made_up_reading(1, 3, 4, probabilities=CHANGED)),
    ]
    tree = parse(comparison_summary(pairs, NAMES))
    assert f"{NAMES[0]} and {NAMES[1]} give the same answer in 1 of 2 utterances." in text(tree)
    rows = [*next(tree.iter("tbody"))]
    assert [[*row][-1].text or text([*row][-1]) for row in rows] == ["same answer", "other answer"]
    assert [seen_words([*rows[1]][place]) for place in (1, 2)] == [["happy", "surprise"], ["disgust", "surprise"]]
    assert "3.0–4.0 s" in text(rows[1])
    means = [float(with_class(chart, "fv-value")[3].text) for chart in with_class(tree, "fv-small")]
    assert means == pytest.approx([0.91, (0.91 + 0.30) / 2], abs=0.006)
    assert "so far" not in text(tree)
    assert "Average so far" in comparison_summary(pairs, NAMES, complete=False)
    assert comparison_summary([], NAMES) == ""


def test_models_of_other_emotions_are_shown_and_not_counted():
    pairs = [(made_up_reading(n), iemocap_reading(n)) for n in range(2)]
    for card in (comparison_card(*pairs[0], NAMES), comparison_summary(pairs, NAMES)):
        tree = parse(card)
        said = text(tree)
        assert "These models name other emotions" in said
        assert "anger, excited, frustrated, happy, neutral and sad" in said
        assert "same answer" not in said
        first, second = with_class(tree, "fv-small")
        assert seen_words(first) == ["happy", "surprise"]
        assert seen_words(second) == ["excited", "happy"]
    shared = [one.text for one in parse(comparison_card(*pairs[0], NAMES)).iter("small")]
    assert shared[1:] == ["+0.08", "−0.31", "0.00"], "the differences of anger, happy and sad"


def test_a_transcript_of_any_source_is_escaped():
    reading = made_up_reading()
    other = replace(reading, utterance=replace(reading.utterance, transcript=Transcript("<i>x</i>", "<u>")))
    assert not list(parse(what_if_card(reading, other)).iter("u"))
