"""Whatever the tabs say can be said in Chinese, with the same places for values."""

import string

import pytest
from made_up import made_up_reading
from test_view_attention import EDGES
from test_view_comparison import CHANGED, NAMES, WEIGHTS, iemocap_reading

from fv2es.again import NOTHING_ELSE, NOTHING_LEFT, TOO_LONG
from fv2es.ui.chinese_tabs import CHINESE_TABS
from fv2es.views.attention import attention_card
from fv2es.views.comparison import comparison_card, comparison_summary, what_if_card
from fv2es.views.modalities import modalities_card

# Said on the rest of the page too, so that its own table has them.
ELSEWHERE = {
    "anger", "disgust", "fear", "happy", "sad", "surprise", "neutral", "excited", "frustrated", ", ", " and ",
    "at or over its threshold", "under its threshold", "Utterance", "Utterance {n}", "one utterance", "{n} utterances",
    "Average", "Average so far", "from the subtitles", "as typed",
}  # fmt: skip


@pytest.fixture(scope="module")
def said() -> set[str]:
    """All that the cards of the tabs say."""
    sentences = {NOTHING_LEFT, NOTHING_ELSE, TOO_LONG}

    def say(sentence: str) -> str:
        sentences.add(sentence)
        return sentence

    for reading in (*EDGES.values(), made_up_reading(attention=False)):
        attention_card(reading, say=say)
        attention_card(reading, 0, 0, say)
    whole, other = made_up_reading(), made_up_reading(probabilities=CHANGED, faces=0, text="No", source="typed")
    modalities_card(whole, WEIGHTS, dict.fromkeys(WEIGHTS, other), say)
    modalities_card(whole, None, {}, say)
    modalities_card(made_up_reading(confidence=0.3), None, {}, say)
    for faces, voice, text in ((1, False, ""), (0, True, ""), (0, False, "x"), (1, True, "")):
        modalities_card(made_up_reading(faces=faces, voice=voice, text=text), WEIGHTS, {}, say)
    for after in (whole, other, made_up_reading(voice=False), made_up_reading(text="")):
        what_if_card(whole, after, say)
        what_if_card(after, other, say)
    for second in (whole, other, iemocap_reading()):
        comparison_card(whole, second, NAMES, say)
        for pairs in ([(whole, second)], [(whole, second)] * 2):
            comparison_summary(pairs, NAMES, complete=len(pairs) == 2, say=say)
    return sentences


def test_all_that_is_said_is_translated(said):
    assert said - set(CHINESE_TABS) - ELSEWHERE == set()


def test_nothing_is_translated_that_is_not_said(said):
    assert set(CHINESE_TABS) - said == set()


@pytest.mark.parametrize("english", CHINESE_TABS)
def test_the_places_for_values_are_the_same(english):
    def places(sentence: str) -> list[tuple]:
        return sorted((name, form) for _, name, form, _ in string.Formatter().parse(sentence) if name)

    assert places(CHINESE_TABS[english]) == places(english)
