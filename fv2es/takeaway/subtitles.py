"""Subtitles that say what is expressed: `[happy 0.81]` on a cue's first line, the words on its second.

WebVTT: https://www.w3.org/TR/webvtt1/. SRT has no standard and no way to escape: what a player could take for markup
becomes a look-alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fv2es.emotions import NEUTRAL
from fv2es.takeaway.text import one_line

_SRT = str.maketrans("<>{}", "‹›()")
_VTT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(document: Mapping[str, Any]) -> str:
    """The document of `docs/json.md` → SRT; empty where there is no utterance."""
    return "".join(
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{_cue(one, _SRT)}\n\n"
        for number, (start, end, one) in enumerate(_timed(document), 1)
    )


def vtt(document: Mapping[str, Any]) -> str:
    """The document of `docs/json.md` → WebVTT; its head alone where there is no utterance."""
    model = one_line(document["model"]).translate(_VTT)
    cues = "".join(
        f"{number}\n{_time(start, '.')} --> {_time(end, '.')}\n{_cue(one, _VTT)}\n\n"
        for number, (start, end, one) in enumerate(_timed(document), 1)
    )
    return f"WEBVTT\n\nNOTE Expressed emotion as {model} estimates it.\n\n{cues}"


def tags(utterance: Mapping[str, Any]) -> str:
    """ "[happy 0.81] [surprise 0.44]", the strongest first; "[neutral]" where nothing is active."""
    values = utterance["probabilities"]
    ordered = sorted(utterance["active"], key=lambda name: -values[name])
    return " ".join(f"[{name} {values[name]:.2f}]" for name in ordered) or f"[{NEUTRAL}]"


def _timed(document: Mapping[str, Any]) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    """Start and end in milliseconds; no cue is empty of time."""
    for one in document["utterances"]:
        start = round(one["start"] * 1000)
        yield start, max(start + 1, round(one["end"] * 1000)), one


def _time(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{point}{milliseconds:03}"


def _cue(utterance: Mapping[str, Any], escapes: dict[int, Any]) -> str:
    lines = (tags(utterance), one_line(utterance["transcript"]).translate(escapes))
    return "\n".join(line for line in lines if line)
