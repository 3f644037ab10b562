"""Joins the modalities: (clip) → utterances with all that a model may see, in one pass, each as soon as it is known.

Frames are looked at only where somebody speaks: up to five faces an utterance (Lee & Kim 2023), one frame per piece of
the spectrogram to choose from. Where nobody speaks, the face alone is read, a few seconds at a time.

Words are written down beside the rest: while one utterance waits for its words, its faces are found and the clip is
read on, until AHEAD utterances wait. The order of the utterances and of what the recogniser hears stays that of the
clip.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from fv2es.limits import Limits
from fv2es.media import Media
from fv2es.modalities.aside import Aside
from fv2es.modalities.faces import FaceTrack, Finder, face_of_picture
from fv2es.modalities.spectrogram import SECONDS_PER_PIECE, mel_spectrogram
from fv2es.modalities.speech import SpeechError, Transcriber
from fv2es.schema import SAMPLE_RATE, FaceCrop, Frame, Sound, Span, Transcript, Utterance
from fv2es.stopping import check
from fv2es.utterances import Segmenter

FACES = 5  # of an utterance that are shown to a model
MORE = 5  # further frames that are tried where some of the first show no face
FACE_ONLY = 5.0  # seconds that are read at once where nobody speaks
AHEAD = 2  # utterances that wait for their words while the clip is read on
SKEW = 10.0  # seconds that the pictures may lag behind the sound before an utterance goes on without them
PICTURE = Span(0.0, 1.0)  # a picture has no duration; it stands for one second

Seconds = dict[str, float]
One = TypeVar("One")


def extract(
    media: Media,
    *,
    finder: Finder,
    transcriber: Transcriber,
    speaker: str = "largest",
    limits: Limits | None = None,
) -> Generator[tuple[Utterance, Seconds], None, None]:
    """Each utterance of a clip, in order, with the seconds that each stage has taken since the one before.

    What an utterance lacks is missing, never filled; a recogniser that fails is told of in the notes of `media`. Raises
    MediaError; Cancelled, in the midst of any step, where the caller is no longer waited for (`fv2es.stopping`).
    """
    limits = limits or Limits.unlimited()
    watch = _Stopwatch()
    track = FaceTrack(finder, speaker)
    if media.is_picture:
        yield from _picture(media, finder, watch)
        return
    spoken = False
    if media.has_audio:
        with Aside() as aside:
            for part in _spoken(media, limits, track, transcriber, aside, watch):
                spoken = True
                yield part
    if media.has_video and not spoken:
        yield from _face_only(media, track, watch)


def extract_span(media: Media, span: Span | None, *, finder: Finder, speaker: str = "largest") -> Utterance:
    """Face and voice of a given span (None = the whole file), as `extract` would take them; without words."""
    if media.is_picture:
        face = face_of_picture(next(event for event in media.read() if isinstance(event, Frame)), finder)
        return Utterance(span or PICTURE, faces=(face,) if face else ())
    start = span.start if span else 0.0
    end = span.end if span else media.limits.max_seconds
    length = min(end, media.duration or start + FACE_ONLY) - start
    step = max(length, SECONDS_PER_PIECE) / (FACES + MORE)
    frames, blocks = [], [np.zeros(0, np.float32)]
    for event in media.read(itertools.count(start + step / 2, step), start, end):
        if isinstance(event, Frame):
            frames.append(event)
        else:
            blocks.append(event.samples)
        if len(frames) > 2 * (FACES + MORE):  # the file is longer than it says: thin out
            del frames[1::2]
    waveform = np.concatenate(blocks)
    faces = _faces(frames, FaceTrack(finder, speaker))
    whole = Span(start, max(media.seconds_read, start + 1e-3))
    return Utterance(span or whole, faces=faces, waveform=waveform, mel=mel_spectrogram(waveform))


def _picture(media: Media, finder: Finder, watch: _Stopwatch) -> Iterator[tuple[Utterance, Seconds]]:
    with watch("decode"):
        frame = next(event for event in media.read() if isinstance(event, Frame))
    with watch("faces"):
        face = face_of_picture(frame, finder)
    if face is not None:
        yield Utterance(PICTURE, faces=(face,)), watch.lap()


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An utterance whose words are being written down, and the seconds it has taken so far."""

    silent: Utterance
    words: Future[tuple[Transcript, float]]
    seconds: Seconds


def _spoken(
    media: Media,
    limits: Limits,
    track: FaceTrack,
    transcriber: Transcriber,
    aside: Aside,
    watch: _Stopwatch,
) -> Iterator[tuple[Utterance, Seconds]]:
    """The utterances with their words, in order: the first as soon as it has them, the clip being read meanwhile."""
    waiting = deque[_Waiting]()
    for part in _speech(media, limits, watch):
        if part is not None:
            span, samples, frames = part
            words = aside.call(transcriber.transcribe, samples, span)
            silent = _silent(span, samples, frames, track, watch)
            waiting.append(_Waiting(silent, words, watch.lap()))
        while waiting and (waiting[0].words.done() or len(waiting) > AHEAD):
            yield _with_words(waiting.popleft(), media, transcriber.source)
    while waiting:
        yield _with_words(waiting.popleft(), media, transcriber.source)


def _with_words(one: _Waiting, media: Media, source: str) -> tuple[Utterance, Seconds]:
    try:
        transcript, seconds = Aside.wait(one.words)
    except SpeechError as error:
        media.note(str(error))
        transcript, seconds = Transcript("", source), 0.0
    return replace(one.silent, transcript=transcript), {**one.seconds, "speech": seconds}


