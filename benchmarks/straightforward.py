"""FV2ES against a straightforward implementation of the same steps, as utterance-level systems are first written.

Decode the whole clip into a list of full-size frames; decode its sound; find where somebody speaks, 32 ms at a time,
with Silero's plain model; then, one utterance after the other, look for faces in five full-size frames, one at a time,
with MTCNN as it comes (faces from 20 pixels on), transform, and ask the model. The rules for utterances and for the
choice of frames, the model and the words are those of FV2ES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.made_up import Clips
from benchmarks.measuring import middle, spent, spread, table
from benchmarks.whole import Warm
from fv2es.memory import give_back
from fv2es.modalities.extract import FACES, evenly_spread
from fv2es.modalities.faces import CONFIDENCE, Detection, FaceTrack
from fv2es.modalities.spectrogram import SECONDS_PER_PIECE, mel_spectrogram
from fv2es.modalities.speech import Transcriber, make_transcriber
from fv2es.pipeline import analyse
from fv2es.schema import SAMPLE_RATE, Box, Frame, Reading, Sound, Span, Utterance
from fv2es.utterances import Segmenter

CASES = ((30, 720, 5), (30, 1080, 3))  # seconds, height, repeats
REPEATS = 3  # of a real clip
MADE_UP = "made-up"


class PlainFinder:
    """MTCNN as it comes, one picture at a time."""

    def __init__(self) -> None:
        from facenet_pytorch import MTCNN

        self._mtcnn = MTCNN(keep_all=True, device="cpu")

    def find(self, frames: Sequence[Frame], near: Box | None = None) -> list[list[Detection]]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> list[Detection]:
        boxes, confidences = self._mtcnn.detect(frame.pixels)
        found = [] if boxes is None else zip(boxes.astype(float).tolist(), confidences, strict=True)
        return [Detection(tuple(box), float(sure)) for box, sure in found if sure >= CONFIDENCE]


def run(
    clips: Clips, cases: Sequence[tuple[int, int, int]] = CASES, real: Iterable[tuple[str, Path, Path]] = ()
) -> list[dict[str, Any]]:
    """Runs of both, taking turns, each once before the clock, and how far their results lie from one another.

    real: names, clips, subtitles.
    """
    rows = []
    finder, listen = PlainFinder(), _plain_silero()
    with Warm() as warm:
        made_up = ((repeats, MADE_UP, *clips.get(seconds, height)) for seconds, height, repeats in cases)
        for repeats, name, clip, words in chain(made_up, ((REPEATS, *one) for one in real)):
            quick, plain = [], []
            _fv2es(warm, clip, words)
            plainly(clip, words, warm, finder, listen)  # pages of memory that the system has to find first cost minutes
            for _ in range(repeats):
                give_back()  # gigabytes that the other way leaves; FV2ES would do so at its end, by its clock
                with spent() as used:
                    readings = _fv2es(warm, clip, words)
                quick.append(asdict(used))
                with spent() as used:
                    spans, probabilities = plainly(clip, words, warm, finder, listen)
                plain.append(asdict(used))
            apart = np.abs(np.stack([one.probabilities for one in readings]) - probabilities)
            same = [one.span for one in readings] == spans
            seconds, height = _size(clip)
            rows.append(
                {
                    "clip": name,
                    "seconds": seconds,
                    "height": height,
                    "utterances": len(spans),
                    "fv2es": quick,
                    "straightforward": plain,
                    "same_spans": same,
                    "apart": float(apart.max()),
                    "apart_mean": float(apart.mean()),
                }
            )
    return rows


def _size(clip: Path) -> tuple[int, int]:
    """Seconds and lines."""
    import av

    with av.open(str(clip)) as container:
        return round((container.duration or 0) / 1e6), container.streams.video[0].height


def _fv2es(warm: Warm, clip: Path, words: Path) -> list[Reading]:
    transcriber, _ = make_transcriber(words)
    models = {"reader": warm.reader, "finder": warm.finder, "decoders": warm.decoders}
    with analyse(clip, transcriber=transcriber, **models) as analysis:
        return list(analysis)


def plainly(
    clip: Path, words: Path, warm: Warm, finder: PlainFinder, listen: Callable[[], Callable]
) -> tuple[list[Span], np.ndarray]:
    """Spans and probabilities (utterances, emotions)."""
    pictures, sound = _all_frames(clip), _all_sound(clip)
    segmenter = Segmenter()
    segmenter._listen = listen()
    spans = segmenter.push(Sound(0.0, sound)) + segmenter.finish()
    transcriber, _ = make_transcriber(words)
    track = FaceTrack(finder)
    results = [_utterance(span, pictures, sound, track, transcriber, warm) for span in spans]
    return spans, np.stack(results)


def _utterance(
    span: Span,
    pictures: list[tuple[float, np.ndarray]],
    sound: np.ndarray,
    track: FaceTrack,
    transcriber: Transcriber,
    warm: Warm,
) -> np.ndarray:
    samples = sound[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)]
    times = [time for time in np.arange(SECONDS_PER_PIECE / 2, span.end, SECONDS_PER_PIECE).tolist() if time in span]
    frames = [Frame(time, [pixels for begin, pixels in pictures if begin <= time + 1e-6][-1]) for time in times]
    faces = tuple(face for face in map(track.follow, evenly_spread(frames, FACES)) if face is not None)
    transcript = transcriber.transcribe(samples, span)
    utterance = Utterance(span, faces, samples, mel_spectrogram(samples), transcript)
    return 1 / (1 + np.exp(-warm.reader.predict([utterance])[0].logits.astype(np.float64)))


def _all_frames(clip: Path) -> list[tuple[float, np.ndarray]]:
    import av

    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def _all_sound(clip: Path) -> np.ndarray:
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(clip)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([part.to_ndarray().reshape(-1) for part in [*parts, *resampler.resample(None)]])


def _plain_silero() -> Callable[[], Callable[[np.ndarray], np.ndarray]]:
    import torch

    threads = torch.get_num_threads()
    from silero_vad import load_silero_vad

    torch.set_num_threads(threads)  # which the package sets
    model = load_silero_vad()

    def begin() -> Callable[[np.ndarray], np.ndarray]:
        model.reset_states()

        def listen(chunks: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return np.array([float(model(torch.from_numpy(chunk), SAMPLE_RATE)) for chunk in chunks])

        return listen

    return begin


def report(rows: list[dict[str, Any]]) -> str:
    head = ["clip", "straightforward, s", "FV2ES, s", "times faster", "processor, times less"]
    body = []
    for row in rows:
        plain, quick = row["straightforward"], row["fv2es"]
        clock = middle(one["wall"] for one in plain) / middle(one["wall"] for one in quick)
        work = [middle(one["own"] + one["children"] for one in runs) for runs in (plain, quick)]
        body.append(
            (
                f"{row['clip']}, {row['seconds']} s, {row['height']}p, {row['utterances']} utterances",
                spread([one["wall"] for one in plain]),
                spread([one["wall"] for one in quick]),
                f"{clock:.1f}",
                f"{work[0] / work[1]:.1f}",
                "yes" if row["same_spans"] else "NO",
                f"{row['apart']:.3f} ({row['apart_mean']:.3f})",
            )
        )
    return table([*head, "same utterances", "probabilities apart, at most (mean)"], body)
