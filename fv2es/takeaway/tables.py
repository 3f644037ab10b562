"""One row an utterance, for spreadsheets: UTF-8 with a byte order mark, text in quotes, numbers bare.

A spreadsheet takes a cell that begins with = + - or @ for a formula, and formulas reach the net; such a cell gets an
apostrophe before it (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fv2es.schema import MODALITIES
from fv2es.takeaway.text import one_line

BOM = "\ufeff"
LEADING = ("utterance", "start", "end", "active", "transcript", "transcript_source", "transcript_confidence")
# A formula's first letter, also in full width, also behind a blank or quotation mark; and behind a semicolon, which
# parts cells where the comma is the decimal sign.
_FORMULA = re.compile(r"(^|;)(?=[\s'\"]*[=+\-@＝＋－＠])")

Cell = str | int | float | None


def csv_text(document: Mapping[str, Any]) -> str:
    """The document of `docs/json.md` → the table of `docs/files.md`, with its byte order mark."""
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    emotions = document["emotions"]
    writer.writerow([safe(name) for name in header(emotions)])
    for number, utterance in enumerate(document["utterances"], 1):
        writer.writerow([safe(cell) for cell in cells(number, utterance, emotions)])
    return BOM + stream.getvalue()


def header(emotions: Sequence[str]) -> list[str]:
    """Names of the columns: all modalities together, then each alone."""
    alone = [f"{modality}_{name}" for modality in MODALITIES for name in emotions]
    return [*LEADING, *emotions, *alone, "faces_found"]


def safe(cell: Cell) -> Cell:
    """Text that is no formula anywhere; numbers as they are; nothing for what is not known."""
    if cell is None:
        return ""
    return _FORMULA.sub(r"\1'", one_line(cell)) if isinstance(cell, str) else cell


def cells(number: int, utterance: Mapping[str, Any], emotions: Sequence[str]) -> Iterator[Cell]:
    """One utterance's cells, in the order of `header`."""
    yield from (number, utterance["start"], utterance["end"])
    yield ", ".join(utterance["active"]) or "neutral"
    yield from (utterance["transcript"], utterance["transcript_source"])
    yield utterance.get("transcript_confidence")  # batches that an earlier version began have none
    yield from (utterance["probabilities"][name] for name in emotions)
    for modality in MODALITIES:
        alone = utterance["modalities"][modality] or {}
        yield from (alone.get(name) for name in emotions)
    yield utterance["faces_found"]
