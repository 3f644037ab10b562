import csv
import itertools

import numpy as np
import pytest

from fv2es import utterances
from fv2es.limits import Limits
from fv2es.media import open_media
from fv2es.schema import SAMPLE_RATE, Sound, Span
from fv2es.utterances import CHUNK, PAD, PAUSE, SECONDS, Segmenter


def segment(waveform: np.ndarray, block: int = 4000, limits: Limits | None = None) -> tuple[list[Span], list[float]]:
    """All spans, and for each how much had been heard when it was known."""
    segmenter, spans, known = Segmenter(limits), [], []
    for begin in range(0, len(waveform), block):
        promised = segmenter.earliest
        new = segmenter.push(Sound(begin / SAMPLE_RATE, waveform[begin : begin + block]))
        assert all(span.start >= promised - 1e-6 for span in new)
        spans += new
        known += [(begin + block) / SAMPLE_RATE] * len(new)
    promised = segmenter.earliest
    last = segmenter.finish()
    assert all(span.start >= promised - 1e-6 for span in last)
    return spans + last, known


@pytest.fixture
def loud_is_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """A voice activity detector that is easy to foresee."""
    monkeypatch.setattr(utterances, "_silero", lambda: lambda chunks: (np.abs(chunks).max(1) > 0.01) * 1.0)


def talk(*parts: tuple[float, float]) -> np.ndarray:
    """(seconds, loudness) … → a waveform."""
    return np.concatenate([np.full(round(length * SAMPLE_RATE), level, np.float32) for length, level in parts])


@pytest.mark.usefixtures("loud_is_speech")
class TestRules:
    def test_pauses_part_utterances(self) -> None:
        spans, known = segment(talk((1, 0), (2, 0.5), (1, 0), (1.5, 0.5), (0.2, 0), (1, 0.5), (2, 0)))
        edges = [edge for span in spans for edge in (span.start, span.end)]
        assert edges == pytest.approx([1 - PAD, 3 + PAD, 4 - PAD, 6.7 + PAD], abs=2 * SECONDS)
        assert known[0] < 3 + PAUSE + 0.3, "the first is known long before the end"

    def test_blocks_of_any_size_give_the_same(self) -> None:
        waveform = talk((0.5, 0), (2, 0.5), (1, 0), (20, 0.4), (1, 0), (0.3, 0.5), (0.1, 0))
        assert segment(waveform, 333)[0] == segment(waveform, 100_000)[0]

    def test_long_speech_is_cut_at_its_quietest_point(self) -> None:
        spans, _ = segment(talk((11, 0.5), (0.3, 0.05), (11, 0.5), (1, 0)))
        assert spans[0].end == spans[1].start == pytest.approx(11.15, abs=0.2)
        assert spans[-1].end == pytest.approx(22.3 + PAD, abs=2 * SECONDS)

    @pytest.mark.parametrize("longest", [4.0, 15.0])
    def test_no_span_is_too_long_or_too_short_and_none_overlap(self, longest: float) -> None:
        rng = np.random.default_rng(0)
        parts = [(float(rng.uniform(0.05, 9)), float(level % 2) * rng.uniform(0.02, 1)) for level in range(40)]
        spans, _ = segment(talk(*parts), limits=Limits(max_utterance=longest))
        assert len(spans) > 10
        assert all(0.5 - 1e-6 <= span.duration <= longest + 1e-6 for span in spans)
        assert all(one.end <= two.start for one, two in itertools.pairwise(spans))

    def test_a_short_word_is_widened_and_a_click_is_none(self) -> None:
        spans, _ = segment(talk((2, 0), (0.26, 0.5), (2, 0), (0.06, 0.5), (1, 0)))
        assert [span.duration for span in spans] == pytest.approx([0.5], abs=1e-3)
        assert 1.7 < spans[0].start < 2 < 2.26 < spans[0].end

    def test_a_short_word_at_the_very_end(self) -> None:
        spans, _ = segment(talk((2, 0), (0.3, 0.5)))
        assert spans[0].end == pytest.approx(2.3)
        assert spans[0].duration == pytest.approx(0.5, abs=1e-3)

    def test_what_is_too_short_to_hold_an_utterance_holds_none(self) -> None:
        assert segment(talk((0.3, 0.5)))[0] == []
        assert segment(np.zeros(0, np.float32))[0] == []


def test_silence_noise_and_tones_are_no_speech() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * SAMPLE_RATE).astype(np.float32)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    assert segment(np.concatenate([np.zeros(3 * SAMPLE_RATE, np.float32), noise, tone]))[0] == []


def test_blocks_are_heard_as_the_package_hears_chunk_by_chunk(examples) -> None:
    """The ONNX form for sequences against the plain model: the same probabilities, and the same spans."""
    import torch

    threads = torch.get_num_threads()
    from silero_vad import load_silero_vad

    torch.set_num_threads(threads)  # which the package sets
    with open_media(examples[0]) as media:
        waveform = np.concatenate([event.samples for event in media.read()])
    chunks = waveform[: len(waveform) // CHUNK * CHUNK].reshape(-1, CHUNK)
    plain = load_silero_vad()
    with torch.inference_mode():
        wanted = np.array([float(plain(torch.from_numpy(chunk), SAMPLE_RATE)) for chunk in chunks])
    for block in (1, 8, 100):
        listen = utterances._silero()
        heard = np.concatenate([listen(chunks[begin : begin + block]) for begin in range(0, len(chunks), block)])
        np.testing.assert_allclose(heard, wanted, atol=1e-4)
    assert 0.2 < (wanted > 0.5).mean() < 0.95


def test_two_clips_at_once_do_not_hear_one_another(examples) -> None:
    waveforms = []
    for path in examples[:2]:
        with open_media(path) as media:
            waveforms.append(np.concatenate([event.samples for event in media.read()]))
    alone = [segment(one)[0] for one in waveforms]
    both, spans = [Segmenter(), Segmenter()], [[], []]
    for begin in range(0, max(map(len, waveforms)), 4000):
        for segmenter, waveform, found in zip(both, waveforms, spans, strict=True):
            if begin < len(waveform):
                found += segmenter.push(Sound(begin / SAMPLE_RATE, waveform[begin : begin + 4000]))
    assert [found + one.finish() for found, one in zip(spans, both, strict=True)] == alone


def test_the_package_leaves_the_thread_count_alone() -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        Segmenter()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_examples_speak(examples) -> None:
    """Each subtitle of an example lies in a span that Silero finds."""
    assert examples
    for path in examples:
        with open_media(path) as media:
            spans, known = segment(np.concatenate([event.samples for event in media.read()]))
        assert len(spans) >= 2, path.name
        assert known[0] < spans[-1].end, "the first span is known before the last has ended"


@pytest.mark.data
def test_real_clips_have_as_much_speech_as_their_index_says(data) -> None:
    with (data / "video" / "index.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    short = [row for row in rows if float(row["duration_s"]) < 6]
    for row in short:
        with open_media(data / "video" / row["file"]) as media:
            spans, _ = segment(np.concatenate([event.samples for event in media.read()]))
        got = sum(span.duration for span in spans)
        room = 2 * PAD * len(spans) + 0.3 * got  # padding, and pauses too short to part
        assert float(row["speech_s"]) - 0.3 <= got <= float(row["speech_s"]) + room + 0.3, row["file"]
