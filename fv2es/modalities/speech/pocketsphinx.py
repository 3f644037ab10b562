"""PocketSphinx (Huggins-Daines et al. 2006): rough, but small, and its US-English model is inside its package.

It holds Python's interpreter while it listens, so it listens in processes of its own (`listener`), which can also be
ended in the midst of it.
"""

from __future__ import annotations

import logging
import os
import queue
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from fv2es.media.process import Child, Ended
from fv2es.media.wire import Message
from fv2es.modalities.speech.errors import SpeechError
from fv2es.modalities.speech.languages import ENGLISH
from fv2es.schema import SAMPLE_RATE, Transcript
from fv2es.stopping import LOOK, check, stopped

# One pass with at most 3000 active states instead of two with 30,000: on 14 sentences of real speech 0.15 of real time
# and 47 % word errors, against 0.34 and 45 %.
SEARCH = {"fwdflat": False, "maxhmmpf": 3000}
# What the package's model was trained on, but without noise removal, which carries its estimate of the noise from one
# utterance into the next: the same sound would give other words after other sounds.
FEATURES = {
    "featparams": os.devnull,
    "lowerf": 130,
    "upperf": 6800,
    "nfilt": 25,
    "transform": "dct",
    "lifter": 22,
    "feat": "1s_c_d_dd",
    "svspec": "0-12/13-25/26-38",
    "cmn": "batch",
    "remove_noise": False,
}
LONGEST = 6 * SAMPLE_RATE  # longer sound is heard in pieces, others are heard in between
PAUSE = SAMPLE_RATE // 10
_VARIANT = re.compile(r"\(\d+\)$")  # "the(2)": the second pronunciation of "the"
_FILLER = re.compile(r"[<\[+].*")  # <sil>, [NOISE], ++breath++

Said = list[tuple[str, float]]  # each word, and the posterior probability that it was said: its share of the lattice

UNAVAILABLE = "PocketSphinx could not be loaded."
ENDED = "PocketSphinx ended unexpectedly, so some words are missing."
LISTENERS = 2  # at most: as many clips as the page reads at once
PATIENCE = 120.0  # seconds for one piece; on a machine that does nothing else it needs one

logger = logging.getLogger(__name__)


class PocketSphinx:
    """A recogniser: what was heard before leaves no trace in what is heard next."""

    source = "pocketsphinx"

    def __init__(self, patience: float = 0.0, language: str = ENGLISH) -> None:
        """Raises SpeechError where PocketSphinx is not installed, and for another language than English. It is here or
        not: `patience` changes nothing."""
        if language != ENGLISH:
            raise SpeechError("PocketSphinx knows English only.")
        if find_spec("pocketsphinx") is None:
            raise SpeechError(UNAVAILABLE)
        self._listeners = of_process(os.getpid())
        self._listeners.prepare()

    def hear(self, waveform: np.ndarray) -> Transcript:
        """(n,) float32 at 16 kHz → lower-case words without punctuation.

        Their confidence is their mean posterior, in tenths: PocketSphinx rounds on the way, and from run to run it
        differs in the fourth digit.

        Raises SpeechError where the process that listens fails, Cancelled where it is called off (`fv2es.stopping`).
        """
        said = [one for piece in _pieces(waveform) for one in self._listeners.hear(samples(piece))]
        confidence = sum(sure for _, sure in said) / len(said) if said else 1.0
        return Transcript(" ".join(word for word, _ in said), self.source, round(confidence, 1))


class Listeners:
    """Processes that listen (130 MB each), for one thread each at a time, made when they are needed and kept."""

    def __init__(self, most: int = LISTENERS) -> None:
        self._places: queue.LifoQueue[Child | None] = queue.LifoQueue()  # those that wait; None: one may be made
        for _ in range(most):
            self._places.put(None)

    def prepare(self) -> None:
        """Begin to make one ready, if none waits and there may be one more."""
        with suppress(queue.Empty):
            place = self._places.get_nowait()
            try:
                place = _awake(place)
            except OSError as error:
                place = None
                logger.warning("A process that listens could not begin (%s).", type(error).__name__)
            finally:
                self._places.put(place)

    def hear(self, pcm: bytes) -> Said:
        """At most LONGEST samples, 16 bits each → what `listen` gives. Raises SpeechError, Cancelled."""
        kept: Child | None = None
        place = self._take()
        try:
            place = _awake(place)
            heard = _ask(place, pcm)
            kept = place
            return heard
        except Ended as ended:
            raise SpeechError(ENDED) from ended
        finally:
            if kept is None and place is not None:
                place.end()
            self._places.put(kept)

    def _take(self) -> Child | None:
        while True:
            check()
            with suppress(queue.Empty):
                return self._places.get(timeout=LOOK)


@cache
def of_process(number: int) -> Listeners:
    """Those of the process with this number: after a fork, a process does not talk to its parent's."""
    return Listeners()


def _awake(child: Child | None) -> Child:
    if child is not None and child.alive:
        return child
    if child is not None:
        child.end()
    return Child("fv2es.modalities.speech.listener", 2 * LONGEST)


def _ask(child: Child, pcm: bytes) -> Said:
    """Raises Ended, SpeechError, Cancelled."""
    said: Message = ["ready"]

    def take(message: Message) -> None:
        said[:] = message

    child.memory[: len(pcm)] = pcm
    child.say("hear", len(pcm))
    while said[0] == "ready":
        child.hear(PATIENCE, stopped, take)
    if said[0] == "failed":
        raise SpeechError(UNAVAILABLE)
    return [(str(word), float(sure)) for word, sure in said[1]]


def load() -> Any:
    """PocketSphinx itself, 0.3 s; not for two threads at once. Raises what it raises."""
    from pocketsphinx import Decoder

    return Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", **SEARCH, **FEATURES)


def samples(waveform: np.ndarray) -> bytes:
    """(n,) float32 → 16 bits a sample, as it takes them."""
    return (np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()


def listen(decoder: Any, pcm: bytes) -> Said:
    """What was said; nothing of it is left for what is heard next."""
    if not pcm:
        return []
    decoder.start_utt()
    try:
        decoder.process_raw(pcm, full_utt=True)
    finally:
        decoder.end_utt()
    return words((one.word, one.prob) for one in decoder.seg() or ())


def _pieces(waveform: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of at most LONGEST samples, cut where the second half of it is quietest."""
    while len(waveform) > LONGEST:
        second_half = waveform[LONGEST // 2 : LONGEST].reshape(-1, PAUSE)
        cut = LONGEST // 2 + int((second_half**2).mean(axis=1).argmin()) * PAUSE + PAUSE // 2
        yield waveform[:cut]
        waveform = waveform[cut:]
    yield waveform


def words(hypothesis: Iterable[tuple[str, float]]) -> Said:
    """Those of a hypothesis, without fillers and marks of pronunciation; sums of rounded shares may exceed 1."""
    return [(_VARIANT.sub("", word), min(1.0, sure)) for word, sure in hypothesis if not _FILLER.fullmatch(word)]
