"""The example clips: small, complete, whoever is seen is found, several utterances; what the page and a model make of
them; and what draws them."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from fv2es.limits import Limits
from fv2es.media import open_media
from fv2es.modalities.faces import FaceFinder
from fv2es.pipeline import analyse
from fv2es.reader import Reader
from fv2es.remote.space import collect
from fv2es.schema import MODALITIES, Frame, Reading, Span
from fv2es.ui import build_demo
from fv2es.ui.session import Session
from fv2es.utterances import Segmenter

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ("bad_day", "good_news", "lost_keys", "two_friends", "what_is_that")
LEFT, BACK = 8.5, 15.8  # seconds in lost_keys between which nobody is in the picture


@dataclass(frozen=True)
class Watched:
    """What one pass over a clip gives. loudness: (n,) root mean square of 10 ms of sound each."""

    path: Path
    seconds: float
    frames: list[Frame]
    spans: list[Span]
    loudness: np.ndarray


@pytest.fixture(scope="module", params=NAMES)
def clip(request: pytest.FixtureRequest) -> Watched:
    path = EXAMPLES / f"{request.param}.mp4"
    segmenter, frames, spans, sound = Segmenter(Limits()), [], [], []
    with open_media(path) as media:
        for event in media.read(itertools.count(0.25, 0.5)):
            if isinstance(event, Frame):
                frames.append(event)
            else:
                sound.append(event.samples)
                spans += segmenter.push(event)
        seconds = media.seconds_read
    samples = np.concatenate(sound)
    blocks = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    return Watched(path, seconds, frames, spans + segmenter.finish(), np.sqrt((blocks**2).mean(1)))


def cues(path: Path) -> list[tuple[float, float, str]]:
    """Start, end in seconds and text; strict, for these are our own files."""
    found = []
    for number, block in enumerate(path.read_text("utf-8").strip().split("\n\n"), 1):
        index, times, *text = block.split("\n")
        assert int(index) == number
        start, end = (
            float(np.dot([3600, 60, 1], [float(part.replace(",", ".")) for part in time.split(":")]))
            for time in times.split(" --> ")
        )
        found.append((start, end, " ".join(text).strip()))
    return found


def test_no_clip_is_missing_or_undescribed():
    assert sorted(path.stem for path in EXAMPLES.glob("*.mp4")) == sorted(NAMES)
    assert sorted(path.stem for path in EXAMPLES.glob("*.srt")) == sorted(NAMES)
    sources = (EXAMPLES / "SOURCES.md").read_text("utf-8")
    assert all(f"{name}.mp4" in sources for name in NAMES)
    assert "CC0" in sources
    assert "synthetic" in sources


def test_small_and_short(clip: Watched):
    assert clip.path.stat().st_size <= 1_000_000
    assert 8 <= clip.seconds <= 25
    assert len(clip.frames) >= 2 * clip.seconds - 2


def test_index_at_the_front(clip: Watched):
    """A browser can start before it has the whole file."""
    content = clip.path.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")


def test_subtitles_lie_within_the_clip(clip: Watched):
    before = 0.0
    for start, end, text in cues(clip.path.with_suffix(".srt")):
        assert before <= start < end <= clip.seconds
        assert text
        before = end


def test_subtitles_are_where_the_sound_is(clip: Watched):
    spoken = np.zeros(len(clip.loudness), bool)
    for start, end, _ in cues(clip.path.with_suffix(".srt")):
        spoken[round(start * 100) : round(end * 100)] = True
        around = clip.loudness[round(start * 100) : round(start * 100) + 30]
        assert around.max() > 0.02, f"nothing is said at {start}"
    assert np.median(clip.loudness[spoken]) > 10 * np.median(clip.loudness[~spoken])
    assert clip.loudness[~spoken].mean() > 1e-4, "digital silence between the lines"


def test_every_line_is_an_utterance(clip: Watched):
    lines = cues(clip.path.with_suffix(".srt"))
    assert len(lines) >= 2
    assert len(clip.spans) == len(lines)
    for span, (start, end, _) in zip(clip.spans, lines, strict=True):
        assert span.start == pytest.approx(start, abs=0.4)
        assert span.end == pytest.approx(end, abs=0.4)


def test_whoever_is_in_the_picture_is_found(clip: Watched, finder: FaceFinder):
    """And nothing else is taken for a face."""
    found = Counter(map(len, finder.find(clip.frames)))
    people = 2 if clip.path.stem == "two_friends" else 1
    assert max(found) == people
    away = sum(LEFT < frame.time < BACK for frame in clip.frames) if clip.path.stem == "lost_keys" else 0
    assert found[people] > 0.9 * (len(clip.frames) - away)
    assert found[0] >= away


@pytest.fixture(scope="module")
def read(reader: Reader, finder: FaceFinder):
    """`read("good_news", …)` → its readings by the shipped model."""

    def read(name: str, **more: str) -> list[Reading]:
        path = EXAMPLES / f"{name}.mp4"
        return list(analyse(path, reader=reader, finder=finder, speech=path.with_suffix(".srt"), **more))

    return read


def test_left_and_right_are_two_people(read):
    left, right = (read("two_friends", speaker=side) for side in ("left", "right"))
    assert len(left) == len(right) == 4
    for one, other in zip(left, right, strict=True):
        assert one.utterance.transcript.text == other.utterance.transcript.text
        shown = [[face.pixels.mean((0, 1)) for face in reading.utterance.faces] for reading in (one, other)]
        assert all(shown), "somebody is not seen"
        assert np.max(shown[0], axis=0).max() < np.min(shown[1], axis=0).max() - 20, "hers is the darker skin"
    assert any(one.active != other.active for one, other in zip(left, right, strict=True))


def test_who_is_out_of_the_picture_is_heard_only(read):
    before, beside, after = read("lost_keys")
    assert before.span.start > 3, "it begins with silence"
    assert LEFT < beside.span.start < beside.span.end < BACK
    assert after.span.start - beside.span.end > 5, "nobody speaks for long"
    assert beside.utterance.modalities == ("voice", "words")
    assert beside.modalities["face"] is None
    for seen in (before, after):
        assert seen.utterance.modalities == MODALITIES


def test_somebody_shows_several_emotions_at_once(read):
    assert any(len(reading.active) > 1 for name in NAMES for reading in read(name))


def test_the_page_offers_them_all_with_their_subtitles():
    """To whom the page is Chinese by Chinese names."""
    demo = build_demo(lambda *given, **more: None, examples=EXAMPLES)
    (offered,) = [block for block in demo.blocks.values() if isinstance(block, gr.Dataset)]
    files = [(f"{name}.mp4", f"{name}.srt") for name in NAMES]
    assert [(Path(clip["path"]).name, Path(words).name) for clip, words in offered.samples] == files
    assert offered.sample_labels == [name.replace("_", " ").capitalize() for name in NAMES]
    (greet,) = [one.fn for one in demo.fns.values() if offered in one.outputs]
    told = greet(Session(), SimpleNamespace(headers={"accept-language": "zh-CN"}))
    assert told[offered].sample_labels == ["糟糕的一天", "好消息", "找钥匙", "两个朋友", "那是什么"]


def test_a_space_gets_them_all():
    assert {f"examples/{name}.{ending}" for name in NAMES for ending in ("mp4", "srt")} <= collect().keys()


@pytest.fixture(scope="module")
def script():
    """The modules that make the clips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        import expression
        import head
        import performance
        import scenes
        import voice

        yield SimpleNamespace(expression=expression, head=head, performance=performance, scenes=scenes, voice=voice)
    for name in ("canvas", "expression", "features", "hair", "head", "performance", "scenes", "voice"):
        sys.modules.pop(name, None)


