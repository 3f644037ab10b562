"""The model once more on inputs that are there: what is dropped is gone, what is typed is read, the rest stays."""

import io
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, mixed_utterances, only, random_utterance, randomise, tiny_v2em, voiced

from fv2es.again import LONGEST, NOTHING_LEFT, AgainError, compare, edited, leave_one_out, rerun, watched
from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.hub import Checkpoint, list_checkpoints
from fv2es.models.blocks.repvgg import fold
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model
from fv2es.reader import Reader, load_reader
from fv2es.results import make_reading
from fv2es.schema import MODALITIES, Reading, Transcript
from fv2es.takeaway.packing import pack, unpack
from fv2es.takeaway.result import Result


class Letters(LetterTokenizer):
    """Which also says where its letters stand."""

    def spans(self, text: str, length: int) -> list[tuple[int, int]]:
        return [(0, 0), *((n, n + 1) for n in range(len(text)))][:length]


def reader_of(model: MultimodalModel, name: str = "random") -> Reader:
    checkpoint = Checkpoint(name, None, "none", model.emotions, np.full(6, 0.5), {"sha256": ""})
    return Reader(checkpoint, fold(model.eval().requires_grad_(False)), Letters())


def registered(name: str) -> Reader:
    torch.manual_seed(0)
    return reader_of(randomise(create_model(name)), name)


@pytest.fixture(scope="module")
def reader() -> Reader:
    torch.manual_seed(0)
    return reader_of(randomise(tiny_v2em()))


@pytest.fixture(scope="module")
def reading(reader) -> Reading:
    return read(reader, voiced(random_utterance(1, 2, 70, "so be it")))


def read(reader: Reader, utterance, index: int = 3) -> Reading:
    (prediction,) = reader.predict([utterance], attention=True)
    return make_reading(index, utterance, prediction, reader.emotions, reader.thresholds)


def test_with_nothing_changed_it_says_the_same(reader, reading):
    again = rerun(reader, reading)
    assert again.utterance is reading.utterance
    assert (again.index, again.emotions) == (3, MOSEI)
    np.testing.assert_array_equal(again.probabilities, reading.probabilities)
    np.testing.assert_array_equal(again.attention["level3"], reading.attention["level3"])
    assert set(again.seconds) == {"model"}
    assert rerun(reader, reading, attention=False).attention is None


@pytest.mark.parametrize("name", MODALITIES)
def test_what_is_dropped_is_gone_and_the_others_say_what_they_said(reader, reading, name):
    again = rerun(reader, reading, drop=[name])
    rest = tuple(one for one in MODALITIES if one != name)
    assert again.utterance.modalities == rest
    assert again.modalities[name] is None
    for one in rest:
        np.testing.assert_allclose(again.modalities[one], reading.modalities[one], atol=1e-5)
    assert not np.allclose(again.probabilities, reading.probabilities, atol=1e-3)
    assert reading.utterance.modalities == MODALITIES, "the reading itself stays as it was"
    if name == "voice":
        assert again.attention is None
        assert len(again.utterance.waveform) == 0


def test_an_edited_transcript_is_read_and_marked_as_typed(reader, reading):
    again = rerun(reader, reading, transcript="  <b>never</b>\n")
    assert again.utterance.transcript == Transcript("<b>never</b>", "typed")
    assert not np.allclose(again.modalities["words"], reading.modalities["words"], atol=1e-5)
    np.testing.assert_allclose(again.modalities["face"], reading.modalities["face"], atol=1e-5)


def test_the_same_words_keep_their_source(reader, reading):
    spoken = replace(reading, utterance=replace(reading.utterance, transcript=Transcript("so be it", "whisper")))
    assert rerun(reader, spoken, transcript=" so be it ").utterance.transcript.source == "whisper"


def test_words_that_were_not_touched_may_be_of_any_length(reader, reading):
    long = Transcript("so happy " * LONGEST, "subtitles")
    utterance = replace(reading.utterance, transcript=long)
    assert edited(utterance, drop=("face",), transcript=long.text).transcript is long


