"""`analyse`: one clip, a line per utterance as soon as it is known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fv2es.cli.output import (
    STDOUT,
    CommandError,
    Progress,
    check_target,
    printable,
    write_json,
)

if TYPE_CHECKING:
    from fv2es.pipeline import Analysis
    from fv2es.schema import Reading, Summary
    from fv2es.takeaway.arrays import AttentionFile

DEFAULT_MODEL = "v2em-compact"


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("analyse", help="read a clip, utterance by utterance", description=__doc__)
    parser.add_argument("clip", metavar="CLIP", help="a video, a sound file or a picture")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="which model (default: %(default)s)")
    parser.add_argument(
        "--speech",
        default="auto",
        metavar="auto|none|whisper|pocketsphinx|FILE",
        help="where the words come from; FILE: subtitles, .srt or .vtt (default: %(default)s)",
    )
    parser.add_argument(
        "--speaker",
        default="largest",
        choices=("largest", "left", "right"),
        help="which face is followed; left, right: in that half of the picture (default: %(default)s)",
    )
    parser.add_argument("--json", metavar="OUT", help="write all results to OUT; - is standard output")
    parser.add_argument("--attention", metavar="OUT.npz", help="write the attention maps of the voice model to OUT.npz")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    check_target("--json", options.json)
    check_target("--attention", options.attention)
    progress = Progress("s")
    try:
        document = _analyse(options, progress)
    finally:
        progress.close()
    if options.json:
        write_json(options.json, document)
    return 0


def _analyse(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """The whole run: prints as it goes, keeps of each reading no more than its JSON."""
    from fv2es.results import Fold, analysis_json, reading_json

    lines = sys.stderr if options.json == STDOUT else sys.stdout
    with ExitStack() as stack:
        analysis = stack.enter_context(_open(options))
        attention = _attention_file(options.attention, stack) if options.attention else None
        fold, utterances = Fold(analysis.reader.emotions, analysis.reader.thresholds), []
        noted = _say_notes(analysis, 0, progress)
        progress.update(0, analysis.expected)
        for reading in _readings(analysis, options.clip):
            noted = _say_notes(analysis, noted, progress)
            progress.say(reading_line(reading), lines)
            progress.update(reading.span.end, analysis.expected)
            fold.add(reading)
            utterances.append(reading_json(reading))
            if attention:
                attention.add(reading)
        _say_notes(analysis, noted, progress)
        progress.say(summary_line(fold.summary), lines)
        if attention:
            attention.finish(fold.emotions)
        return analysis_json(
            file=Path(options.clip).name,
            duration=analysis.duration,
            model=options.model,
            checkpoint=analysis.reader.checkpoint.identity,
            summary=fold.summary,
            utterances=utterances,
            notes=analysis.notes,
        )


def _open(options: argparse.Namespace) -> Analysis:
    """Raises CommandError where the clip cannot be used."""
    from fv2es.limits import Limits
    from fv2es.pipeline import MediaError, analyse

    try:
        return analyse(
            options.clip,
            reader=options.model,
            speech=options.speech,
            speaker=options.speaker,
            attention=options.attention is not None,
            limits=Limits.unlimited(),
        )
    except MediaError as error:
        raise CommandError(f"{options.clip}: {error}") from error


def _readings(analysis: Analysis, clip: str) -> Iterator[Reading]:
    """The readings; what is wrong with the file may come to light on the way."""
    from fv2es.pipeline import MediaError

    try:
        yield from analysis
    except MediaError as error:
        raise CommandError(f"{clip}: {error}") from error


def _attention_file(target: str, stack: ExitStack) -> AttentionFile:
    from fv2es.takeaway.arrays import AttentionFile, NpzWriter
    from fv2es.takeaway.atomic import atomic_file

    return AttentionFile(stack.enter_context(NpzWriter(stack.enter_context(atomic_file(target)))))


def reading_line(reading: Reading) -> str:
    """Times, active emotions with their probabilities, transcript and where it came from."""
    transcript = reading.utterance.transcript
    words = f"“{printable(transcript.text)}” ({transcript.source})" if transcript else "(no words)"
    times = f"{reading.span.start:7.2f} –{reading.span.end:7.2f} s"
    return f"{times}  {_emotions(reading.emotions, reading.probabilities, reading.active):<28}  {words}"


def summary_line(summary: Summary) -> str:
    """One sentence over the clip."""
    if not summary.utterances:
        return "No utterance was found."
    count = "one utterance" if summary.utterances == 1 else f"{summary.utterances} utterances"
    return f"On average over {count}: {_emotions(summary.emotions, summary.average, summary.active)}."


def _emotions(emotions: tuple[str, ...], values: Any, active: tuple[str, ...]) -> str:
    by_name = dict(zip(emotions, values, strict=True))
    ordered = sorted(active, key=lambda name: -by_name[name])
    return ", ".join(f"{name} {by_name[name]:.2f}" for name in ordered) or "neutral"


def _say_notes(analysis: Analysis, noted: int, progress: Progress) -> int:
    for note in analysis.notes[noted:]:
        progress.say(f"Note: {printable(note)}", sys.stderr)
    return len(analysis.notes)
