"""Whatever the page may say to a visitor can be said in Chinese: its own words, and the pipeline's sentences."""

import ast
import re
import string
from pathlib import Path

import pytest

from fv2es.modalities.speech import LANGUAGES
from fv2es.ui.chinese import CHINESE
from fv2es.ui.chinese_told import CHINESE_TOLD
from fv2es.ui.models import find_models
from fv2es.ui.words import speaker

ROOT = Path(__file__).resolve().parents[1]
# Where sentences for a visitor come from that the page hands on, and the errors that carry them.
SOURCES = [
    *ROOT.glob("fv2es/media/*.py"),
    *ROOT.glob("fv2es/modalities/speech/*.py"),
    *(ROOT / "fv2es" / name for name in ("pipeline.py", "again.py", "takeaway/shelf.py", "takeaway/video.py")),
]
TELLERS = {"MediaError", "SpeechError", "ShelfError", "AgainError", "note"}
NAMES = re.compile(r"Whisper|PocketSphinx|MB|FV2ES|srt|vtt")  # which are the same in every language


def sentence_of(node: ast.expr) -> str | None:
    """A constant or a formatted string, with 7 in its places."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("{}", "7")
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return None


def told_in(path: Path) -> set[str]:
    """The sentences that a module's errors and notes are made of, and those that it has names for."""
    given = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in TELLERS:
            given += node.args[:1]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            given.append(node.value)
    said = {sentence for one in given if (sentence := sentence_of(one))}
    return {one for one in said if re.fullmatch(r"[A-Z].* .*\.", one, re.DOTALL)}


def test_sentences_are_found_where_they_are():
    found = set().union(*map(told_in, SOURCES))
    assert {"This file is empty.", "This file has more than 7 MB, which is too large."} < found
    assert {"PocketSphinx knows English only.", "The subtitle file cannot be read."} < found
    assert len(found) > 30


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_the_pipeline_tells_is_said_in_chinese(path):
    say = speaker("zh")
    for sentence in told_in(path):
        assert not re.search("[A-Za-z]{2,}", NAMES.sub("", say(sentence))), sentence


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("This file has more than 100 MB, which is too large.", "这个文件超过 100 MB，太大了。"),
        ("Only the first 3 minutes were read; the rest was skipped.", "只读取了前3 分钟，其余部分已略过。"),
        (
            "Whisper's weights could not be fetched, so PocketSphinx transcribes, roughly.",
            "无法下载 Whisper 的权重，因此由 PocketSphinx 粗略听写。",
        ),
        (
            "Whisper's weights could not be fetched and PocketSphinx knows English only, so there are no words.",
            "无法下载 Whisper 的权重，且PocketSphinx 只懂英语，因此没有文字。",
        ),
        ("Nobody knows this sentence.", "Nobody knows this sentence."),
    ],
)
def test_a_sentence_is_known_with_its_values_in_it(english, chinese):
    assert speaker("zh")(english) == chinese
    assert speaker("en")(english) == english


@pytest.mark.parametrize("english", [*CHINESE, *CHINESE_TOLD])
def test_the_places_for_values_are_the_same(english):
    def places(sentence: str) -> list[str]:
        return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)

    assert places((CHINESE | CHINESE_TOLD)[english]) == places(english)


def test_the_models_that_ship_are_described_in_chinese():
    for offer in find_models().offers:
        assert speaker("zh")(offer.about) != offer.about


def test_every_language_that_may_be_spoken_has_a_name():
    assert set(LANGUAGES.values()) <= set(CHINESE)
