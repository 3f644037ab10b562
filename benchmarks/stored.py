"""In memory against store-then-load: frames, sound and words written to disk, then read again and analysed.

What the papers call “Pre+V2EM” (Wei et al. 2022: the way through memory saves 63.04 % of its time). Both ways have the
same detectors, rules and model; only the disk lies between. “kept frames” writes the frames that are looked at in
memory, one for each 0.4 s; “all frames” writes every frame, as a corpus is prepared.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import wave
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.made_up import FPS, Clips
from benchmarks.measuring import middle, spent, spread, table
from benchmarks.whole import Warm
from fv2es.media import open_media
from fv2es.modalities.extract import _faces
from fv2es.modalities.faces import FaceTrack
from fv2es.modalities.spectrogram import SECONDS_PER_PIECE, mel_spectrogram
from fv2es.modalities.speech import make_transcriber
from fv2es.pipeline import analyse
from fv2es.schema import SAMPLE_RATE, Frame, Span, Transcript, Utterance
from fv2es.utterances import Segmenter

MEMORY, KEPT, ALL = "in memory", "stored, kept frames", "stored, all frames"
SECONDS, HEIGHT = 60, 720
QUALITY = 95  # of the JPEGs


def run(clips: Clips, repeats: int = 3, seconds: int = SECONDS) -> dict[str, Any]:
    """Runs of each way, taking turns, and how far the probabilities of the stored ways lie from those in memory."""
    clip, words = clips.get(seconds, HEIGHT)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in (MEMORY, KEPT, ALL)}
    read: dict[str, np.ndarray] = {}
    with Warm() as warm:
        for _ in range(repeats):
            for name in runs:
                with spent() as used:
                    read[name] = (
                        through_memory(warm, clip, words) if name == MEMORY else stored(warm, clip, words, name)
                    )
                runs[name].append(asdict(used))
    apart = {name: float(np.abs(read[name] - read[MEMORY]).max()) for name in (KEPT, ALL)}
    return {"seconds": seconds, "height": HEIGHT, "utterances": len(read[MEMORY]), "runs": runs, "apart": apart}


def through_memory(warm: Warm, clip: Path, words: Path) -> np.ndarray:
    transcriber, _ = make_transcriber(words)
    models = {"reader": warm.reader, "finder": warm.finder, "decoders": warm.decoders}
    with analyse(clip, transcriber=transcriber, **models) as analysis:
        return np.stack([reading.probabilities for reading in analysis])


def stored(warm: Warm, clip: Path, words: Path, kind: str) -> np.ndarray:
    folder = Path(tempfile.mkdtemp(dir=clip.parent))
    try:
        store(clip, words, folder, 1 / FPS if kind == ALL else SECONDS_PER_PIECE)
        return load(warm, folder)
    finally:
        shutil.rmtree(folder)


def store(clip: Path, words: Path, folder: Path, step: float) -> None:
    """Frames as `MILLISECONDS.jpg`; of each utterance its sound and its words as `START-END.wav` and `.txt`."""
    segmenter, spans, blocks = Segmenter(), [], []
    with open_media(clip) as media:
        for event in media.read(itertools.count(step / 2, step)):
            if isinstance(event, Frame):
                Image.fromarray(event.pixels).save(folder / f"{round(event.time * 1000)}.jpg", quality=QUALITY)
            else:
                blocks.append(event.samples)
                spans += segmenter.push(event)
    spans += segmenter.finish()
    sound = np.concatenate(blocks)
    transcriber, _ = make_transcriber(words)
    for span in spans:
        samples = sound[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)]
        name = folder / f"{span.start!r}-{span.end!r}.wav"
        with wave.open(str(name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        name.with_name(f"{name.stem}.txt").write_text(transcriber.transcribe(samples, span).text, encoding="utf-8")


def load(warm: Warm, folder: Path) -> np.ndarray:
    """(utterances, emotions) probabilities."""
    times = np.array(sorted(int(one.stem) for one in folder.glob("*.jpg")))
    track = FaceTrack(warm.finder)
    spans = sorted(Span(*map(float, one.stem.split("-"))) for one in folder.glob("*.wav"))
    return np.stack([_read(warm, folder, span, times, track) for span in spans])


def _read(warm: Warm, folder: Path, span: Span, times: np.ndarray, track: FaceTrack) -> np.ndarray:
    name = f"{span.start!r}-{span.end!r}"
    with wave.open(str(folder / f"{name}.wav"), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32767
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    frames = []
    for number in itertools.count():
        wanted = SECONDS_PER_PIECE * (number + 0.5)
        if wanted >= span.end:
            break
        if wanted in span:
            nearest = times[np.abs(times - wanted * 1000).argmin()]
            frames.append(Frame(wanted, np.asarray(Image.open(folder / f"{nearest}.jpg"))))
    utterance = Utterance(span, _faces(frames, track), samples, mel_spectrogram(samples), Transcript(text, "subtitles"))
    return 1 / (1 + np.exp(-warm.reader.predict([utterance])[0].logits.astype(np.float64)))


def report(result: dict[str, Any]) -> str:
    memory = middle(one["wall"] for one in result["runs"][MEMORY])
    body = []
    for name, runs in result["runs"].items():
        wall = middle(one["wall"] for one in runs)
        body.append(
            (
                name,
                spread([one["wall"] for one in runs]),
                f"{middle(one['own'] + one['children'] for one in runs):.2f}",
                "—" if name == MEMORY else f"{1 - memory / wall:.1%}",
                "—" if name == MEMORY else f"{result['apart'][name]:.3f}",
            )
        )
    title = f"{result['seconds']} s at {result['height']}p, {result['utterances']} utterances"
    return table([title, "s", "processor, s", "in memory saves", "probabilities apart, at most"], body)
