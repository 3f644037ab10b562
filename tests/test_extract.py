"""How the modalities are joined; the detector, the recogniser and the voice activity detector are easy to foresee."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import shades

from fv2es import utterances
from fv2es.limits import Limits
from fv2es.media import open_media
from fv2es.modalities.extract import FACES, extract, extract_span
from fv2es.modalities.faces import Detection
from fv2es.schema import SAMPLE_RATE, Box, Frame, Span, Transcript, Utterance
from fv2es.stopping import Cancelled, stoppable


class Finder:
    """A face in the middle of every frame whose shade is not below `blind`; counts what it was shown."""

    def __init__(self, blind: int = 0) -> None:
        self.blind, self.shown = blind, []

    def find(self, frames: Sequence[Frame], near: Box | None = None) -> list[list[Detection]]:
        self.shown += [frame.time for frame in frames]
        return [
            [] if np.median(frame.pixels[60:]) < self.blind else [Detection((40.0, 20.0, 100.0, 100.0), 0.99)]
            for frame in frames
        ]


class Words:
    source = "typed"

    def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
        return Transcript(f"{len(waveform)} samples", self.source)


@pytest.fixture(autouse=True)
def loud_is_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utterances, "_silero", lambda: lambda chunks: (np.abs(chunks).max(1) > 0.05) * 1.0)


def sound(*parts: tuple[float, float]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(-level, level, round(s * SAMPLE_RATE)).astype(np.float32) for s, level in parts])


SPOKEN = sound((1, 0.001), (2, 0.5), (1, 0.001), (6, 0.5), (2, 0.001))


def run(path: Path, finder: Finder | None = None, **more) -> list[Utterance]:
    with open_media(path) as media:
        return [utterance for utterance, _ in extract(media, finder=finder or Finder(), transcriber=Words(), **more)]


@pytest.fixture
def spoken(clip) -> Path:
    return clip("a.mp4", SPOKEN, shades(50, 160, 120), fps=4)


def test_an_utterance_has_face_voice_and_words(spoken: Path) -> None:
    first, second = run(spoken)
    assert (first.span.start, first.span.end) == pytest.approx((0.9, 3.1), abs=0.1)
    assert first.modalities == second.modalities == ("face", "voice", "words")
    for one in (first, second):
        assert len(one.faces) == FACES
        assert all(face.time in one.span for face in one.faces)
        assert [face.time for face in one.faces] == sorted(face.time for face in one.faces)
        assert len(one.waveform) == pytest.approx(one.span.duration * SAMPLE_RATE, abs=2)
        assert one.mel.shape == (128, 1 + len(one.waveform) // 200)
        assert one.transcript.text == f"{len(one.waveform)} samples"
    assert np.ptp([face.time for face in second.faces]) > 3.5, "faces are spread over the utterance"


def test_the_sound_is_that_of_the_span(clip) -> None:
    path = clip("a.wav", SPOKEN, codecs=("pcm_s16le", ""))
    for one in run(path):
        first = round(one.span.start * SAMPLE_RATE)
        np.testing.assert_allclose(one.waveform, SPOKEN[first : first + len(one.waveform)], atol=1e-3)


def test_only_spoken_frames_are_looked_at(spoken: Path) -> None:
    finder = Finder()
    spans = [one.span for one in run(spoken, finder)]
    assert len(finder.shown) == 2 * FACES
    assert all(any(time in span for span in spans) for time in finder.shown)


def test_frames_without_a_face_are_replaced_by_others(spoken: Path) -> None:
    _, second = run(spoken, Finder(blind=130))  # shades from 5.7 s on show a face
    assert len(second.faces) >= 4
    assert min(face.time for face in second.faces) > 5


def test_utterances_come_while_the_clip_is_read(spoken: Path) -> None:
    with open_media(spoken) as media:
        stream = extract(media, finder=Finder(), transcriber=Words())
        _, seconds = next(stream)
        assert media.seconds_read < 6
        assert set(seconds) == {"decode", "vad", "faces", "spectrogram", "speech"}
        assert all(value >= 0 for value in seconds.values())
        stream.close()


def test_without_pictures_there_is_voice_and_without_words_no_words(clip) -> None:
    class Silent(Words):
        def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
            return Transcript()

    with open_media(clip("a.mp3", SPOKEN, codecs=("libmp3lame", ""))) as media:
        found = [one for one, _ in extract(media, finder=Finder(), transcriber=Silent())]
    assert [one.modalities for one in found] == [("voice",)] * 2


@pytest.mark.parametrize("quiet", [None, sound((12, 0.001))])
def test_where_nobody_speaks_the_face_is_read(clip, quiet) -> None:
    found = run(clip("a.mp4", quiet, shades(48, 160, 120), fps=4))
    assert [one.modalities for one in found] == [("face",)] * 3
    assert [one.span.start for one in found] == [0.0, 5.0, 10.0]
    assert found[-1].span.end == pytest.approx(12, abs=0.1)
    assert [len(one.faces) for one in found] == [5, 5, 2]


def test_neither_speech_nor_face_gives_nothing(clip) -> None:
    assert run(clip("a.mp4", sound((3, 0.001)), shades(12, 160, 120), fps=4), Finder(blind=255)) == []


def test_a_picture_is_one_utterance(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(shades(1, 160, 120)[0]).save(tmp_path / "face.png")
    (one,) = run(tmp_path / "face.png")
    assert one.modalities == ("face",)


def test_cancel_is_asked_between_steps(spoken: Path) -> None:
    asked: Iterator[bool] = iter([False] * 20)
    with stoppable(lambda: next(asked, True)), pytest.raises(Cancelled):
        run(spoken)
    assert next(asked, None) is None


def test_the_longest_utterance_is_kept(clip) -> None:
    path = clip("a.wav", sound((1, 0.001), (9, 0.5), (1, 0.001)), codecs=("pcm_s16le", ""))
    found = run(path, limits=Limits(max_utterance=4))
    assert max(one.span.duration for one in found) <= 4
    assert sum(one.span.duration for one in found) == pytest.approx(9.2, abs=0.15)


def test_a_given_span_is_taken_as_in_the_stream(spoken: Path) -> None:
    _, second = run(spoken)
    with open_media(spoken) as media:
        alone = extract_span(media, second.span, finder=Finder())
    assert alone.span == second.span
    assert len(alone.faces) == FACES
    assert abs(len(alone.waveform) - len(second.waveform)) < 400
    assert alone.mel.shape[1] == pytest.approx(second.mel.shape[1], abs=3)


def test_a_whole_file_can_be_one_utterance(spoken: Path) -> None:
    with open_media(spoken) as media:
        whole = extract_span(media, None, finder=Finder())
    assert whole.span.duration == pytest.approx(12.5, abs=0.3)
    assert len(whole.faces) == FACES
