"""SRT and WebVTT as people have them: any encoding, missing indexes, tags, cues in any order.

WebVTT: https://www.w3.org/TR/webvtt1/. SRT has no standard; what players accept is accepted.
"""

from __future__ import annotations

import codecs
import html
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fv2es.emotions import COLOURS
from fv2es.modalities.speech.errors import SpeechError
from fv2es.schema import Span, Transcript

SUFFIXES = (".srt", ".vtt")
MAX_BYTES = 1_000_000
MAX_CUES = 10_000
MOMENT = 0.1  # seconds

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)"  # hours optional, comma or dot
_TIMING = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}(?!\d)", re.ASCII)
_LINE_END = re.compile(r"\r\n|\r|\n")
_ASIDE = re.compile(r"(NOTE|STYLE|REGION)(?=[ \t]|$)")
_INDEX = re.compile(r"\s*\d+\s*", re.ASCII)
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")  # <i>, <v Name>, <00:01.000>, {\an8}
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,24});", re.ASCII)
# What `fv2es.takeaway.subtitles` puts before the words: read as words, it would tell the model what to find.
_TAGS = re.compile(rf"(?:\[(?:{'|'.join(COLOURS)})(?: \d\.\d\d)?\] ?)+")


Timed = tuple[float, float, list[str]]  # start and end in seconds, lines


@dataclass(frozen=True, order=True)
class Cue:
    """`text`, shown from `start` to `end`, in seconds of the clip."""

    start: float
    end: float
    text: str


class Subtitles:
    """Gives a span the words of the cues that belong to it.

    A cue belongs to a span when they overlap by at least half of the shorter of the two: a cue within an utterance,
    most of a cue at its edge, and a long cue over several short utterances, which each get it whole.
    """

    source = "subtitles"

    def __init__(self, cues: Sequence[Cue]) -> None:
        self._cues = sorted(cues)

    def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
        return Transcript(" ".join(cue.text for cue in self._cues if _belongs(cue, span)), self.source)


def _belongs(cue: Cue, span: Span) -> bool:
    overlap = min(cue.end, span.end) - max(cue.start, span.start)
    return overlap >= 0.5 * min(cue.end - cue.start, span.duration)


def read_subtitles(path: str | os.PathLike[str]) -> tuple[Cue, ...]:
    """The cues of a file, in order of time. Raises SpeechError for one that is unreadable, too large or empty."""
    try:
        regular = Path(path).is_file()  # a device or a pipe could be read for ever
        data = _head(path) if regular else None
    except (OSError, ValueError) as error:
        raise SpeechError("The subtitle file cannot be read.") from error
    if data is None:
        raise SpeechError("The subtitle file cannot be read.")
    if len(data) > MAX_BYTES:
        raise SpeechError(f"The subtitle file is too large: at most {MAX_BYTES / 1e6:g} MB are read.")
    return parse_subtitles(decode(data))


def _head(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def decode(data: bytes) -> str:
    """UTF-8 or, with a byte order mark, UTF-16; else what older editors wrote, Windows-1252 or Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def looks_like_subtitles(text: str) -> bool:
    """Does `text` begin as WebVTT does, or hold a line with the times of a cue?"""
    return text.lstrip("\ufeff").startswith("WEBVTT") or any(map(_TIMING.match, _LINE_END.split(text)))


def parse_subtitles(text: str) -> tuple[Cue, ...]:
    """SRT or WebVTT → cues in order of time, without those that are empty or end before they begin.

    Raises SpeechError when there is none, or more than MAX_CUES.
    """
    cues = []
    for start, end, lines in _rolled_on(_timed(_LINE_END.split(text.lstrip("\ufeff")))):
        words = plain(" ".join(lines))
        words = words[tags.end() :] if (tags := _TAGS.match(words)) else words
        if words and start < end:
            cues.append(Cue(start, end, words))
        if len(cues) > MAX_CUES:
            raise SpeechError(f"The subtitles have too many cues: at most {MAX_CUES} are read.")
    if not cues:
        raise SpeechError("No subtitles were found in it: they need lines such as 00:00:01,000 --> 00:00:02,500.")
    return tuple(sorted(cues))


def _rolled_on(cues: Iterable[Timed]) -> Iterator[Timed]:
    """Without the line that captions made while somebody speaks show once more: what was said last stays above what is
    said now, and between the two it stands alone for a moment."""
    before, until = "", 0.0
    for start, end, lines in cues:
        said = [line for line in lines if plain(line)]
        shown_again = bool(said) and plain(said[0]) == before and abs(start - until) < MOMENT
        if said:
            before, until = plain(said[-1]), end
        yield start, end, said[1:] if shown_again and (len(said) > 1 or end - start < MOMENT) else lines


def _timed(lines: Sequence[str]) -> Iterator[Timed]:
    """Start, end and lines of each cue. What lies outside (indexes, names, headers) is passed over."""
    webvtt = bool(lines) and lines[0].startswith("WEBVTT")
    cue: Timed | None = None
    aside, first = False, True
    for line in [*lines, ""]:
        blank = not (line if webvtt else line.strip())  # in WebVTT, blanks are a line of a cue
        aside = not blank and (aside or (webvtt and first and _ASIDE.match(line) is not None))
        timing = None if aside else _TIMING.match(line)
        if cue and (blank or timing):
            if timing and cue[2] and _INDEX.fullmatch(cue[2][-1]):
                cue[2].pop()  # the next cue's index, where the blank line before it is missing
            yield cue
            cue = None
        if timing:
            times = timing.groups()
            cue = (_seconds(*times[:3]), _seconds(*times[3:]), [])
        elif cue:
            cue[2].append(line)
        first = blank


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))


def plain(text: str) -> str:
    """Words as they are read out: no tags, no entities, nothing that cannot be printed, single blanks."""
    words = _ENTITY.sub(lambda entity: html.unescape(entity[0]), _MARKUP.sub("", text))
    return " ".join("".join(letter for letter in words if letter.isprintable() or letter.isspace()).split())
