"""PocketSphinx (Huggins-Daines et al. 2006): rough, but small, and its US-English model is inside its package."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from fv2es.modalities.speech.errors import SpeechError
from fv2es.modalities.speech.languages import ENGLISH
from fv2es.schema import SAMPLE_RATE

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
LONGEST = 6 * SAMPLE_RATE  # decoding holds the interpreter: longer sound is heard in pieces, others work in between
PAUSE = SAMPLE_RATE // 10
_VARIANT = re.compile(r"\(\d+\)$")  # "the(2)": the second pronunciation of "the"
_FILLER = re.compile(r"[<\[+].*")  # <sil>, [NOISE], ++breath++


@lru_cache(maxsize=1)
def _shared() -> tuple[Any, threading.Lock]:
    """The process's decoder (90 MB, 0.3 s to load) and its lock; two would not be faster."""
    from pocketsphinx import Decoder

    return Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", **SEARCH, **FEATURES), threading.Lock()


class PocketSphinx:
    """A recogniser: what was heard before leaves no trace in what is heard next."""

    source = "pocketsphinx"

    def __init__(self, patience: float = 0.0, language: str = ENGLISH) -> None:
        """Raises SpeechError where PocketSphinx cannot be loaded, and for another language than English. It is here or
        not: `patience` changes nothing."""
        if language != ENGLISH:
            raise SpeechError("PocketSphinx knows English only.")
        try:
            self._decoder, self._lock = _shared()
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise SpeechError("PocketSphinx could not be loaded.") from error

    def hear(self, waveform: np.ndarray) -> str:
        """(n,) float32 at 16 kHz → lower-case words without punctuation."""
        return " ".join(filter(None, map(self._hear, _pieces(waveform))))

    def _hear(self, waveform: np.ndarray) -> str:
        pcm = (np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()
        if not pcm:
            return ""
        with self._lock:
            self._decoder.start_utt()
            try:
                self._decoder.process_raw(pcm, full_utt=True)
            finally:
                self._decoder.end_utt()
            hypothesis = self._decoder.hyp()
        return spoken(hypothesis.hypstr) if hypothesis else ""


def _pieces(waveform: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of at most LONGEST samples, cut where the second half of it is quietest."""
    while len(waveform) > LONGEST:
        second_half = waveform[LONGEST // 2 : LONGEST].reshape(-1, PAUSE)
        cut = LONGEST // 2 + int((second_half**2).mean(axis=1).argmin()) * PAUSE + PAUSE // 2
        yield waveform[:cut]
        waveform = waveform[cut:]
    yield waveform


def spoken(hypothesis: str) -> str:
    """The words of a hypothesis, without fillers and marks of pronunciation."""
    return " ".join(_VARIANT.sub("", token) for token in hypothesis.split() if not _FILLER.fullmatch(token))
