"""Sound → the spans in which somebody speaks (Silero VAD), known while the sound is still arriving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fv2es.limits import Limits
from fv2es.schema import SAMPLE_RATE, Sound, Span

CHUNK = 512  # samples: what Silero listens to at once, 32 ms
CONTEXT = 64  # samples of the chunk before that it hears again
STATE = (1, 1, 128)  # numbers, twice, that it remembers from chunk to chunk
SECONDS = CHUNK / SAMPLE_RATE
SPEECH, SILENCE = 0.5, 0.35  # probabilities: speech begins at the first and lasts until it falls below the second
PAUSE = 0.4  # seconds of silence that end an utterance
PAD = 0.1  # seconds kept before and after
LEAST = 0.2  # seconds of speech that make an utterance; less is a click or a breath
SMOOTH = 7  # chunks over which loudness is averaged before its minimum is sought


@dataclass
class _Open:
    """Speech that has not ended yet. first, last: chunk numbers; loudness: mean square of each chunk since first."""

    first: int
    last: int
    voiced: int = 0
    loudness: list[float] = field(default_factory=list)


class Segmenter:
    """Streaming VAD for one clip: push blocks in order, take the spans as they become known.

    Spans are 0.5–15 s (`Limits`), increasing, and never overlap. Longer speech is cut at its quietest point. Not for
    use from several threads: Silero's model remembers what it heard.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._shortest, self._longest = limits.min_utterance, limits.max_utterance
        self._listen = _silero()
        self._rest = np.zeros(0, np.float32)
        self._chunks = 0
        self._samples = 0
        self._open: _Open | None = None
        self._free = 0.0  # the end of the last span: the next may not begin before

    @property
    def earliest(self) -> float:
        """No later span will begin before this time, so older sound and faces may be forgotten."""
        begins = self._open.first if self._open else self._chunks
        return max(self._free, begins * SECONDS - max(PAD, self._shortest))

    def push(self, block: Sound) -> list[Span]:
        """Listen on; returns the spans that have ended."""
        self._samples += len(block.samples)
        samples = np.concatenate([self._rest, block.samples])
        whole = len(samples) - len(samples) % CHUNK
        self._rest = samples[whole:]
        return list(self._hear(samples[:whole].reshape(-1, CHUNK)))

    def finish(self) -> list[Span]:
        """The sound is over; returns what was still open."""
        spans: list[Span] = []
        if len(self._rest):
            spans += self._hear(np.pad(self._rest, (0, CHUNK - len(self._rest)))[None])
            self._rest = self._rest[:0]
        return spans + (list(self._close(self._open)) if self._open else [])

    def _hear(self, chunks: np.ndarray) -> Iterator[Span]:
        if len(chunks):
            loudness = np.mean(chunks**2, axis=1)
            for probability, level in zip(self._listen(chunks).tolist(), loudness.tolist(), strict=True):
                yield from self._go_on(probability, level)

    def _go_on(self, probability: float, loudness: float) -> Iterator[Span]:
        """One chunk further."""
        number = self._chunks
        self._chunks += 1
        if self._open is None:
            if probability < SPEECH:
                return
            self._open = _Open(number, number)
        speech = self._open
        speech.loudness.append(loudness)
        if probability >= SILENCE:
            speech.last = number
            speech.voiced += 1
        if (number - speech.last) * SECONDS >= PAUSE:
            yield from self._close(speech)
        elif (number + 1 - speech.first) * SECONDS + 2 * PAD >= self._longest:
            yield from self._cut(speech)

    def _cut(self, speech: _Open) -> Iterator[Span]:
        """End the open speech at the quietest point of its second half, and go on from there."""
        loudness = np.convolve(speech.loudness, np.ones(SMOOTH) / SMOOTH, mode="same")
        half = len(loudness) // 2
        margin = min(SMOOTH, half // 2)  # the average has no meaning at the very end
        at = half + int(np.argmin(loudness[half : len(loudness) - margin]))
        cut = speech.first + at
        yield from self._span(max(speech.first * SECONDS - PAD, self._free), cut * SECONDS)
        voiced = min(speech.voiced, len(loudness) - at)
        self._open = _Open(cut, max(speech.last, cut), voiced, speech.loudness[at:])

    def _close(self, speech: _Open) -> Iterator[Span]:
        self._open = None
        if speech.voiced * SECONDS < LEAST:
            return
        heard = self._samples / SAMPLE_RATE
        start = max(speech.first * SECONDS - PAD, self._free)
        end = min((speech.last + 1) * SECONDS + PAD, heard)
        if end - start < self._shortest:  # widen a short word to what can be analysed
            end = min(start + self._shortest, heard)
            start = max(end - self._shortest, self._free)
        yield from self._span(start, end)

    def _span(self, start: float, end: float) -> Iterator[Span]:
        if end - start >= self._shortest - 1e-6:
            self._free = end
            yield Span(max(start, 0.0), end)


def _silero() -> Callable[[np.ndarray], np.ndarray]:
    """Chunks (n, 512), going on from those before → the probability of speech in each, (n,).

    Silero's ONNX form for sequences hears all chunks of a block in one call, outside the interpreter.
    """
    session = _session()
    hidden, cell, context = np.zeros(STATE, np.float32), np.zeros(STATE, np.float32), np.zeros(CONTEXT, np.float32)

    def listen(chunks: np.ndarray) -> np.ndarray:
        nonlocal hidden, cell, context
        before = np.concatenate([context[None], chunks[:-1, -CONTEXT:]])
        heard = {"input": np.concatenate([before, chunks], axis=1), "h": hidden, "c": cell}
        probabilities, hidden, cell = session.run(["speech_probs", "hn", "cn"], heard)
        context = chunks[-1, -CONTEXT:].copy()
        return probabilities.reshape(-1)

    return listen


@lru_cache(maxsize=1)
def _session() -> Any:
    """The network, one for the process: it remembers nothing itself. Its package, which would load torch and set its
    thread count, is not imported."""
    import onnxruntime

    package = find_spec("silero_vad")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("The package silero-vad is not installed.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    network = Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
    return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