def test_scenes_are_the_clips(script: SimpleNamespace):
    assert sorted(scene.name for scene in script.scenes.SCENES) == sorted(NAMES)
    for scene in script.scenes.SCENES:
        assert [line.text for line in scene.lines] == [text for *_, text in cues(EXAMPLES / f"{scene.name}.srt")]
        assert {line.emotion for line in scene.lines} <= script.expression.FACES.keys() & script.voice.TONES.keys()


def test_expressions_change_the_face_only(script: SimpleNamespace):
    head = script.head.Head(script.scenes.SCENES[0].cast[0].character, width=96, height=96, detail=1)
    rest = head.picture(script.expression.REST).astype(int)
    assert rest.shape == (96, 96, 3)
    np.testing.assert_array_equal(rest, head.picture(script.expression.REST))
    for name, face in script.expression.FACES.items():
        upright = script.expression.Expression(**{**vars(face), "pitch": 0.0})
        change = np.abs(head.picture(upright) - rest).max(2)
        assert (change.max() > 25) == (name != "neutral"), name
        assert change[:, :15].max() == 0, f"{name} moves the background"


def test_a_narrower_picture_is_the_middle(script: SimpleNamespace):
    character, rest = script.scenes.SCENES[0].cast[0].character, script.expression.REST
    wide, narrow = (script.head.Head(character, width, 96, detail=1).picture(rest) for width in (96, 64))
    assert np.abs(narrow.astype(int) - wide[:, 16:-16]).mean() < 0.5