def test_no_words_left_are_words_left_out(reader, reading):
    assert rerun(reader, reading, transcript=" ").utterance.modalities == ("face", "voice")


def test_words_may_be_added_where_there_were_none(reader, reading):
    silent = read(reader, only(reading.utterance, ["face"]))
    assert rerun(reader, silent, transcript="now").utterance.modalities == ("face", "words")


def test_nothing_left_is_said_in_a_sentence(reader, reading):
    with pytest.raises(AgainError) as caught:
        rerun(reader, reading, drop=MODALITIES)
    assert str(caught.value) == NOTHING_LEFT
    silent = read(reader, only(reading.utterance, ["face"]))
    with pytest.raises(AgainError, match="Nothing is left to read of this utterance"):
        rerun(reader, silent, drop=["face"])
    with pytest.raises(AgainError, match="at most 2000 characters"):
        rerun(reader, reading, transcript="a" * (LONGEST + 1))
    with pytest.raises(ValueError, match="needs modalities of face, voice, words, got smell"):
        edited(reading.utterance, drop=["smell"])


def test_a_visitors_thresholds_hold(reader, reading):
    own = replace(reading, thresholds=np.full(6, 0.123))
    for again in (rerun(reader, own), *leave_one_out(reader, own).values()):
        np.testing.assert_array_equal(again.thresholds, own.thresholds)


def test_leaving_one_out_is_reading_the_others(reader, reading):
    without = leave_one_out(reader, reading)
    assert tuple(without) == MODALITIES
    for name, one in without.items():
        wanted = rerun(reader, reading, drop=[name])
        np.testing.assert_allclose(one.probabilities, wanted.probabilities, atol=1e-5)
        assert one.attention is None
    pair = read(reader, only(reading.utterance, ["voice", "words"]))
    assert tuple(leave_one_out(reader, pair)) == ("voice", "words")
    assert leave_one_out(reader, read(reader, only(reading.utterance, ["face"]))) == {}


def test_few_utterances_are_read_in_one_thread(reader, reading, monkeypatch):
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr(type(reader.model), "forward", counting(type(reader.model).forward, seen))
    torch.set_num_threads(2)
    try:
        leave_one_out(reader, reading)
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def counting(forward, seen: list):
    def counted(*given):
        seen.append(torch.get_num_threads())
        return forward(*given)

    return counted


def test_another_model_reads_the_same_inputs_one_by_one(reader, reading):
    other = reader_of(randomise(tiny_v2em(IEMOCAP)), "other")
    taken = []

    def readings():
        for index in range(3):
            taken.append(index)
            yield replace(reading, index=index)

    cancel = threading.Event()
    pairs = compare(other, readings(), cancel=cancel)
    one, second = next(pairs)
    assert taken == [0], "a pair is given before the next reading is asked for"
    assert (one.index, one.emotions) == (0, MOSEI)
    assert (second.index, second.emotions) == (0, IEMOCAP)
    assert second.utterance is one.utterance
    np.testing.assert_array_equal(second.thresholds, other.thresholds)
    (prediction,) = other.predict([reading.utterance])
    np.testing.assert_allclose(second.probabilities, 1 / (1 + np.exp(-prediction.logits)), atol=1e-6)
    cancel.set()
    assert list(pairs) == []


# Where models look


@pytest.mark.parametrize("name", list_checkpoints())
def test_where_a_model_looks_is_the_same_whenever_it_is_asked(name):
    """Beside the reading, after it, and of a result that was packed and opened again: bit for bit."""
    reader = load_reader(name)
    for utterance in mixed_utterances()[:3]:
        ((plain,), (at_once,)) = reader.predict([utterance]), reader.predict([utterance], attention=True)
        reading = make_reading(0, utterance, plain, reader.emotions, reader.thresholds)
        np.testing.assert_allclose(plain.logits, at_once.logits, atol=5e-6)
        for later in (watched(reader, reading), watched(reader, packed_and_opened(reader, reading))):
            assert (later.attention or {}).keys() == (at_once.attention or {}).keys()
            for key, maps in (at_once.attention or {}).items():
                np.testing.assert_array_equal(later.attention[key], maps)
            np.testing.assert_array_equal(later.probabilities, reading.probabilities)