def _speech(media: Media, limits: Limits, watch: _Stopwatch) -> Iterator[tuple[Span, np.ndarray, list[Frame]] | None]:
    """Spans of speech with their samples and frames, each when both streams have passed its end; None where there is
    no news but time has passed."""
    segmenter = Segmenter(limits)
    heard, seen, waiting = _Heard(), deque[Frame](), deque[Span]()
    asked = itertools.count(SECONDS_PER_PIECE / 2, SECONDS_PER_PIECE) if media.has_video else ()
    for event in watch.each("decode", media.read(asked)):
        if isinstance(event, Sound):
            heard.add(event)
            with watch("vad"):
                waiting += segmenter.push(event)
        else:
            seen.append(event)
        next_frame = seen[-1].time + SECONDS_PER_PIECE if seen else SECONDS_PER_PIECE / 2
        while waiting and (not media.has_video or next_frame >= waiting[0].end or heard.end > waiting[0].end + SKEW):
            yield _take(waiting.popleft(), heard, seen)
        earliest = waiting[0].start if waiting else segmenter.earliest
        heard.forget(earliest)
        while seen and seen[0].time < min(earliest, heard.end) - SECONDS_PER_PIECE:
            seen.popleft()
        while len(seen) * SECONDS_PER_PIECE > limits.max_utterance + SKEW:  # pictures far ahead of the sound
            seen.popleft()
        yield None
    with watch("vad"):
        waiting += segmenter.finish()
    for span in waiting:
        yield _take(span, heard, seen)


def _take(span: Span, heard: _Heard, seen: Sequence[Frame]) -> tuple[Span, np.ndarray, list[Frame]]:
    return span, heard.samples(span), [frame for frame in seen if frame.time in span]


def _silent(span: Span, samples: np.ndarray, frames: list[Frame], track: FaceTrack, watch: _Stopwatch) -> Utterance:
    """All but the words."""
    with watch("faces"):
        faces = _faces(frames, track)
    with watch("spectrogram"):
        mel = mel_spectrogram(samples)
    return Utterance(span, faces=faces, waveform=samples, mel=mel)


def _face_only(media: Media, track: FaceTrack, watch: _Stopwatch) -> Iterator[tuple[Utterance, Seconds]]:
    """Nobody speaks: faces of one frame a second, FACE_ONLY seconds at a time."""
    step = FACE_ONLY / FACES
    frames: list[Frame] = []
    begin = last = 0.0
    for event in watch.each("decode", media.read(itertools.count(step / 2, step), sound=False)):
        if not isinstance(event, Frame):
            continue
        if event.time >= begin + FACE_ONLY:
            yield from _faces_of(frames, Span(begin, begin + FACE_ONLY), track, watch)
            frames, begin = [], begin + FACE_ONLY
        last = event.time
        frames.append(event)
    if not frames and not begin:  # shorter than half a step
        frames = [event for event in media.read([0.0], sound=False) if isinstance(event, Frame)]
    if frames:
        end = min(begin + FACE_ONLY, max(media.seconds_read, last))
        yield from _faces_of(frames, Span(begin, end), track, watch)


def _faces_of(
    frames: Sequence[Frame], span: Span, track: FaceTrack, watch: _Stopwatch
) -> Iterator[tuple[Utterance, Seconds]]:
    with watch("faces"):
        faces = tuple(face for face in track.follow_all(frames) if face is not None)
    if faces:
        yield Utterance(span, faces=faces), watch.lap()


def _faces(frames: Sequence[Frame], track: FaceTrack) -> tuple[FaceCrop, ...]:
    """Up to FACES crops from frames spread evenly; where some show no face, from those between."""
    chosen = evenly_spread(frames, FACES)
    found = [face for face in track.follow_all(chosen) if face is not None]
    others = deque(evenly_spread([frame for frame in frames if all(frame is not one for one in chosen)], MORE))
    while others and (lacking := min(FACES, len(frames)) - len(found)) > 0:
        more = [others.popleft() for _ in range(min(lacking, len(others)))]
        found += [face for face in track.follow_all(more) if face is not None]
    return tuple(sorted(found, key=lambda face: face.time))


def evenly_spread(them: Sequence[One], count: int) -> list[One]:
    """`count` of them (or all), evenly spread, never the very edges only."""
    if len(them) <= count:
        return list(them)
    return [them[int((i + 0.5) * len(them) / count)] for i in range(count)]


class _Heard:
    """The sound that may still be needed."""

    def __init__(self) -> None:
        self._blocks: deque[Sound] = deque()

    @property
    def end(self) -> float:
        return self._blocks[-1].end if self._blocks else 0.0

    def add(self, block: Sound) -> None:
        self._blocks.append(block)

    def forget(self, before: float) -> None:
        while len(self._blocks) > 1 and self._blocks[0].end <= before:
            self._blocks.popleft()

    def samples(self, span: Span) -> np.ndarray:
        first = round(self._blocks[0].time * SAMPLE_RATE)
        whole = np.concatenate([block.samples for block in self._blocks])
        return whole[max(0, round(span.start * SAMPLE_RATE) - first) : round(span.end * SAMPLE_RATE) - first]


class _Stopwatch:
    """Seconds by stage since the last lap. No stage begins for a caller who is no longer waited for."""

    def __init__(self) -> None:
        self._spent: Seconds = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        check()
        start = time.perf_counter()
        try:
            yield
        finally:
            self._spent[stage] = self._spent.get(stage, 0.0) + time.perf_counter() - start

    def each(self, stage: str, events: Iterator[Sound | Frame]) -> Iterator[Sound | Frame]:
        """The same events; the time it takes to get them counts as the stage's."""
        while True:
            with self(stage):
                event = next(events, None)
            if event is None:
                return
            yield event

    def lap(self) -> Seconds:
        spent, self._spent = self._spent, {}
        return spent
