"""`analyse`: one clip, a line per utterance as soon as it is known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fv2es.cli import files
from fv2es.cli.output import STDOUT, CommandError, Progress, printable

if TYPE_CHECKING:
    from fv2es.pipeline import Analysis
    from fv2es.schema import Reading, Summary

DEFAULT_MODEL = "v2em-compact"


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("analyse", help="read a clip, utterance by utterance", description=__doc__)
    parser.add_argument("clip", metavar="CLIP", help="a video, a sound file or a picture")
    add_who_and_how(parser)
    parser.add_argument(
        "--speech",
        default="auto",
        metavar="auto|none|whisper|pocketsphinx|FILE",
        help="where the words come from; FILE: subtitles, .srt or .vtt (default: %(default)s)",
    )
    files.add_to(parser)
    parser.set_defaults(run=run)


def add_who_and_how(parser: argparse.ArgumentParser) -> None:
    """The options of whatever reads clips: by which model, in which language, whose face."""
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="which model (default: %(default)s)")
    parser.add_argument(
        "--language",
        default="en",
        metavar="CODE",
        help="the language that a recogniser is to hear, es for Spanish, auto to find out; Whisper translates what is "
        "not English (default: %(default)s)",
    )
    parser.add_argument(
        "--speaker",
        default="largest",
        choices=("largest", "left", "right"),
        help="which face is followed; left, right: in that half of the picture (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    from tempfile import TemporaryFile

    files.check(options)
    progress = Progress("s")
    try:
        with TemporaryFile() as attention:
            document, attends = _analyse(options, progress, attention)
            files.write(options, document, attention, attends, progress)
    finally:
        progress.close()
    return 0


def _analyse(options: argparse.Namespace, progress: Progress, stream: IO[bytes]) -> tuple[dict[str, Any], bool]:
    """The whole run: prints as it goes, keeps of each reading no more than its JSON.

    Attention goes to `stream` where it is wanted; the second value says whether there was any.
    """
    from fv2es.results import Document
    from fv2es.takeaway.arrays import AttentionFile, NpzWriter

    lines = sys.stderr if options.json == STDOUT else sys.stdout
    with _open(options) as analysis, NpzWriter(stream) as writer:
        attention = AttentionFile(writer)
        document = Document(Path(options.clip).name, options.model, analysis.reader)
        said: set[str] = set()
        _say_notes(analysis, said, progress)
        progress.update(0, analysis.expected)
        for reading in _readings(analysis, options.clip):
            _say_notes(analysis, said, progress)
            progress.say(reading_line(reading), lines)
            progress.update(reading.span.end, analysis.expected)
            document.add(reading)
            attention.add(reading)
        _say_notes(analysis, said, progress)
        progress.say(summary_line(document.summary), lines)
        attention.finish(analysis.reader.emotions)
        return document.json(analysis.duration, analysis.notes), attention.found


def _open(options: argparse.Namespace) -> Analysis:
    """Raises CommandError where the clip cannot be used."""
    from fv2es.limits import Limits
    from fv2es.pipeline import MediaError, analyse

    try:
        return analyse(
            options.clip,
            reader=options.model,
            speech=options.speech,
            language=options.language,
            speaker=options.speaker,
            attention=files.wants_attention(options),
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


def reading_line(reading: Reading) -> str:
    """Times, active emotions with their probabilities, transcript and where it came from."""
    transcript = reading.utterance.transcript
    sure = f", {transcript.confidence:.0%} sure" if transcript.in_doubt else ""
    words = f"“{printable(transcript.text)}” ({transcript.source}{sure})" if transcript else "(no words)"
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


def _say_notes(analysis: Analysis, said: set[str], progress: Progress) -> None:
    """Those that are new."""
    for note in analysis.notes:
        if note not in said:
            progress.say(f"Note: {printable(note)}", sys.stderr)
    said.update(analysis.notes)