def packed_and_opened(reader: Reader, reading: Reading) -> Reading:
    stream = io.BytesIO()
    result = Result("a.mp4", reader.name, reader.checkpoint.identity, reader.emotions, reader.thresholds, (reading,))
    pack(result, stream)
    return unpack(stream).readings[0]


def test_pieces_lie_where_their_sound_is(reader):
    """The compact models cut quiet ends off before they cut pieces."""
    compact = registered("v2em-compact")
    utterance = voiced(random_utterance(2, 0, 100))
    quiet = utterance.mel.copy()
    quiet[:, :10] *= 1e-6
    quiet[:, 80:] *= 1e-6
    (watched,) = compact.predict([replace(utterance, mel=quiet)], attention=True)
    start = utterance.span.start
    wanted = start + 0.0125 * np.array([[10, 42], [42, 74], [74, 80]])
    np.testing.assert_allclose(watched.attention["pieces"], wanted)
    assert len(watched.attention["level1"]) == 3
    (whole,) = reader.predict([replace(utterance, mel=quiet)], attention=True)
    assert whole.attention["pieces"][0, 0] == start
    assert whole.attention["pieces"][-1, 1] == pytest.approx(start + 1.25)


def test_focal_modulation_is_recorded_by_utterance():
    focal = registered("rfam-focal-compact")
    some = [voiced(random_utterance(1, 1, 40, "a")), random_utterance(2, 1), voiced(random_utterance(3, 0, 70))]
    one, silent, other = focal.predict(some, attention=True)
    assert focal.attends
    assert silent.attention is None
    assert set(one.attention) == {"focal1", "focal2", "focal3", "pieces"}
    assert one.attention["focal1"].shape == (2, 2, 64, 16)
    assert other.attention["focal3"].shape == (3, 4, 16, 4)
    (alone,) = focal.predict(some[2:], attention=True)
    np.testing.assert_allclose(alone.attention["focal2"], other.attention["focal2"], rtol=1e-4)


def test_emotion_queries_are_recorded_without_padding():
    queries = registered("emotion-queries-compact")
    some = [voiced(random_utterance(1, 2, 40, "ab")), random_utterance(2, 1, 0, "longer")]
    one, silent = queries.predict(some, attention=True)
    shapes = {name: values.shape[-1] for name, values in one.attention.items() if name.startswith("queries")}
    assert shapes == {"queries_cls": 1, "queries_words": 3, "queries_face": 2, "queries_voice": 2}
    np.testing.assert_array_equal(one.attention["tokens"], [[0, 0], [0, 1], [1, 2]])
    assert set(silent.attention) == {"queries_cls", "queries_words", "queries_face", "tokens"}
    for attention in (one.attention, silent.attention):
        parts = [values for name, values in attention.items() if name.startswith("queries")]
        assert parts[0].shape[:3] == (2, 4, 6)
        np.testing.assert_allclose(sum(part.sum(-1) for part in parts), 1, atol=1e-5)
    assert {"level1", "level2", "level3", "pieces"} <= set(one.attention), "its voice is nested"


# Fusion's weights


def test_weights_in_force_are_those_of_who_is_present(reader):
    named = pytest.approx({"face": 0.5, "voice": 0.3, "words": 0.2})
    assert reader.weights_in_force(MODALITIES) == named
    assert reader.weights_in_force(["words", "voice"]) == pytest.approx({"voice": 0.6, "words": 0.4})
    assert reader.weights_in_force(["face"]) == {"face": 1}


def test_shares_in_force_are_named_and_sum_to_one():
    for names in (MODALITIES, ("face", "words"), ("voice",)):
        weights = registered("v2em-compact").weights_in_force(names)
        assert tuple(weights) == names
        assert sum(weights.values()) == pytest.approx(1)


def test_learnt_fusion_has_no_weights():
    assert registered("emotion-queries-compact").weights_in_force(MODALITIES) is None
