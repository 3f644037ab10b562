"""The nouns check themselves once, and say what they need and what they got."""

import dataclasses

import numpy as np
import pytest

from fv2es.schema import (
    MODALITIES,
    FaceCrop,
    Frame,
    Prediction,
    Reading,
    Sound,
    Span,
    Summary,
    Transcript,
    Utterance,
)

SPAN = Span(1.0, 2.5)
MEL = np.zeros((128, 4), np.float32)
CROP = FaceCrop(1.2, np.zeros((8, 8, 3), np.uint8))


def reading(probabilities, thresholds) -> Reading:
    names = ("anger", "sad", "happy")
    return Reading(0, Utterance(SPAN), names, np.array(probabilities), np.array(thresholds), {})


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Span(2.0, 2.0), r"needs 0 <= start < end, got 2\.0\.\.2\.0"),
        (lambda: Span(-1.0, 2.0), r"needs 0 <= start < end, got -1\.0\.\.2\.0"),
        (lambda: Span(float("nan"), 2.0), r"needs 0 <= start < end, got nan\.\.2\.0"),
        (lambda: Sound(0.0, np.zeros((2, 9))), r"needs mono samples \(n,\) or stereo \(n, 2\), got \(2, 9\)"),
        (lambda: Frame(0.0, np.zeros((4, 6))), r"needs pixels \(height, width, 3\), got \(4, 6\)"),
        (lambda: Frame(0.0, np.zeros((4, 6, 4))), r"needs pixels \(height, width, 3\), got \(4, 6, 4\)"),
        (lambda: FaceCrop(0.0, np.zeros((4, 6, 3))), r"needs pixels \(side, side, 3\), got \(4, 6, 3\)"),
        (lambda: FaceCrop(0.0, np.zeros((4, 4))), r"needs pixels \(side, side, 3\), got \(4, 4\)"),
        (lambda: Utterance(SPAN, waveform=np.zeros((1, 9))), r"needs waveform \(n,\), got \(1, 9\)"),
        (lambda: Utterance(SPAN, mel=np.zeros((64, 4))), r"needs mel \(128, T\), got \(64, 4\)"),
        (lambda: Utterance(SPAN, mel=np.zeros(128)), r"needs mel \(128, T\), got \(128,\)"),
        (lambda: Prediction(np.zeros(6), {"voice": np.zeros(5)}), r"needs voice logits \(6,\), got \(5,\)"),
        (lambda: reading([0.1, 0.2], [0.5] * 3), r"needs probabilities \(3,\), got \(2,\)"),
        (lambda: reading([0.1] * 3, [0.5]), r"needs thresholds \(3,\), got \(1,\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        make()


@pytest.mark.parametrize("noun", [SPAN, CROP, Utterance(SPAN), Transcript("hello", "typed")])
def test_nouns_are_frozen(noun):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(noun, dataclasses.fields(noun)[0].name, None)


def test_a_span_is_half_open():
    assert SPAN.duration == 1.5
    assert 1.0 in SPAN
    assert 2.4999 in SPAN
    assert 2.5 not in SPAN
    assert 0.9999 not in SPAN
    assert sorted([Span(3, 4), Span(1, 9), Span(1, 2)]) == [Span(1, 2), Span(1, 9), Span(3, 4)]


def test_a_sound_ends_with_its_last_sample():
    assert Sound(2.0, np.zeros(24_000, np.float32)).end == 3.5
    assert Sound(2.0, np.zeros((24_000, 2), np.float32), 48_000).end == 2.5


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({}, ()),
        ({"faces": (CROP,)}, ("face",)),
        ({"mel": MEL}, ("voice",)),
        ({"mel": MEL, "transcript": Transcript("well", "typed")}, ("voice", "words")),
        ({"faces": (CROP,), "mel": MEL, "transcript": Transcript("well", "typed")}, MODALITIES),
        ({"transcript": Transcript("", "whisper")}, ()),
        ({"waveform": np.zeros(100, np.float32)}, ()),  # too short for a spectrogram
    ],
)
def test_modalities_are_those_that_are_there(given, there):
    assert Utterance(SPAN, **given).modalities == there


def test_empty_arrays_are_not_shared():
    one, other = Utterance(SPAN), Utterance(SPAN)
    assert one.mel is not other.mel
    assert one.mel.shape == (128, 0)
    assert one.waveform.shape == (0,)


def test_active_is_at_or_above_the_threshold():
    assert reading([0.5, 0.49, 0.9], [0.5, 0.5, 0.2]).active == ("anger", "happy")
    assert reading([0.1, 0.1, 0.1], [0.5, 0.5, 0.2]).active == ()
    assert reading([0.1, 0.1, 0.1], [0.5, 0.5, 0.2]).span is SPAN
    average, weighted = np.array([0.6, 0.1]), np.array([0.1, 0.6])
    assert Summary(("anger", "sad"), np.array([0.5, 0.5]), average, weighted, 3).active == ("anger",)
