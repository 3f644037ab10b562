"""The example clips: small, complete, a face in nearly every picture, and several utterances; and what draws them."""

from __future__ import annotations

import itertools
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fv2es.limits import Limits
from fv2es.media import open_media
from fv2es.schema import Frame, Span

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ("bad_day", "good_news", "what_is_that")


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
    from fv2es.utterances import Segmenter

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
    assert 8 <= clip.seconds <= 20
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


def test_a_face_in_nearly_every_picture(clip: Watched):
    from fv2es.modalities.faces import FaceFinder

    found = FaceFinder().find(clip.frames)
    assert sum(map(bool, found)) > 0.9 * len(found)
    assert max(map(len, found)) == 1, "something beside the head is taken for a face"


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
    head = script.head.Head(script.scenes.SCENES[0].character, side=96, detail=1)
    rest = head.picture(script.expression.REST).astype(int)
    assert rest.shape == (96, 96, 3)
    np.testing.assert_array_equal(rest, head.picture(script.expression.REST))
    for name, face in script.expression.FACES.items():
        upright = script.expression.Expression(**{**vars(face), "pitch": 0.0})
        change = np.abs(head.picture(upright) - rest).max(2)
        assert (change.max() > 25) == (name != "neutral"), name
        assert change[:, :15].max() == 0, f"{name} moves the background"


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
