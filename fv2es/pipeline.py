"""The whole way: a clip in, readings out, one as soon as it is known.

media → utterances → modalities → model → results. While the model reads one utterance, the next two are made. Averages
are a fold over the readings (`results.Fold`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

from fv2es.limits import Limits
from fv2es.media import Decoders, MediaError, open_media
from fv2es.memory import give_back
from fv2es.modalities.aside import ahead
from fv2es.modalities.extract import extract
from fv2es.modalities.faces import FaceFinder
from fv2es.modalities.speech import ENGLISH, Transcriber, make_transcriber
from fv2es.reader import Reader, load_reader
from fv2es.results import make_reading
from fv2es.schema import FACE, VOICE, WORDS, Reading
from fv2es.stopping import Cancelled, check, stoppable
from fv2es.threads import one_thread

NO_SPEECH = "No speech was found, so the face alone was read."
NO_SPEECH_FOR_WORDS = "No speech was found, so the face alone was read; the words that were given were not used."
NO_FACE = "No face was found, so voice and words alone were read."
NO_FACE_NO_WORDS = "No face was found, so the voice alone was read."
TIME_IS_UP = "The time for one clip was used up, so the rest of it was skipped."
GIVEN = ("typed", "subtitles")  # words that were brought along, not heard
NOTHING = "Neither speech nor a face was found, so there is nothing to read."


class Analysis(Iterator[Reading]):
    """A clip's readings, one as soon as it is known, and what a person should be told beside them.

    Setting `cancel` or calling `close`, from any thread, ends the work in the midst of whatever it does, and frees the
    file (`fv2es.stopping`); so does the end of the time that one clip may take.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reader: Reader,
        finder: FaceFinder,
        transcriber: Transcriber,
        *,
        speaker: str = "largest",
        attention: bool = False,
        limits: Limits,
        cancel: threading.Event,
        notes: list[str],
        decoders: Decoders | None = None,
    ) -> None:
        self.reader = reader
        self.cancel = cancel
        self._notes = notes
        self._attention = attention
        self._words_given = transcriber.source in GIVEN
        self._until = time.monotonic() + limits.job_seconds
        self._media = open_media(path, limits, decoders=decoders, cancel=self._is_over)
        self._extracted = ahead(
            extract(
                self._media,
                finder=finder,
                transcriber=transcriber,
                speaker=speaker,
                limits=limits,
            )
        )
        self._readings = self._read()

    def __next__(self) -> Reading:
        with stoppable(self._is_over), one_thread():
            return next(self._readings)

    @property
    def notes(self) -> list[str]:
        """Clear sentences, each once; complete when the last reading has been taken."""
        return list(dict.fromkeys([*self._notes, *self._media.notes]))

    @property
    def duration(self) -> float:
        """Seconds of the clip that have been read so far."""
        return self._media.seconds_read

    @property
    def expected(self) -> float | None:
        """Seconds that will be read if the clip lasts as long as it claims, for a progress bar and nothing else."""
        claimed = self._media.duration
        return None if claimed is None else min(claimed, self._media.limits.max_seconds)

    def close(self) -> None:
        """Stop, and leave nothing open."""
        self.cancel.set()
        self._media.close()
        with suppress(ValueError):  # another thread waits for the next reading: what it waits for ends by itself
            self._readings.close()
            self._extracted.close()
        give_back()

    def __enter__(self) -> Analysis:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_over(self) -> bool:
        return self.cancel.is_set() or time.monotonic() > self._until

    def _read(self) -> Generator[Reading, None, None]:
        seen: set[str] = set()
        try:
            for index, (utterance, seconds) in enumerate(self._extracted):
                start = time.perf_counter()
                prediction = self.reader.predict([utterance], self._attention)[0]
                spent = {**seconds, "model": time.perf_counter() - start}
                seen.update(utterance.modalities)
                yield make_reading(index, utterance, prediction, self.reader.emotions, self.reader.thresholds, spent)
            check()
            if VOICE not in seen:
                self._notes.clear()  # nobody was heard, so it does not matter who transcribes
            self._notes += _missing(seen, self._words_given)
        except Cancelled:
            if not self.cancel.is_set():
                self._notes.append(TIME_IS_UP)
        finally:
            self._extracted.close()
            self._media.close()


def _missing(seen: set[str], words_given: bool) -> list[str]:
    if not seen:
        return [NOTHING]
    if VOICE not in seen:
        return [NO_SPEECH_FOR_WORDS if words_given else NO_SPEECH]
    if FACE not in seen:
        return [NO_FACE if WORDS in seen else NO_FACE_NO_WORDS]
    return []


def analyse(
    path: str | os.PathLike[str],
    *,
    reader: Reader | str = "v2em-compact",
    speech: str | os.PathLike[str] = "auto",
    text: str | None = None,
    speaker: str = "largest",
    attention: bool = False,
    limits: Limits | None = None,
    cancel: threading.Event | None = None,
    finder: FaceFinder | None = None,
    transcriber: Transcriber | None = None,
    decoders: Decoders | None = None,
    language: str = ENGLISH,
) -> Analysis:
    """Read the emotions expressed in a clip, utterance by utterance.

    path: a video or sound file, or a picture. reader: a loaded one, or a checkpoint's name. speech: auto, none,
    whisper, pocketsphinx, or a subtitle file; text: the words as typed. speaker: largest, left or right.
    attention: keep the voice network's attention maps in each reading. limits: none on the length where none are
    given. finder, transcriber: loaded ones, for a caller that serves many clips; so are the processes of decoders.
    language: that is spoken, a code or "auto"; Whisper translates what is not English ("en").

    Raises MediaError, CheckpointError or SpeechError with one sentence for a person. No speech and no face are no
    errors: see `Analysis.notes`.
    """
    notes: list[str] = []
    cancel = cancel or threading.Event()
    if transcriber is None:
        source = speech if isinstance(speech, str) else Path(speech)
        try:
            with stoppable(cancel.is_set):
                transcriber, notes = make_transcriber(source, text=text, language=language)
        except Cancelled:  # nothing will be read
            transcriber, notes = make_transcriber("none")
    return Analysis(
        path,
        load_reader(reader) if isinstance(reader, str) else reader,
        finder or FaceFinder(),
        transcriber,
        speaker=speaker,
        attention=attention,
        limits=limits or Limits.unlimited(),
        cancel=cancel,
        notes=list(notes),
        decoders=decoders,
    )


__all__ = ["Analysis", "MediaError", "analyse"]
