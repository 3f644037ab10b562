"""Whisper (Radford et al. 2022) through faster-whisper: base.en, 8-bit, two threads, greedy; for other languages than
English base, which translates.

Weights come from the Hub's local cache, else from the Hub; FV2ES_WHISPER names others for English: a folder,
`ORG/NAME[@REVISION]`, or a size such as `small.en`; FV2ES_WHISPER_MULTILINGUAL likewise for other languages.
HF_HUB_OFFLINE and HF_ENDPOINT are respected.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fv2es.modalities.speech.errors import SpeechError
from fv2es.modalities.speech.gates import MAX_WORDS_PER_SECOND
from fv2es.modalities.speech.languages import AUTOMATIC, ENGLISH, source_of
from fv2es.schema import SAMPLE_RATE, Transcript
from fv2es.stopping import LOOK, check, turn

VARIABLE = "FV2ES_WHISPER"
WEIGHTS = "Systran/faster-whisper-base.en@3d3d5dee26484f91867d81cb899cfcf72b96be6c"  # MIT, 145 MB
MULTILINGUAL_VARIABLE = "FV2ES_WHISPER_MULTILINGUAL"
MULTILINGUAL = "Systran/faster-whisper-base@ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"  # MIT, 145 MB
NEEDED = ("config.json", "model.bin", "tokenizer.json")
FILES = [*NEEDED, "preprocessor_config.json", "vocabulary.*"]
THREADS = 2
CONNECT_SECONDS = 3.0
RETRY_SECONDS = 300.0  # a server without a network does not try again for every visitor
MAX_NO_SPEECH = 0.6  # Whisper's own threshold
MAX_COMPRESSION = 2.4  # of the text by zlib, as in Whisper: more is repetition
TOKENS_PER_WORD = 2  # a generous mean in English

logger = logging.getLogger(__name__)


class Whisper:
    """A recogniser; all instances share the process's models: one for English, one for all else.

    language: that is spoken, a code; "auto": found anew for each utterance. What is not English is translated.
    """

    def __init__(self, patience: float = 120.0, language: str = ENGLISH) -> None:
        """Raises SpeechError when the model is not ready within `patience` seconds, or cannot be had."""
        variable, standard = (VARIABLE, WEIGHTS) if language == ENGLISH else (MULTILINGUAL_VARIABLE, MULTILINGUAL)
        self._model, self._lock = _MODELS.get(os.environ.get(variable, "").strip() or standard, patience)
        self._language = language
        self.source = "whisper" if language == AUTOMATIC else source_of(language)

    def hear(self, waveform: np.ndarray) -> Transcript:
        """(n,) float32 at 16 kHz → English with punctuation; segments that Whisper itself doubts are left out."""
        most = int(len(waveform) / SAMPLE_RATE * MAX_WORDS_PER_SECOND * TOKENS_PER_WORD) + 1
        with turn(self._lock):
            segments, about = self._model.transcribe(
                np.ascontiguousarray(waveform, np.float32),
                language=None if self._language == AUTOMATIC else self._language,
                task="transcribe" if self._language == ENGLISH else "translate",
                beam_size=1,
                temperature=0.0,  # no second tries with dice: the same sound gives the same words
                condition_on_previous_text=False,
                without_timestamps=True,
                vad_filter=False,
                max_new_tokens=min(most, 224),  # what the model can write in one window
            )
            text = " ".join(segment.text.strip() for segment in segments if _credible(segment))
        return Transcript(text, source_of(about.language) if self._language == AUTOMATIC and text else self.source)


def _credible(segment: Any) -> bool:
    return segment.no_speech_prob <= MAX_NO_SPEECH and segment.compression_ratio <= MAX_COMPRESSION


class Models:
    """One model per name, made ready in the background, so that nobody waits longer than they want to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[str, tuple[Future, float]] = {}

    def get(self, name: str, patience: float) -> tuple[Any, threading.Lock]:
        """The model and the lock to use it under. `patience`: seconds since its making began. Raises SpeechError, and
        Cancelled where nobody waits any more."""
        future, begun = self._future(name)
        while not wait([future], timeout=LOOK).done:
            check()
            if time.monotonic() > begun + patience:
                raise SpeechError("Whisper's weights are still being fetched.")
        return future.result()

    def _future(self, name: str) -> tuple[Future, float]:
        """The one under way or done, and when it began; a new one where there is none or the last failed long ago."""
        with self._lock:
            now = time.monotonic()
            future, begun = self._futures.get(name, (None, now))
            failed = future is not None and future.done() and future.exception() is not None
            if future is None or (failed and now - begun > RETRY_SECONDS):
                future, begun = self._futures[name] = (Future(), now)
                # A daemon: a slow download must not keep the program from ending.
                threading.Thread(target=_prepare, args=(name, future), name="whisper", daemon=True).start()
            return future, begun


_MODELS = Models()


def _prepare(name: str, future: Future) -> None:
    """Find, fetch, load; whatever goes wrong in other people's code is one sentence here and a line in the log."""
    problem = "Whisper's weights could not be fetched."
    try:
        folder = locate(name)
        problem = "Whisper's weights could not be loaded."
        future.set_result((_load(folder), threading.Lock()))
    except Exception as error:
        logger.info("%s (%s: %s)", problem, type(error).__name__, error)
        failure = SpeechError(problem)
        failure.__cause__ = error
        future.set_exception(failure)


def locate(name: str) -> Path:
    """The folder of the weights: on disk, in the Hub's local cache, or fetched. Raises what the Hub's client raises."""
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import model_info, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    repository = repository if "/" in repository else f"Systran/faster-whisper-{repository}"
    wanted: dict[str, Any] = {"repo_id": repository, "revision": revision or None, "allow_patterns": FILES}
    with suppress(LocalEntryNotFoundError):
        folder = Path(snapshot_download(**wanted, local_files_only=True))
        if all((folder / file).is_file() for file in NEEDED):
            return folder
    # Without a network this fails at once; the download itself would try again for half a minute.
    model_info(repository, revision=wanted["revision"], timeout=CONNECT_SECONDS)
    return Path(snapshot_download(**wanted, etag_timeout=CONNECT_SECONDS))


def _load(folder: Path) -> Any:
    from faster_whisper import WhisperModel

    missing = [file for file in NEEDED if not (folder / file).is_file()]
    if missing:  # faster-whisper would look for a tokenizer on the Hub
        raise FileNotFoundError(f"Whisper's folder lacks {', '.join(missing)}")
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=THREADS, local_files_only=True)
