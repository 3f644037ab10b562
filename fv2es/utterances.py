"""Sound → the spans in which somebody speaks (Silero VAD), known while the sound is still arriving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from fv2es.limits import Limits
from fv2es.schema import SAMPLE_RATE, Sound, Span

CHUNK = 512  # samples: what Silero listens to at once, 32 ms
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
        return [span for chunk in samples[:whole].reshape(-1, CHUNK) for span in self._hear(chunk)]

    def finish(self) -> list[Span]:
        """The sound is over; returns what was still open."""
        spans: list[Span] = []
        if len(self._rest):
            spans += self._hear(np.pad(self._rest, (0, CHUNK - len(self._rest))))
            self._rest = self._rest[:0]
        return spans + (list(self._close(self._open)) if self._open else [])

    def _hear(self, chunk: np.ndarray) -> Iterator[Span]:
        probability = self._listen(chunk)
        number = self._chunks
        self._chunks += 1
        if self._open is None:
            if probability < SPEECH:
                return
            self._open = _Open(number, number)
        speech = self._open
        speech.loudness.append(float(np.mean(chunk**2)))
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


def _silero() -> Callable[[np.ndarray], float]:
    """chunk (512,) → the probability of speech; importing the package sets torch's thread count, so it is put back."""
    import torch

    threads = torch.get_num_threads()
    from silero_vad import load_silero_vad

    model = load_silero_vad()
    torch.set_num_threads(threads)

    def listen(chunk: np.ndarray) -> float:
        with torch.inference_mode():
            return float(model(torch.from_numpy(np.ascontiguousarray(chunk)), SAMPLE_RATE))

    return listen
