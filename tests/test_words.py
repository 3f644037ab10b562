"""The page's words: each that the code says is there in every language, with the same places for values."""

import ast
import string
from pathlib import Path

import pytest

from fv2es.emotions import COLOURS
from fv2es.ui.chinese import CHINESE
from fv2es.ui.language import Words
from fv2es.ui.words import LANGUAGES, ONE, PAPERS, PROMISE, SEVERAL, duration, head, speaker

ROOT = Path(__file__).resolve().parents[1] / "fv2es"
FILES = sorted([*ROOT.glob("ui/*.py"), *ROOT.glob("views/**/*.py")])
# In a drawing, whose letters are Matplotlib's.
ENGLISH = {"seconds"}


def said(path: Path) -> set[str]:
    """The sentences that stand in a call of `say` or `words`."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("say", "words")
    ]
    inside = [inner for call in calls for inner in ast.walk(ast.Tuple(call.args))]
    return {one.value for one in inside if isinstance(one, ast.Constant) and isinstance(one.value, str)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_whatever_is_said_is_said_in_chinese(path):
    assert said(path) - CHINESE.keys() - ENGLISH == set()


def test_so_are_the_sentences_with_a_name_and_the_emotions():
    assert {PROMISE, PAPERS, ONE, SEVERAL, *COLOURS} <= CHINESE.keys()


def places(sentence: str) -> list[str | None]:
    return sorted(str(name) for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)


@pytest.mark.parametrize("english", CHINESE)
def test_values_have_the_same_places(english):
    assert places(CHINESE[english]) == places(english)


def test_what_has_no_translation_stays_english():
    assert speaker("zh")("A note about a file.") == "A note about a file."


def test_standing_words_go_to_the_browser_in_every_language():
    words = Words()
    key, markup = words("Submit").key, words.markup(lambda say: head(7200, say)).key
    tables = words.i18n.translations_dict
    assert set(LANGUAGES) <= set(tables)
    assert (tables["en"][key], tables["zh"][key], tables["zh-CN"][key]) == ("Submit", "提交", "提交")
    assert "2 小时" in tables["zh"][markup]
    assert "2 hours" in tables["en"][markup]


def test_times_are_told_in_words():
    assert [duration(one) for one in (60, 3600, 5400, 7200)] == ["a minute", "an hour", "90 minutes", "2 hours"]
