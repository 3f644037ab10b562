"""Probabilities, the fold, and the JSON of `analyse`."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fv2es import results
from fv2es.emotions import MOSEI
from fv2es.schema import FaceCrop, Prediction, Reading, Span, Transcript, Utterance

THRESHOLDS = np.array([0.5, 0.4, 0.3, 0.6, 0.5, 0.2], np.float32)


def make_reading(index: int = 0, start: float = 0.0, end: float = 1.0, logits=None, **modalities) -> Reading:
    utterance = Utterance(Span(start, end), transcript=Transcript("hello", "typed"))
    logits = np.zeros(6, np.float32) if logits is None else np.asarray(logits, np.float32)
    return results.make_reading(index, utterance, Prediction(logits, modalities), MOSEI, THRESHOLDS, {"vad": 0.01})


def test_sigmoid_by_hand_and_at_the_extremes():
    values = results.probabilities(np.array([0.0, np.log(3), -np.log(3), 1e4, -1e4], np.float32))
    assert values == pytest.approx([0.5, 0.75, 0.25, 1.0, 0.0])
    assert values.dtype == np.float64


def test_the_emotion_furthest_above_its_threshold():
    assert results.single_label([0.9, 0.1, 0.1, 0.99, 0.1, 0.1], THRESHOLDS, MOSEI) == "anger"  # .40 beats .39
    assert results.single_label([0.49, 0.39, 0.29, 0.59, 0.49, 0.19], THRESHOLDS, MOSEI) == "neutral"
    exactly = THRESHOLDS.astype(np.float64)
    assert results.single_label(exactly, exactly, MOSEI) == "anger"  # at the threshold counts, the earlier wins


def test_one_label_agrees_with_active():
    rng = np.random.default_rng(0)
    for logits in rng.normal(size=(200, 6)):
        reading = make_reading(logits=logits)
        label = results.single_label(reading.probabilities, reading.thresholds, MOSEI)
        assert label in reading.active if reading.active else label == "neutral"


def test_missing_modalities_stay_missing():
    reading = make_reading(voice=np.full(6, 2.0, np.float32))
    assert reading.modalities["face"] is None
    assert reading.modalities["words"] is None
    assert reading.modalities["voice"] == pytest.approx(np.full(6, 0.880797), abs=1e-6)


def test_fold_plain_and_by_duration():
    fold = results.Fold(MOSEI, THRESHOLDS)
    fold.add(make_reading(0, 0.0, 1.0, np.full(6, np.log(3))))
    assert fold.summary.average == pytest.approx(np.full(6, 0.75))
    fold.add(make_reading(1, 2.0, 5.0, np.full(6, -np.log(3))))
    summary = fold.summary
    assert summary.utterances == 2
    assert summary.average == pytest.approx(np.full(6, 0.5))
    assert summary.duration_weighted == pytest.approx(np.full(6, (0.75 + 3 * 0.25) / 4))
    assert summary.active == ("anger", "disgust", "fear", "sad", "surprise")


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0.5, 15)), min_size=1, max_size=12))
def test_streamed_equals_batch(parts):
    readings = [make_reading(i, 20.0 * i, 20.0 * i + width, np.full(6, x)) for i, (x, width) in enumerate(parts)]
    whole = results.summarise(readings, MOSEI, THRESHOLDS)
    fold = results.Fold(MOSEI, THRESHOLDS)
    for reading in readings:
        fold.add(reading)
        assert np.isfinite(fold.summary.average).all()  # asking in between changes nothing
    np.testing.assert_array_equal(fold.summary.average, whole.average)
    np.testing.assert_array_equal(fold.summary.duration_weighted, whole.duration_weighted)
    stacked = np.stack([reading.probabilities for reading in readings])
    weights = [reading.span.duration for reading in readings]
    np.testing.assert_allclose(whole.average, stacked.mean(0))
    np.testing.assert_allclose(whole.duration_weighted, np.average(stacked, axis=0, weights=weights))


def test_a_summary_once_taken_does_not_move():
    fold = results.Fold(MOSEI, THRESHOLDS)
    fold.add(make_reading(0, logits=np.zeros(6)))
    before = fold.summary
    fold.add(make_reading(1, logits=np.full(6, 5.0)))
    assert before.average == pytest.approx(np.full(6, 0.5))


def test_an_average_of_nothing_is_not_zero():
    summary = results.Fold(MOSEI, THRESHOLDS).summary
    assert summary.utterances == 0
    assert summary.active == ()
    document = results.summary_json(summary)
    assert document["average"] == dict.fromkeys(MOSEI)
    assert document["duration_weighted"] == dict.fromkeys(MOSEI)


def test_fold_refuses_other_emotions():
    fold = results.Fold(("anger", "neutral"), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="anger, neutral"):
        fold.add(make_reading())


def test_a_document_grows_to_that_of_all_readings():
    reader = SimpleNamespace(emotions=MOSEI, thresholds=THRESHOLDS, checkpoint=SimpleNamespace(identity={"name": "it"}))
    document, readings = results.Document("a.mp4", "tiny", reader), [make_reading(), make_reading()]
    assert document.json(None, [])["utterances"] == []
    for number, reading in enumerate(readings, start=1):
        document.add(reading)
        assert document.json(1.5, ["No words."]) == results.analysis_json(
            file="a.mp4",
            duration=1.5,
            model="tiny",
            checkpoint={"name": "it"},
            summary=results.summarise(readings[:number], MOSEI, THRESHOLDS),
            utterances=[results.reading_json(one) for one in readings[:number]],
            notes=["No words."],
        )


def test_json_has_exactly_the_keys_of_the_contract():
    crop = FaceCrop(0.25, np.zeros((4, 4, 3), np.uint8))
    utterance = Utterance(Span(0.12345, 1.5), faces=(crop, crop), transcript=Transcript("Grüß Gott", "whisper"))
    prediction = Prediction(np.full(6, 1.0, np.float32), {"face": np.zeros(6, np.float32)})
    reading = results.make_reading(0, utterance, prediction, MOSEI, THRESHOLDS, {"decode": 0.123456789})
    document = results.analysis_json(
        file="a.mp4",
        duration=1.5,
        model="tiny",
        checkpoint={"name": "tiny"},
        summary=results.summarise([reading], MOSEI, THRESHOLDS),
        utterances=[results.reading_json(reading)],
        notes=["No words."],
    )
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document) == [
        "schema", "file", "duration", "model", "checkpoint", "emotions", "thresholds", "utterances", "summary", "notes"
    ]  # fmt: skip
    assert document["schema"] == 1
    assert document["thresholds"]["surprise"] == 0.2
    (one,) = document["utterances"]
    assert list(one) == [
        "start", "end", "transcript", "transcript_source", "transcript_confidence",
        "probabilities", "active", "modalities", "faces_found",
        "seconds",
    ]  # fmt: skip
    assert (one["start"], one["end"], one["faces_found"]) == (0.123, 1.5, 2)
    assert (one["transcript"], one["transcript_source"]) == ("Grüß Gott", "whisper")
    assert one["probabilities"] == dict.fromkeys(MOSEI, 0.731059)
    assert one["modalities"] == {"face": dict.fromkeys(MOSEI, 0.5), "voice": None, "words": None}
    assert one["active"] == list(MOSEI)
    assert one["seconds"] == {"decode": 0.1235}
    assert document["summary"] == {
        "average": dict.fromkeys(MOSEI, 0.731059),
        "duration_weighted": dict.fromkeys(MOSEI, 0.731059),
        "active": list(MOSEI),
    }
