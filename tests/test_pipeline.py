"""The whole way on the clips that ship, with the checkpoint that ships: nothing is stubbed but the words."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from conftest import shades, tone

from fv2es.limits import Limits
from fv2es.media import MediaError, open_media
from fv2es.modalities.faces import FaceFinder
from fv2es.pipeline import NO_FACE, NO_FACE_NO_WORDS, NO_SPEECH, NO_SPEECH_FOR_WORDS, NOTHING, TIME_IS_UP, analyse
from fv2es.reader import Reader
from fv2es.results import Fold, summarise
from fv2es.schema import MODALITIES
from fv2es.stopping import check


@pytest.fixture
def run(reader: Reader, finder: FaceFinder):
    return lambda path, **more: analyse(path, **({"reader": reader, "finder": finder, "speech": "none"} | more))


def test_an_example_is_read_with_all_modalities(run, examples) -> None:
    with run(examples[0], speech=examples[0].with_suffix(".srt"), attention=True) as analysis:
        readings = list(analysis)
        assert analysis.duration == pytest.approx(analysis.expected, abs=0.3)
        assert analysis.notes == []
    assert len(readings) >= 2
    for number, reading in enumerate(readings):
        assert reading.index == number
        assert reading.utterance.modalities == MODALITIES
        assert reading.utterance.transcript.source == "subtitles"
        assert 0.5 <= reading.span.duration <= 15
        assert all(0 <= value <= 1 for value in reading.probabilities)
        assert all(reading.modalities[name].shape == (6,) for name in MODALITIES)
        assert set(reading.attention) == {"level1", "level2", "level3", "pieces"}
        assert {"decode", "vad", "faces", "spectrogram", "speech", "model"} <= set(reading.seconds)
    assert all(one.span.end <= two.span.start for one, two in pairwise(readings))


def test_streamed_readings_equal_batch_readings(run, reader: Reader, examples) -> None:
    readings = list(run(examples[0], speech=examples[0].with_suffix(".srt")))
    together = reader.predict([reading.utterance for reading in readings])
    for reading, prediction in zip(readings, together, strict=True):
        np.testing.assert_allclose(reading.probabilities, 1 / (1 + np.exp(-prediction.logits)), atol=1e-5)
    fold = Fold(reader.emotions, reader.thresholds)
    for reading in readings:
        fold.add(reading)
    whole = summarise(readings, reader.emotions, reader.thresholds)
    np.testing.assert_array_equal(fold.summary.average, whole.average)
    np.testing.assert_allclose(whole.average, np.mean([one.probabilities for one in readings], axis=0))


def test_attention_changes_nothing(run, examples) -> None:
    plain, watched = list(run(examples[0])), list(run(examples[0], attention=True))
    for one, two in zip(plain, watched, strict=True):
        np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-6)
        assert one.attention is None


def test_two_visitors_at_once_get_what_each_would_get_alone(run, examples) -> None:
    alone = [[reading.probabilities for reading in run(path)] for path in examples[:2]]
    together: list[list[np.ndarray]] = [[], []]

    def visit(number: int) -> None:
        together[number] = [reading.probabilities for reading in run(examples[number])]

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_is_missing_is_said(run, clip) -> None:
    silent = run(clip("silent.mp4", None, shades(30)))
    assert list(silent) == []
    assert silent.notes == [NOTHING]
    quiet = run(clip("tone.wav", tone(2), codecs=("pcm_s16le", "")))
    assert list(quiet) == []
    assert quiet.notes == [NOTHING]


def test_sound_alone_says_that_no_face_was_found(run, examples, clip, tmp_path) -> None:
    from fv2es.media import open_media

    with open_media(examples[0]) as media:
        speech = np.concatenate([event.samples for event in media.read()])
    analysis = run(clip("speech.wav", speech, codecs=("pcm_s16le", "")))
    readings = list(analysis)
    assert [reading.utterance.modalities for reading in readings] == [("voice",)] * len(readings)
    assert analysis.notes == [NO_FACE_NO_WORDS]
    analysis = run(tmp_path / "speech.wav", text="Somebody says this.")
    assert "words" in next(analysis).utterance.modalities
    list(analysis)
    assert analysis.notes == [NO_FACE]


def test_a_picture_of_a_face_says_that_there_is_no_speech(run, examples, tmp_path) -> None:
    from PIL import Image

    from fv2es.media import open_media

    with open_media(examples[0]) as media:
        (frame,) = [event for event in media.read([1.0]) if hasattr(event, "pixels")]
    Image.fromarray(frame.pixels).save(tmp_path / "face.png")
    for text, note in (("Nobody says this.\nNor this.", NO_SPEECH_FOR_WORDS), (None, NO_SPEECH)):
        analysis = run(tmp_path / "face.png", text=text)
        (reading,) = list(analysis)
        assert reading.utterance.modalities == ("face",)
        assert analysis.notes == [note], "how words are shared out is no news then"


def test_what_is_expected_is_what_may_be_read(run, examples) -> None:
    with run(examples[0]) as analysis:
        assert analysis.expected == pytest.approx(17, abs=2)
    with run(examples[0], limits=Limits(max_seconds=5.0)) as analysis:
        assert analysis.expected == 5


def test_cancel_ends_the_work_and_keeps_what_is_known(run, examples) -> None:
    cancel = threading.Event()
    analysis = run(examples[0], cancel=cancel)
    first = next(analysis)
    cancel.set()
    assert list(analysis) == []
    assert first.index == 0
    assert NOTHING not in analysis.notes


def test_the_time_for_one_clip_ends_in_the_midst_of_a_stage(run, examples) -> None:
    class Endless:
        source = "typed"

        def transcribe(self, waveform, span):
            while True:
                check()

    analysis = run(examples[0], transcriber=Endless(), limits=Limits(job_seconds=1))
    assert list(analysis) == []
    assert analysis.notes == [TIME_IS_UP]


def test_close_frees_the_file(run, examples) -> None:
    analysis = run(examples[0])
    next(analysis)
    analysis.close()
    analysis.close()
    assert list(analysis) == []


def test_an_unreadable_file_is_one_sentence(run, tmp_path) -> None:
    (tmp_path / "words.mp4").write_text("no video\n" * 100)
    with pytest.raises(MediaError, match=r"^[^/]*\.$"):
        run(tmp_path / "words.mp4")


@pytest.mark.parametrize(("count", "fps"), [(1, 25), (1, 1), (12, 25)])
def test_a_face_that_is_seen_for_a_moment_is_read(run, clip, examples, count: int, fps: int) -> None:
    with open_media(examples[0]) as media:
        pixels = next(iter(media.read([1.0], sound=False))).pixels
    even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
    (reading,) = list(run(clip("moment.mp4", pictures=[even] * count, fps=fps)))
    assert reading.utterance.modalities == ("face",)


def test_the_demo_reads_the_first_part_and_says_so(run, examples) -> None:
    analysis = run(examples[0], limits=Limits(max_seconds=4))
    readings = list(analysis)
    assert all(reading.span.end <= 4 for reading in readings)
    assert any("Only the first 4 seconds" in note for note in analysis.notes)