@pytest.mark.parametrize("aside", [1.2, 2.6, 4.0])
def test_whoever_walks_leaves_nothing_behind(script: SimpleNamespace, aside: float):
    """However much of somebody is cut off by the edge; in the end the room alone is seen."""
    head = script.head.Head(script.scenes.SCENES[-1].cast[0].character, width=96, height=96, detail=1)
    room = head._develop(head.backdrop)
    picture = head.picture(script.expression.Expression(aside=aside))
    seen = np.flatnonzero((picture != room).any((0, 2)))
    assert len(seen) == 0 if aside == 4 else seen[0] > 0
    head.picture(script.expression.REST)
    np.testing.assert_array_equal(head._develop(head.backdrop), room)


def test_only_who_speaks_moves_the_lips(script: SimpleNamespace):
    scene = next(scene for scene in script.scenes.SCENES if len(scene.cast) == 2)
    rate, performance = script.voice.RATE, script.performance
    sound = np.tile(0.3 * np.sin(np.arange(rate) * 0.05).astype(np.float32), 4)
    cues = tuple(performance.Cue(line, number, number + 1.0) for number, line in enumerate(scene.lines))
    loud, still = (performance.Performance(scene, factor * sound, cues).expressions() for factor in (1, 0))
    for number, (moved, rest) in enumerate(zip(loud, still, strict=True)):
        speaker = scene.lines[number // performance.FPS].speaker
        assert moved[speaker].jaw_open > rest[speaker].jaw_open + 0.1
        assert moved[1 - speaker] == rest[1 - speaker]


def test_blend_meets_its_keys(script: SimpleNamespace):
    expression = script.expression
    keys = [(1.0, expression.REST), (2.0, expression.FACES["happy"]), (3.0, expression.FACES["sad"])]
    assert expression.blend(keys, 0.0) == expression.REST
    assert expression.blend(keys, 2.0).smile == pytest.approx(expression.FACES["happy"].smile)
    assert expression.blend(keys, 1.5).smile == pytest.approx(expression.FACES["happy"].smile / 2)
    assert expression.blend(keys, 9.0) == expression.FACES["sad"]


def test_the_mouth_follows_the_sound(script: SimpleNamespace):
    rate = script.voice.RATE
    sound = np.zeros(2 * rate, np.float32)
    sound[rate // 2 : rate] = 0.3 * np.sin(np.arange(rate // 2) * 0.05)
    opened, bright = script.voice.openness(sound, 20, 40)
    assert opened.shape == bright.shape == (40,)
    assert opened[11:19].min() > 0.2
    assert opened[:8].max() == opened[22:].max() == 0


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_emotions_sound_different(script: SimpleNamespace):
    tones = script.voice.TONES
    sad, angry = (script.voice.say("It is what it is.", "en-us+m3", tones[name]) for name in ("sad", "anger"))
    assert len(sad) > 1.2 * len(angry)
    assert np.sqrt((angry**2).mean()) > 2 * np.sqrt((sad**2).mean())
