"""The labelled clips of the data folder: what each modality says of them alone, and what all say together."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fv2es.comparison.samples import only
from fv2es.emotions import canonical
from fv2es.limits import Limits
from fv2es.media import open_media
from fv2es.modalities.extract import extract
from fv2es.modalities.faces import FaceFinder, Finder
from fv2es.modalities.speech import Transcriber, make_transcriber
from fv2es.reader import Reader
from fv2es.results import make_reading, single_label, summarise
from fv2es.schema import MODALITIES, Utterance

ANSWERS = {**{name: (name,) for name in MODALITIES}, "fused": MODALITIES}


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip's label, an emotion or neutral, and its utterances as `analyse` finds them."""

    file: str
    label: str
    utterances: tuple[Utterance, ...]


def read_clips(
    folder: Path, say: Callable[[str], None], speech: str = "auto", finder: Finder | None = None
) -> list[Clip]:
    """The clips of the index that have a label. What was said is taken from the index where it is written there, as
    if a visitor had typed it, and else heard by `speech`. Raises OSError or MediaError."""
    transcriber, notes = make_transcriber(speech)
    for note in notes:
        say(note)
    finder = finder or FaceFinder()
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    clips = []
    for row in rows:
        if row["label"] not in ("", "unknown"):
            said = row.get("transcript")
            told = make_transcriber(speech, text=said)[0] if said else transcriber
            clips.append(_read(folder, row["file"], canonical(row["label"]), told, finder))
            say(f"video/{row['file']}: {len(clips[-1].utterances)} utterances")
    return clips


def _read(folder: Path, file: str, label: str, transcriber: Transcriber, finder: Finder) -> Clip:
    with open_media(folder / file, Limits.unlimited()) as media:
        found = [utterance for utterance, _ in extract(media, finder=finder, transcriber=transcriber)]
    return Clip(file, label, tuple(found))


def answer(reader: Reader, utterances: Sequence[Utterance]) -> str | None:
    """The one label of a clip's average; None where there is nothing to read."""
    readings = [
        make_reading(index, one, reader.predict([one])[0], reader.emotions, reader.thresholds)
        for index, one in enumerate(utterances)
        if one.modalities
    ]
    if not readings:
        return None
    return single_label(
        summarise(readings, reader.emotions, reader.thresholds).average, reader.thresholds, reader.emotions
    )


def on_clips(reader: Reader, clips: Sequence[Clip]) -> dict[str, Any]:
    """Each clip's answers; `right` and `answered`: how many by modality and fused."""
    answers = [
        {name: answer(reader, [only(one, seen) for one in clip.utterances]) for name, seen in ANSWERS.items()}
        for clip in clips
    ]
    rows = [{**_described(clip), "answers": given} for clip, given in zip(clips, answers, strict=True)]
    right = {
        name: sum(given[name] == clip.label for clip, given in zip(clips, answers, strict=True)) for name in ANSWERS
    }
    answered = {name: sum(given[name] is not None for given in answers) for name in ANSWERS}
    return {"rows": rows, "right": right, "answered": answered}


def _described(clip: Clip) -> dict[str, Any]:
    heard = [one.transcript for one in clip.utterances if one.transcript]
    return {
        "file": clip.file,
        "label": clip.label,
        "words": " / ".join(one.text for one in heard),
        "words_from": sorted({one.source for one in heard}),
    }
